/**
 * The purpose `pack`: reads beyond the allowance, for a day and of no monetary value. One object's download once more, in bytes, or
 * a number of list calls.
 *
 *   open --settled--> granted --used up, or its day is over: it counts no more
 *     | refused: the row goes   | the object was gone when the money came: homeless --its block is final--> credited
 *                               | a reorg took the payment for good: reversed
 *
 * While what a pack holds (with what is left of the allowance) is enough for what is asked, it is not sold again. A rest that is not
 * enough goes into the next pack.
 */
import { type Refusal, refuse } from "#contract/errors";
import { PACK_HOURS, PACK_REPLAYS_MAX } from "#contract/limits";
import { type KeyUse, orderMade } from "./keys.ts";
import { findPayment, mustFindPayment, type PaymentRecord } from "./ledger.ts";
import { findOrder, type Order } from "./orders.ts";
import type { ClaimKey } from "./ports.ts";
import type { Begun, Offer, PurposeRules } from "./purposes.ts";
import { changeCredit, type Tx } from "./tx.ts";

export type PackKind = "list" | "download";

export interface PackAsk {
  readonly kind: PackKind;
  /** Of a download: whose object it is. Of lists: empty. */
  readonly orderId: string;
  /** What the pack holds: bytes, or list calls. */
  readonly units: number;
  /** What is asked beyond the allowance right now. */
  readonly wanted: number;
  /** Decimal micro-USDC. */
  readonly amount: string;
}

export interface Pack {
  readonly claimKey: ClaimKey;
  readonly kind: PackKind;
  readonly orderId: string;
  readonly amount: string;
  readonly state: "open" | "granted" | "homeless" | "credited" | "reversed";
  /** Units not used yet. */
  readonly left: number;
  readonly untilMs: number;
  /** What the payer's own request was given, and how often it was given again. */
  readonly served: string | undefined;
  readonly replays: number;
}

type PackRow = {
  claim_key: string;
  kind: string;
  order_id: string;
  amount: string;
  state: string;
  units_left: number;
  until_ms: number | null;
  served: string | null;
  replays: number;
};

function fromRow(row: PackRow): Pack {
  return {
    claimKey: row.claim_key,
    kind: row.kind as PackKind,
    orderId: row.order_id,
    amount: row.amount,
    state: row.state as Pack["state"],
    left: row.units_left,
    untilMs: row.until_ms ?? 0,
    served: row.served ?? undefined,
    replays: row.replays,
  };
}

function findPack(tx: Tx, claimKey: ClaimKey): Pack | undefined {
  const row = tx.first<PackRow>("SELECT * FROM packs WHERE claim_key = ?", claimKey);
  return row && fromRow(row);
}

/** The pack that can be used now: each rest went into the one after it, so there is one at most. */
export function packNow(tx: Tx, kind: PackKind, orderId: string): Pack | undefined {
  const row = tx.first<PackRow>(
    "SELECT * FROM packs WHERE kind = ? AND order_id = ? AND state = 'granted' AND units_left > 0 AND until_ms > ? LIMIT 1",
    kind,
    orderId,
    tx.nowMs,
  );
  return row && fromRow(row);
}

/** Takes from a pack; the caller has seen that it holds as much. */
export function takeFrom(tx: Tx, pack: Pack, units: number): void {
  if (units > pack.left) throw new Error(`invariant: ${units} units are taken from a pack of ${pack.left}`);
  tx.run("UPDATE packs SET units_left = units_left - ? WHERE claim_key = ?", units, pack.claimKey);
  tx.record("pack.taken", { claim_key: pack.claimKey, units, left: pack.left - units });
}

/** What the payer of a claim was given for it, so that the same request can be given the same again. */
export function rememberServed(tx: Tx, claimKey: ClaimKey | undefined, what: string): void {
  if (claimKey === undefined) return;
  tx.run("UPDATE packs SET served = ? WHERE claim_key = ? AND state = 'granted' AND served IS NULL", what, claimKey);
}

/** The reply to a paid request was lost, and it comes again: the same once more, a few times and within the pack's day. */
export function servedBefore(tx: Tx, claimKey: ClaimKey | undefined, what: string): boolean {
  const pack = claimKey === undefined ? undefined : findPack(tx, claimKey);
  if (!pack || pack.served !== what || pack.replays >= PACK_REPLAYS_MAX) return false;
  if (pack.state !== "granted" || pack.untilMs <= tx.nowMs) return false;
  tx.run("UPDATE packs SET replays = replays + 1 WHERE claim_key = ?", pack.claimKey);
  return true;
}

/** The payment behind a claim, where it bought a pack of this kind: its receipt goes with what is served. */
export function paidFor(
  tx: Tx,
  claimKey: ClaimKey | undefined,
  kind: PackKind,
  orderId: string,
): PaymentRecord | undefined {
  const pack = claimKey === undefined ? undefined : findPack(tx, claimKey);
  if (pack?.state !== "granted" || pack.kind !== kind || pack.orderId !== orderId) return undefined;
  return mustFindPayment(tx, pack.claimKey);
}

export function packOffer(tx: Tx, ask: PackAsk): Offer {
  const purchase = `pack|${ask.kind}|${ask.orderId}`;
  return {
    ok: true,
    amount: ask.amount,
    standing: () => notForSale(tx, ask) ?? alreadyBought(tx, ask),
    open: (claimKey) => {
      tx.run(
        "INSERT INTO packs (claim_key, kind, order_id, amount, units_left, state) VALUES (?, ?, ?, ?, ?, 'open')",
        claimKey,
        ask.kind,
        ask.orderId,
        ask.amount,
        ask.units,
      );
      const orderId = ask.kind === "download" ? ask.orderId : tx.newId("pack");
      return { purpose: "pack", orderId, purchase, amount: ask.amount };
    },
  };
}

function notForSale(tx: Tx, { kind, orderId }: PackAsk): Refusal | undefined {
  if (kind === "list" || findOrder(tx, orderId)?.state === "stored") return undefined;
  return refuse("object_not_found", "the object was deleted just now; nothing was charged");
}

function alreadyBought(tx: Tx, { kind, orderId, wanted }: PackAsk): Begun | undefined {
  const order = orderOf(tx, kind, orderId);
  if (tx.first("SELECT 1 AS yes FROM packs WHERE kind = ? AND order_id = ? AND state = 'open'", kind, orderId))
    return refuse(
      "payment_pending",
      "another payment for these reads is open; wait for its outcome, do not pay again",
      {
        facts: { payment_state: "pending", ...(order ? { order_id: orderId } : {}) },
        retryAfterS: 2,
      },
    );
  const pack = packNow(tx, kind, orderId);
  if (!pack || pack.left < wanted) return undefined;
  return { ok: true, begun: "bought", sameClaim: false, payment: mustFindPayment(tx, pack.claimKey), order };
}

function orderOf(tx: Tx, kind: PackKind, orderId: string): Order | undefined {
  return kind === "download" ? findOrder(tx, orderId) : undefined;
}

/** The pack that an identifier has bought: whoever signs anew under it gets that one, used up or not. */
export function packOfIdentifier(tx: Tx, identifier: KeyUse): Begun | undefined {
  const made = orderMade(tx, identifier);
  const payment = made === undefined ? undefined : findPayment(tx, made);
  const pack = payment && findPack(tx, payment.claimKey);
  if (!pack || (payment.state !== "settled" && payment.state !== "reopened")) return undefined;
  return { ok: true, begun: "bought", sameClaim: false, payment, order: orderOf(tx, pack.kind, pack.orderId) };
}

export const PACK_RULES: PurposeRules = {
  settled: (tx, payment) => {
    const pack = findPack(tx, payment.claimKey);
    if (pack?.state === "open") grant(tx, pack);
  },
  refused: (tx, payment) => tx.run("DELETE FROM packs WHERE claim_key = ? AND state = 'open'", payment.claimKey),
  reversed: (tx, payment) => write(tx, payment.claimKey, "reversed"),
  final: (tx, payment) => {
    const pack = findPack(tx, payment.claimKey);
    if (pack?.state !== "homeless") return;
    write(tx, pack.claimKey, "credited");
    changeCredit(tx, BigInt(pack.amount), pack.claimKey);
    tx.run("UPDATE payments SET state = 'credited', reason = 'homeless' WHERE claim_key = ?", pack.claimKey);
  },
  homeless: (tx, payment) => {
    const state = findPack(tx, payment.claimKey)?.state;
    return state === "homeless" || state === "credited";
  },
};

function grant(tx: Tx, pack: Pack): void {
  if (pack.kind === "download" && findOrder(tx, pack.orderId)?.state !== "stored") {
    // Deleted while the payment was on its way: the money has no home.
    write(tx, pack.claimKey, "homeless");
    tx.record("pack.homeless", { claim_key: pack.claimKey, order_id: pack.orderId });
    return;
  }
  const before = packNow(tx, pack.kind, pack.orderId);
  if (before) tx.run("UPDATE packs SET units_left = 0 WHERE claim_key = ?", before.claimKey);
  const units = pack.left + (before?.left ?? 0);
  // A day from when it can be used, not from a block that was found late.
  tx.run(
    "UPDATE packs SET state = 'granted', units_left = ?, until_ms = ? WHERE claim_key = ?",
    units,
    tx.nowMs + PACK_HOURS * 3_600_000,
    pack.claimKey,
  );
  tx.record("pack.granted", { claim_key: pack.claimKey, kind: pack.kind, order_id: pack.orderId, units });
}

function write(tx: Tx, claimKey: ClaimKey, state: Pack["state"]): void {
  tx.run("UPDATE packs SET state = ? WHERE claim_key = ?", state, claimKey);
}
