/**
 * The life of an order, as one pure table.
 *
 *   paying --settled--> paid --stored--> stored --deleted | lapsed--> ended
 *     | refused                | deleted | lapsed | reversed | unserved
 *     v                        v
 *   ended                    ended
 *
 * `quoted` is not a state of an order: a quote is a price, and becomes an order when a payment for it is claimed. An unknown
 * payment leaves the order in `paying`; only the chain moves it.
 */
import { type Refusal, refuse } from "#contract/errors";

export type OrderState = "paying" | "paid" | "stored" | "ended";
export type OrderEvent = "settled" | "refused" | "reversed" | "renewed" | "stored" | "deleted" | "lapsed" | "unserved";

const TABLE: Record<OrderState, Partial<Record<OrderEvent, OrderState>>> = {
  paying: { settled: "paid", refused: "ended" },
  // Unserved: no bucket could be made for a day, and the money became credit. Reversed: a reorg took the payment for good. Without bytes the order ends; with bytes it only gets shorter.
  paid: { stored: "stored", deleted: "ended", lapsed: "ended", reversed: "ended", unserved: "ended" },
  // A replaced content is stored again: the state stays, the elected plan moves. Renewed: the end moves.
  stored: { stored: "stored", renewed: "stored", deleted: "ended", lapsed: "ended", reversed: "stored" },
  ended: {},
};

/** The next state, or why the event cannot happen now. */
export function next(state: OrderState, event: OrderEvent): { ok: true; state: OrderState } | Refusal {
  const state2 = TABLE[state][event];
  if (state2) return { ok: true, state: state2 };
  if (state === "ended") return refuse("gone", `the order has ended, so it cannot be ${event}`);
  if (state === "paying") return refuse("payment_pending", `the order's payment is open, so it cannot be ${event} yet`);
  return refuse("not_found", `an order that is ${state} cannot be ${event}`);
}

/** States in which an order holds its name. */
export function holdsName(state: OrderState): boolean {
  return state !== "ended";
}

/** States in which bytes may be uploaded or replaced, while `nowMs` has not passed `paidThroughMs`. */
export function mayUpload(state: OrderState, paidThroughMs: number, nowMs: number): { ok: true } | Refusal {
  if (state === "paying") return refuse("not_paid", "the order's payment has not settled yet");
  if (state === "ended") return refuse("gone", "the order has ended; its name is free again");
  if (nowMs > paidThroughMs)
    return refuse("gone", `the order was paid through ${new Date(paidThroughMs).toISOString()}; renew it first`);
  return { ok: true };
}
