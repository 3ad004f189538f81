/**
 * Payments that come with an x402 payment identifier (specs/extensions/payment_identifier.md: same id and purchase, same answer).
 * The id remembers the order it made, so whoever signs anew under an id gets that order again: nothing is claimed, nothing is
 * broadcast, and not even a deleted object is bought a second time by a late retry.
 */
import { refuse } from "#contract/errors";
import type { Purchase } from "./catalogue.ts";
import { type KeyUse, orderOfIdentifier, rememberOrder, rememberPeriod, underKey } from "./keys.ts";
import { type Claim, findPayment, paymentOf } from "./ledger.ts";
import { packOfIdentifier } from "./packs.ts";
import { beginPayment } from "./payments.ts";
import type { Begun } from "./purposes.ts";
import type { Tx } from "./tx.ts";

/** A claim under the keys that came with it: `key` is the Idempotency-Key, `identifier` x402's. */
export function beginKeyed(
  tx: Tx,
  claim: Claim,
  purchase: Purchase,
  key: KeyUse | undefined,
  identifier: KeyUse | undefined,
): Begun {
  const begun = underKey(tx, key, () => beginIdentified(tx, claim, purchase, identifier));
  if (begun.ok && "renewal" in purchase)
    for (const use of [key, identifier]) rememberPeriod(tx, use, purchase.renewal.index);
  return begun;
}

function beginIdentified(tx: Tx, claim: Claim, purchase: Purchase, identifier: KeyUse | undefined): Begun {
  if (!identifier) return beginPayment(tx, claim, purchase);
  // Which period an identifier means was looked up before the price was made (renewing.ts).
  // A statement is bought once, by whatever name.
  const isNamed = "renewal" in purchase || "statementId" in purchase;
  const before = () => (isNamed ? undefined : madeBefore(tx, claim, purchase, identifier));
  const begun = underKey(tx, identifier, () => before() ?? beginPayment(tx, claim, purchase));
  if (begun.ok && "pack" in purchase) rememberOrder(tx, identifier, begun.payment.claimKey);
  else if (begun.ok && begun.order) rememberOrder(tx, identifier, begun.order.orderId);
  return begun;
}

/** Undefined where the ordinary way has to decide: a claim known already, one that pays nothing, an order still being paid. */
function madeBefore(tx: Tx, claim: Claim, purchase: Purchase, identifier: KeyUse): Begun | undefined {
  if (claim.fault || findPayment(tx, claim.claimKey)) return undefined;
  if ("pack" in purchase) return packOfIdentifier(tx, identifier);
  const order = orderOfIdentifier(tx, identifier);
  if (!order || order.state === "paying") return undefined;
  if (order.state === "ended")
    return refuse("gone", `the order of this identifier has ended (${order.ended ?? "ended"})`);
  return { ok: true, begun: "bought", sameClaim: false, payment: paymentOf(tx, order), order };
}
