/**
 * Keys a client gives a purchase: `Idempotency-Key`, and x402's `payment-identifier`. A key is bound to what the purchase is; the
 * same key with other fields is refused and told which one differs (contract section 6).
 */
import { type Refusal, refuse } from "#contract/errors";
import { findOrder, type Order } from "./orders.ts";
import { compare } from "./rules/replay.ts";
import type { Tx } from "./tx.ts";

/** A key used for a purchase, and what the purchase was. */
export interface KeyUse {
  readonly route: string;
  readonly key: string;
  readonly fields: Readonly<Record<string, string>>;
}

/** Scopes are apart: no `Idempotency-Key` of a route can equal an identifier, whatever its characters. */
export function identifierUse(path: string, id: string, fields: KeyUse["fields"]): KeyUse {
  return { route: `payment-identifier ${path}`, key: id, fields };
}

/**
 * One key per purchase: the same key with other fields is refused and says which field differs. Work that was refused leaves the
 * key as it was, so that a corrected request may come under it.
 */
export function underKey<T extends { readonly ok: boolean }>(
  tx: Tx,
  use: KeyUse | undefined,
  work: () => T,
): T | Refusal {
  if (!use) return work();
  const known = rowOf(tx, use);
  const verdict = known && compare(JSON.parse(known.fields) as Record<string, string>, use.fields);
  if (verdict?.kind === "different")
    return refuse("key_reused", `${nameOf(use)} was used before with another ${verdict.field}`, {
      facts: { field: verdict.field },
    });
  const done = work();
  if (done.ok && !known)
    tx.run(
      "INSERT INTO idempotency (route, key, fields, created_ms) VALUES (?, ?, ?, ?)",
      use.route,
      use.key,
      JSON.stringify(use.fields),
      tx.nowMs,
    );
  return done;
}

function nameOf(use: KeyUse): string {
  return use.route.startsWith("/") ? "Idempotency-Key" : "payment-identifier";
}

/** Orders that bought nothing: the payment was refused, or its amount became credit. Their identifier is as good as new. */
const CAME_TO_NOTHING = ["payment_refused", "credited"];

type KeyRow = { fields: string; order_id: string | null; period: number | null };

function rowOf(tx: Tx, use: KeyUse): KeyRow | undefined {
  return tx.first<KeyRow>(
    "SELECT fields, order_id, period FROM idempotency WHERE route = ? AND key = ?",
    use.route,
    use.key,
  );
}

/** The order that this identifier has made and that holds, or once held, something. */
export function orderOfIdentifier(tx: Tx, use: KeyUse): Order | undefined {
  const known = rowOf(tx, use);
  const order = known?.order_id ? findOrder(tx, known.order_id) : undefined;
  return CAME_TO_NOTHING.includes(order?.ended ?? "") ? undefined : order;
}

/** Whatever this identifier has made: an order's id, or a pack's claim. */
export function orderMade(tx: Tx, use: KeyUse): string | undefined {
  return rowOf(tx, use)?.order_id ?? undefined;
}

export function rememberOrder(tx: Tx, use: KeyUse, orderId: string): void {
  tx.run("UPDATE idempotency SET order_id = ? WHERE route = ? AND key = ?", orderId, use.route, use.key);
}

/** The period that this key renews, since it was first used. */
export function periodOfKey(tx: Tx, use: KeyUse | undefined): number | undefined {
  return (use && rowOf(tx, use)?.period) ?? undefined;
}

export function rememberPeriod(tx: Tx, use: KeyUse | undefined, period: number): void {
  if (use) tx.run("UPDATE idempotency SET period = ? WHERE route = ? AND key = ?", period, use.route, use.key);
}
