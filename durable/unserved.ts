/**
 * Paid, and no plan can be given because the wallet's bucket cannot be made. Asked for in vain for a day, the order ends and its
 * amount becomes wallet credit (contract section 5.7). The alarm tries the bucket once more before that.
 */

import { findPayment } from "./ledger.ts";
import { findOrder, move, type Order } from "./orders.ts";
import { type BucketTry, bucketFor, finishBucket } from "./plans.ts";
import type { Policy } from "./ports.ts";
import { linkQuote } from "./quotes.ts";
import { DAY_MS } from "./rules/calendar.ts";
import { changeCredit, limit, type Tx } from "./tx.ts";

export interface Unserved {
  readonly orderId: string;
  /** Absent where the region is sold no more. */
  readonly bucket: BucketTry | undefined;
}

/** Only of payments that are final: money that a reorg may still take is no credit yet. */
const GIVEN_UP = `FROM orders JOIN payments ON payments.claim_key = orders.claim_key
  WHERE orders.unserved_ms IS NOT NULL AND orders.state = 'paid' AND payments.state = 'settled' AND payments.review_ms IS NULL`;

/** Each with its time, as SQL. */
export const UNSERVED_DUE_ROWS = `SELECT orders.order_id, orders.unserved_ms + ${DAY_MS} AS due_ms ${GIVEN_UP}`;
/** When the first of them is due, as SQL for the alarm. */
export const UNSERVED_DUE = `SELECT min(orders.unserved_ms) + ${DAY_MS} AS due ${GIVEN_UP}`;

/** A plan was asked for in vain; counts from the first time. */
export function markUnserved(tx: Tx, order: Order): void {
  tx.run("UPDATE orders SET unserved_ms = coalesce(unserved_ms, ?) WHERE order_id = ?", tx.nowMs, order.orderId);
}

export function dueUnserved(tx: Tx, policy: Policy, atMost: number): Unserved[] {
  return tx
    .all<{ order_id: string; region: string }>(
      `SELECT orders.order_id, orders.region ${GIVEN_UP} AND orders.unserved_ms <= ? ORDER BY orders.unserved_ms ${limit(atMost)}`,
      tx.nowMs - DAY_MS,
    )
    .map(({ order_id, region }) => ({ orderId: order_id, bucket: bucketFor(tx, region, policy) }));
}

/** After the last try: the order can be served after all, or its money goes back to the wallet. */
export function finishUnserved(tx: Tx, { orderId, bucket }: Unserved, end: "ready" | "taken" | "unknown"): void {
  if (end !== "unknown" && bucket && !bucket.ready) finishBucket(tx, bucket, end);
  const still = tx.first("SELECT 1 AS yes FROM orders WHERE order_id = ? AND unserved_ms IS NOT NULL", orderId);
  const order = findOrder(tx, orderId);
  if (!still || order?.state !== "paid") return;
  if (end === "ready") tx.run("UPDATE orders SET unserved_ms = NULL WHERE order_id = ?", orderId);
  else credit(tx, order);
}

function credit(tx: Tx, order: Order): void {
  const payment = findPayment(tx, order.claimKey ?? "");
  // Taken by a reorg meanwhile: finality.ts decides.
  if (payment?.state !== "settled") return;
  const moved = move(tx, order, "unserved", { ended: "credited", unserved_ms: null });
  if (!moved.ok) throw new Error(`invariant: unserved order ${order.orderId}: ${moved.detail}`);
  // The quote may be bought again, for as long as it holds.
  if (order.quoteId) linkQuote(tx, order.quoteId, null);
  tx.run("UPDATE payments SET state = 'credited', reason = 'unserved' WHERE claim_key = ?", payment.claimKey);
  changeCredit(tx, BigInt(payment.amount), payment.claimKey);
}
