/**
 * A content in parts: one upload of S3 for each plan, and the parts that were announced for it. The plan's row is the intent;
 * should whoever opened the upload die before it is written down, the next to ask finds it in S3 under the plan's own key.
 */
import { type Refusal, refuse } from "#contract/errors";
import { findOrder, type Order } from "./orders.ts";
import { type Pin, pin } from "./pins.ts";
import { type Asker, extend, type Plan, placeOf, plansOf } from "./plans.ts";
import type { PartsPlace } from "./ports.ts";
import { mayUpload } from "./rules/lease.ts";
import type { Tx } from "./tx.ts";

/** The first that is written down counts; whoever opened another aborts it. */
export function finishParts(tx: Tx, orderId: string, plan: number, uploadId: string): { uploadId: string | undefined } {
  const known = openPlan(tx, orderId, plan);
  if (!known) return { uploadId: undefined };
  if (known.uploadId !== undefined) return { uploadId: known.uploadId };
  tx.run("UPDATE plans SET upload_id = ? WHERE order_id = ? AND plan = ?", uploadId, orderId, plan);
  tx.record("parts.opened", { order_id: orderId, plan, upload_id: uploadId });
  return { uploadId };
}

/** An upload can vanish: a store's own lifecycle, an operator. The plan lives on with another one, empty. */
export function forgetParts(tx: Tx, orderId: string, plan: number, uploadId: string): void {
  if (openPlan(tx, orderId, plan)?.uploadId !== uploadId) return;
  tx.run("UPDATE plans SET upload_id = NULL WHERE order_id = ? AND plan = ?", orderId, plan);
  tx.record("parts.vanished", { order_id: orderId, plan, upload_id: uploadId });
}

export interface Pinned {
  readonly ok: true;
  readonly order: Order;
  readonly plan: Plan;
  readonly upload: PartsPlace;
}

export function pinParts(
  tx: Tx,
  orderId: string,
  number: number,
  pins: readonly Pin[],
  asker: Asker,
): Pinned | Refusal {
  const order = findOrder(tx, orderId);
  if (!order) return refuse("not_found", "no such order of this wallet");
  const may = mayUpload(order.state, order.paidThroughMs ?? 0, tx.nowMs);
  if (!may.ok) return may;
  const plan = openPlan(tx, orderId, number);
  if (!plan) return refuse("plan_gone", `plan ${number} of the order is not open for uploads`);
  if (asker === "payment" || (asker === "holder" && order.state === "stored"))
    return refuse("object_key_exists", "what is stored already is replaced by wallet proof only");
  const place = placeOf(order, plan);
  if (plan.partBytes === undefined || plan.uploadId === undefined || !place)
    return refuse("plan_gone", `plan ${number} has no upload for parts open`);
  const pinned = pin(tx, orderId, plan, pins);
  if (!pinned.ok) return pinned;
  return { ok: true, order, plan: extend(tx, order, plan), upload: { ...place, uploadId: plan.uploadId } };
}

function openPlan(tx: Tx, orderId: string, number: number): Plan | undefined {
  return plansOf(tx, orderId).find(({ plan, state }) => plan === number && state === "open");
}
