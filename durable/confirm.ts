/** Confirming: which contents of an order to look for, and what to do with what was seen. */
import { type Refusal, refuse } from "#contract/errors";
import { findPayment, type PaymentRecord } from "./ledger.ts";
import { findOrder, type Order } from "./orders.ts";
import { pinsOf } from "./pins.ts";
import { discard, elect, type Plan, placeOf, plansOf } from "./plans.ts";
import { type OrderRef, resolveOrder } from "./refs.ts";
import type { Sent } from "./seek.ts";
import type { Tx } from "./tx.ts";

/** What confirm has to look for. */
export interface ToConfirm {
  readonly order: Order;
  readonly plans: readonly Sent[];
  readonly payment: PaymentRecord | undefined;
}

export function beginConfirm(tx: Tx, ref: OrderRef): ({ ok: true } & ToConfirm) | Refusal {
  const found = resolveOrder(tx, ref);
  if (!found.ok) return found;
  const { order } = found;
  if (order.state === "paying") return refuse("not_paid", "the order's payment has not settled yet");
  if (order.state === "ended") return refuse("gone", `the order has ended (${order.ended ?? "ended"})`);
  const plans = plansOf(tx, order.orderId).flatMap((plan) => {
    const place = plan.state === "gone" ? undefined : placeOf(order, plan);
    return place ? [{ plan, place, pins: plan.state === "open" ? pinsOf(tx, order.orderId, plan) : [] }] : [];
  });
  return { ok: true as const, order, plans, payment: findPayment(tx, order.claimKey ?? "") };
}

export function finishConfirm(
  tx: Tx,
  orderId: string,
  number: number,
): { ok: true; order: Order; plan: Plan } | Refusal {
  const found = resolveOrder(tx, { orderId });
  if (!found.ok) return found;
  const seen = findPlan(tx, orderId, number);
  if (!seen || seen.state === "gone") return refuse("gone", `plan ${number} was given up`);
  const elected = elect(tx, found.order, seen);
  return elected.ok ? { ...elected, plan: findPlan(tx, orderId, number) ?? seen } : elected;
}

/** What is stored is never discarded by what one look saw. */
export function discardPlan(tx: Tx, orderId: string, number: number): void {
  const order = findOrder(tx, orderId);
  const seen = findPlan(tx, orderId, number);
  if (order && seen && order.storedPlan !== number) discard(tx, order, seen);
}

function findPlan(tx: Tx, orderId: string, number: number): Plan | undefined {
  return plansOf(tx, orderId).find(({ plan }) => plan === number);
}
