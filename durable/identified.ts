/**
 * Payments that come with an x402 payment identifier (specs/extensions/payment_identifier.md: same id and purchase, same answer).
 * The id remembers the order it made, so whoever signs anew under an id gets that order again: nothing is claimed, nothing is
 * broadcast, and not even a deleted object is bought a second time by a late retry.
 */
import { refuse } from "#contract/errors";
import { type KeyUse, orderOfIdentifier, rememberOrder, underKey } from "./keys.ts";
import { type Begun, beginPayment, type Claim, findPayment, type Purchase, paymentOf } from "./payments.ts";
import type { Tx } from "./tx.ts";

export function beginIdentified(tx: Tx, claim: Claim, purchase: Purchase, identifier: KeyUse | undefined): Begun {
  if (!identifier) return beginPayment(tx, claim, purchase);
  const begun = underKey(tx, identifier, () => madeBefore(tx, claim, identifier) ?? beginPayment(tx, claim, purchase));
  if (begun.ok) rememberOrder(tx, identifier, begun.order.orderId);
  return begun;
}

/** Undefined where the ordinary way has to decide: a claim known already, one that pays nothing, an order still being paid. */
function madeBefore(tx: Tx, claim: Claim, identifier: KeyUse): Begun | undefined {
  if (claim.fault || findPayment(tx, claim.claimKey)) return undefined;
  const order = orderOfIdentifier(tx, identifier);
  if (!order || order.state === "paying") return undefined;
  if (order.state === "ended")
    return refuse("gone", `the order of this identifier has ended (${order.ended ?? "ended"})`);
  return { ok: true, begun: "bought", sameClaim: false, payment: paymentOf(tx, order), order };
}
