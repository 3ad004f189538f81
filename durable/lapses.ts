/**
 * What becomes of an order whose time is over. `paid` at `paid_through`: somebody may have sent the bytes and died, so S3 is asked once
 * more, then it is stored or ended. `stored` and unpaid after the grace: what the wallet is owed renews it, else it lapses, which is a
 * delete that nobody asked for: so it takes two clocks, ours and the chain's, a service that was there to be paid, and no claim that is
 * still open. Check and tombstone are one transaction; the bytes go as after any delete.
 */
import { spendCredit } from "./credit.ts";
import { retireMandates } from "./mandates.ts";
import { findOrder, move, type Order } from "./orders.ts";
import { pinsOf } from "./pins.ts";
import { discard, elect, placeOf, plansOf } from "./plans.ts";
import { hasOpenRenewal, leaseOf } from "./renewals.ts";
import { deadlineMs, isAlive, type Pulse } from "./rules/pulse.ts";
import type { Sent } from "./seek.ts";
import { creditOf, limit, type Tx } from "./tx.ts";

/** An order whose time seems over. */
export interface Overdue {
  readonly order: Order;
  /** Contents that may be there, newest first; of a stored order the elected one. */
  readonly plans: readonly Sent[];
  /** The wallet is owed something, so the bytes have to be weighed. */
  readonly owed: boolean;
}

/** What the world says, asked once for all orders of a sweep. Absent is what nobody could say. */
export interface Now {
  readonly pulse: Pulse | undefined;
  /** Block time of a head that cannot be taken back. */
  readonly chainMs: number | undefined;
}

export type Seen =
  | { readonly end: "found"; readonly plan: number }
  | { readonly end: "absent" }
  | { readonly end: "unknown" }
  /** Stored, and not weighed, because the wallet was owed nothing then. */
  | { readonly end: "unowed" }
  /** Stored, and this is what 30 days more of it would cost now. */
  | { readonly end: "priced"; readonly amount: string; readonly card: string; readonly sizeBytes: number };

/** Asked again the more rarely the longer nobody could say: five minutes, then a tenth of the time it is over, at most an hour. */
const again = (overMs: number) => Math.min(3_600_000, Math.max(300_000, overMs / 10));

/** When the first of them is due, as SQL for the alarm. */
export const OVERDUE_DUE = "SELECT min(due_ms) AS due FROM orders WHERE due_ms IS NOT NULL";

export function dueOrders(tx: Tx, atMost: number): Overdue[] {
  const owed = creditOf(tx) > 0n;
  return tx
    .all<{ order_id: string }>(
      `SELECT order_id FROM orders WHERE due_ms IS NOT NULL AND due_ms < ? ORDER BY due_ms ${limit(atMost)}`,
      tx.nowMs,
    )
    .flatMap(({ order_id }) => {
      const order = findOrder(tx, order_id);
      if (!order) return [];
      const plans = plansOf(tx, order_id).flatMap((plan) => {
        const wanted = order.state === "stored" ? plan.plan === order.storedPlan : plan.state !== "gone";
        const place = wanted ? placeOf(order, plan) : undefined;
        return place ? [{ plan, place, pins: plan.state === "open" ? pinsOf(tx, order_id, plan) : [] }] : [];
      });
      return [{ order, plans, owed }];
    });
}

/** Why an order does not lapse now, and when to ask again; undefined when it does. */
export function waits(
  tx: Tx,
  order: Order,
  now: Now,
): { readonly because: string; readonly untilMs: number } | undefined {
  const later = { untilMs: tx.nowMs + again(tx.nowMs - (order.paidThroughMs ?? 0)) };
  if (hasOpenRenewal(tx, order.orderId)) return { because: "payment_open", ...later };
  if (!now.pulse) return { because: "heartbeat_unknown", ...later };
  if (!isAlive(now.pulse, tx.nowMs)) return { because: "heartbeat_missing", ...later };
  const endMs =
    order.state === "paid" ? (order.paidThroughMs ?? 0) : deadlineMs(order.paidThroughMs ?? 0, now.pulse.gaps);
  if (tx.nowMs <= endMs) return { because: "outage", untilMs: endMs + 1 };
  if (now.chainMs === undefined) return { because: "chain_unknown", ...later };
  if (now.chainMs <= endMs) return { because: "chain_time", ...later };
  return undefined;
}

/** Everything is looked at anew: between the look and now somebody may have paid, confirmed, or deleted. */
export function finishDue(tx: Tx, orderId: string, seen: Seen, now: Now): void {
  const order = findOrder(tx, orderId);
  if (!order || (order.state !== "paid" && order.state !== "stored") || (order.paidThroughMs ?? 0) >= tx.nowMs) return;
  if (order.state === "paid" && seen.end === "found") {
    const plan = plansOf(tx, orderId).find((each) => each.plan === seen.plan && each.state !== "gone");
    if (plan && elect(tx, order, plan).ok) return;
  }
  const wait =
    seen.end === "unknown"
      ? { because: "store_unknown", untilMs: tx.nowMs + again(tx.nowMs - (order.paidThroughMs ?? 0)) }
      : waits(tx, order, now);
  if (wait) postpone(tx, order, wait.untilMs);
  // Meanwhile it is owed something, perhaps by the very payment that came too late: weighed first.
  else if (seen.end === "unowed" && creditOf(tx) > 0n) postpone(tx, order, tx.nowMs);
  else if (order.state !== "stored" || seen.end !== "priced" || !renewed(tx, order, seen)) lapse(tx, order);
}

function postpone(tx: Tx, order: Order, untilMs: number): void {
  tx.run("UPDATE orders SET due_ms = ? WHERE order_id = ?", untilMs, order.orderId);
}

/** What the wallet is owed renews before anything is erased. */
function renewed(tx: Tx, order: Order, { amount, card, sizeBytes }: Extract<Seen, { end: "priced" }>): boolean {
  const index = leaseOf(tx, order).lastIndex + 1;
  const renewal = { orderId: order.orderId, index, amount, card, sizeBytes, deadlineMs: Number.MAX_SAFE_INTEGER };
  const spent = spendCredit(tx, { renewal });
  return spent.ok && spent.bought !== undefined;
}

function lapse(tx: Tx, order: Order): void {
  const moved = move(tx, order, "lapsed", { ended: order.state === "paid" ? "never_stored" : "unpaid" });
  if (!moved.ok) throw new Error(`invariant: lapse of ${order.orderId}: ${moved.detail}`);
  for (const plan of plansOf(tx, order.orderId)) discard(tx, order, plan);
  retireMandates(tx, order.orderId, "the object was unpaid for too long");
}
