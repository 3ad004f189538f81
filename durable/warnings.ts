/**
 * Warnings before the end (rules/warnings.ts), as events of the journal. What was said about which end of time stands in the order's
 * row and moves in the transaction that writes the event: an alarm that is late, doubled or lost says each of them, once.
 */
import { liveMandate } from "./mandates.ts";
import { findOrder, type Order } from "./orders.ts";
import { leaseOf } from "./renewals.ts";
import { endsAfterMs } from "./rules/calendar.ts";
import { nextWarning, type Warning } from "./rules/warnings.ts";
import { limit, type Tx } from "./tx.ts";

/** When the first of them is due, as SQL for the alarm. */
export const WARNING_DUE = "SELECT min(warn_ms) AS due FROM orders WHERE warn_ms IS NOT NULL";

export function giveWarnings(tx: Tx, atMost: number): void {
  const due = tx.all<{ order_id: string }>(
    `SELECT order_id FROM orders WHERE warn_ms IS NOT NULL AND warn_ms <= ? ORDER BY warn_ms ${limit(atMost)}`,
    tx.nowMs,
  );
  for (const { order_id } of due) warn(tx, order_id);
}

/** All that are due by now: after a long silence these are several. */
function warn(tx: Tx, orderId: string): void {
  const order = findOrder(tx, orderId);
  let given = tx.first<{ warned: number }>("SELECT warned FROM orders WHERE order_id = ?", orderId)?.warned ?? 0;
  for (let next = order && nextOf(order, given); order && next; next = nextOf(order, given)) {
    if (next.atMs > tx.nowMs) break;
    tell(tx, order, next.warning);
    given += 1;
  }
  tx.run(
    "UPDATE orders SET warned = ?, warn_ms = ? WHERE order_id = ?",
    given,
    (order && nextOf(order, given)?.atMs) ?? null,
    orderId,
  );
}

const nextOf = ({ state, paidThroughMs = 0 }: Order, given: number) => nextWarning(state, paidThroughMs, given);

function tell(tx: Tx, order: Order, warning: Warning): void {
  const { orderId, agentId, objectKey, state, paidThroughMs = 0 } = order;
  const period = leaseOf(tx, order).lastIndex + 1;
  const paidThrough = new Date(paidThroughMs).toISOString();
  const deleteAfter = new Date(endsAfterMs(state, paidThroughMs)).toISOString();
  const mandate = liveMandate(tx, orderId, period) !== undefined;
  tx.record(`warning.${warning}`, {
    order_id: orderId,
    agent_id: agentId,
    object_key: objectKey,
    next_period_index: period,
    paid_through: paidThrough,
    delete_after: deleteAfter,
    mandate,
    message: `${JSON.stringify(objectKey)} ${sentence(warning, order, { paidThrough, deleteAfter, mandate })}`,
  });
}

interface Ends {
  readonly paidThrough: string;
  readonly deleteAfter: string;
  readonly mandate: boolean;
}

/** For whoever shows it as it is. */
function sentence(warning: Warning, { state }: Order, { paidThrough, deleteAfter, mandate }: Ends): string {
  const signed = mandate ? " A mandate pays for it, if the wallet has the money." : "";
  if (state === "paid") return `was paid for and never sent; the room ends at ${paidThrough}.`;
  if (warning === "due_soon")
    return `is paid until ${paidThrough}; unpaid it is deleted after ${deleteAfter}.${signed}`;
  if (warning === "unpaid") return `is unpaid since ${paidThrough} and is deleted after ${deleteAfter}.${signed}`;
  return `is unpaid since ${paidThrough} and is about to be deleted, after ${deleteAfter}.${signed}`;
}
