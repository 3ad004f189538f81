/**
 * The claim ledger. A payment is (network, asset, from, nonce), bound at first sight to one operation; it is written before
 * anything is broadcast and, once it may have left us, never deleted. Three ends: settled, refused, unknown.
 */
import { type Refusal, refuse } from "#contract/errors";
import { SETTLE_REVIEW_AFTER_MS } from "#contract/limits";
import { parseMicroUsdc } from "#contract/money";
import { offerOf, type Purchase, RULES } from "./catalogue.ts";
import {
  type Claim,
  findPayment,
  insertPayment,
  jobOf,
  mustFindPayment,
  type PaymentRecord,
  REVIEWABLE,
  reviewedRows,
} from "./ledger.ts";
import { findOrder, type Order } from "./orders.ts";
import type { ClaimKey, SettlementEnd, SettlementJob } from "./ports.ts";
import type { Begun, Offer } from "./purposes.ts";
import { DAY_MS } from "./rules/calendar.ts";
import { givenUp } from "./rules/claims.ts";
import { changeCredit, type Tx } from "./tx.ts";

export function beginPayment(tx: Tx, claim: Claim, purchase: Purchase): Begun {
  const known = findPayment(tx, claim.claimKey);
  if (known && known.state !== "withdrawn") return resume(tx, known, claim);
  const { fault } = claim;
  // Before anything is said about what was bought: a signature over something else identifies nobody.
  if (fault) return refuse("payment_invalid", fault.detail, { facts: { reason: fault.reason } });
  const offer = offerOf(tx, purchase);
  if (!offer.ok) return offer;
  const standing = offer.standing();
  if (standing) return standing;
  if (parseMicroUsdc(offer.amount) !== claim.authorization.value)
    throw new Error(`invariant: a payment of ${claim.authorization.value} was taken for ${offer.amount}`);
  return open(tx, claim, offer);
}

function resume(tx: Tx, payment: PaymentRecord, claim: Claim): Begun {
  if (payment.fingerprint !== claim.fingerprint)
    return refuse("authorization_bound", "this authorization was presented for another request before; sign a new one");
  if (isHomeless(tx, payment)) return gone(payment);
  const order = findOrder(tx, payment.orderId);
  if (payment.state === "open") return { ok: true, begun: "open", job: jobOf(payment), payment, order };
  if (payment.state === "settled" || payment.state === "reopened")
    return { ok: true, begun: "bought", sameClaim: true, payment, order };
  if (payment.state === "credited")
    return refuse("payment_invalid", "this authorization's amount is wallet credit; a wallet proof spends it", {
      facts: { reason: "credited" },
    });
  return refuse("payment_invalid", "this authorization was tried and did not pay; sign a new one", {
    facts: { reason: "authorization_void" },
  });
}

/** Paid for what was gone by then. The same sentence to everybody who asks with this authorization, for ever. */
function gone(payment: PaymentRecord) {
  const detail = `the object was deleted before this payment settled; its ${payment.amount} micro-USDC are wallet credit once its block is final`;
  return refuse("gone", detail, { facts: { payment_id: payment.paymentId, credited: payment.amount } });
}

function isHomeless(tx: Tx, payment: PaymentRecord): boolean {
  const has = payment.state === "settled" || payment.state === "reopened" || payment.state === "credited";
  return has && RULES[payment.purpose].homeless(tx, payment);
}

function open(tx: Tx, claim: Claim, offer: Offer): Begun {
  const subject = offer.open(claim.claimKey);
  const payment = insertPayment(tx, claim, subject, { state: "open", reviewMs: tx.nowMs + SETTLE_REVIEW_AFTER_MS });
  const { purpose, orderId, amount } = subject;
  tx.record("payment.claimed", { claim_key: claim.claimKey, purpose, order_id: orderId, amount });
  const order = findOrder(tx, orderId);
  return { ok: true, begun: "open", job: { ...jobOf(payment), ask: "first" }, payment, order };
}

/** How a payment stands after an end was written down. */
export type Finished =
  | { readonly state: "settled"; readonly payment: PaymentRecord; readonly order: Order | undefined }
  | { readonly state: "open"; readonly payment: PaymentRecord; readonly order: Order | undefined }
  /** Paid for what was gone by then. */
  | { readonly state: "homeless"; readonly payment: PaymentRecord; readonly refusal: Refusal }
  | { readonly state: "refused"; readonly reason: string; readonly detail: string; readonly leftUs: boolean };

/**
 * `attempt`: the one that ended. An authorization that was given back may be claimed again while a caller of
 * the earlier attempt is still on its way home; of an attempt that is over only a transfer is news.
 */
export function finishPayment(tx: Tx, claimKey: ClaimKey, end: SettlementEnd, attempt?: number): Finished {
  const payment = findPayment(tx, claimKey);
  // Withdrawn so long ago that it was forgotten; the caller learns what the chain said.
  if (!payment) return end.end === "refused" ? refusedWith(end) : unclaimed(claimKey);
  if (payment.state === "settled") return settled(tx, payment);
  // Many may bring the same proof; the wallet is credited for it once.
  if (payment.state === "credited") return isHomeless(tx, payment) ? settled(tx, payment) : credited();
  if (end.end === "settled") return settle(tx, payment, end);
  if (payment.state === "open" && attempt !== undefined && attempt < payment.attempt)
    return { state: "open", payment, order: findOrder(tx, payment.orderId) };
  if (end.end === "refused") return voidClaim(tx, payment, end);
  if (payment.state === "dead") return tried();
  // Twice as long each time, at most five minutes: an open payment is always asked about again.
  const waitMs = Math.min(300_000, 5_000 * 2 ** Math.min(payment.reviews, 6));
  tx.run(
    "UPDATE payments SET state = ?, tx_hash = coalesce(?, tx_hash), reviews = reviews + 1, review_ms = ? WHERE claim_key = ?",
    // One caller withdrew it, another may have sent it: it is given up and watched.
    payment.state === "withdrawn" ? "void" : payment.state,
    end.txHash ?? null,
    tx.nowMs + waitMs,
    claimKey,
  );
  if (payment.state !== "open") return tried();
  return { state: "open", payment: mustFindPayment(tx, claimKey), order: findOrder(tx, payment.orderId) };
}

function settle(tx: Tx, payment: PaymentRecord, end: Extract<SettlementEnd, { end: "settled" }>): Finished {
  const { proof } = end;
  const wasOpen = payment.state === "open";
  tx.run(
    `UPDATE payments SET state = ?, tx_hash = ?, block_number = ?, block_ms = ?, gas_used = ?, gas_price = ?, review_ms = ?
       WHERE claim_key = ?`,
    wasOpen ? "settled" : "credited",
    proof.txHash,
    proof.blockNumber.toString(),
    proof.blockTimeMs,
    proof.gasUsed.toString(),
    proof.effectiveGasPrice.toString(),
    // Believed now, looked at again until its block is final.
    wasOpen ? tx.nowMs + REVIEWABLE.finalityMs : null,
    payment.claimKey,
  );
  tx.record("payment.settled", {
    claim_key: payment.claimKey,
    tx_hash: proof.txHash,
    block: proof.blockNumber.toString(),
    amount: payment.amount,
  });
  if (!wasOpen) {
    // Given up, then proven after all: the money has no home, so it becomes the wallet's credit.
    changeCredit(tx, BigInt(payment.amount), payment.claimKey);
    return credited();
  }
  RULES[payment.purpose].settled(tx, payment, proof.blockTimeMs);
  return settled(tx, mustFindPayment(tx, payment.claimKey));
}

/** The money is there; whether for something, its purpose says. */
export function settled(tx: Tx, payment: PaymentRecord): Finished {
  if (isHomeless(tx, payment)) return { state: "homeless", payment, refusal: gone(payment) };
  return { state: "settled", payment, order: findOrder(tx, payment.orderId) };
}

function voidClaim(tx: Tx, payment: PaymentRecord, end: Extract<SettlementEnd, { end: "refused" }>): Finished {
  if (payment.state === "open") RULES[payment.purpose].refused(tx, payment);
  const neverLeft =
    (payment.state === "open" || payment.state === "withdrawn") && !end.leftUs && payment.txHash === undefined;
  const { state, lookMs } = givenUp(neverLeft, payment.authorization.validBeforeS, tx.nowMs);
  if (state !== payment.state)
    tx.record("payment.refused", { claim_key: payment.claimKey, reason: end.reason, left_us: state !== "withdrawn" });
  tx.run(
    "UPDATE payments SET state = ?, reason = ?, review_ms = ? WHERE claim_key = ?",
    state,
    end.reason,
    lookMs ?? null,
    payment.claimKey,
  );
  forgetWithdrawn(tx);
  return refusedWith({ ...end, leftUs: state !== "withdrawn" });
}

/** Except what is tried again for days: its attempts are counted here, and a lane answers an attempt it knows as it did before. */
function forgetWithdrawn(tx: Tx): void {
  tx.run(
    `DELETE FROM payments WHERE state = 'withdrawn' AND claimed_ms < ?
       AND claim_key NOT IN (SELECT claim_key FROM mandates WHERE state IN ('waiting', 'settling'))`,
    tx.nowMs - DAY_MS,
  );
}

function credited(): Finished {
  const detail = "proven after it was given up; the amount is wallet credit";
  return refusedWith({ reason: "credited", detail, leftUs: true });
}

function tried(): Finished {
  return refusedWith({ reason: "authorization_void", detail: "tried before", leftUs: true });
}

function refusedWith(end: { reason: string; detail: string; leftUs: boolean }): Finished {
  return { state: "refused", reason: end.reason, detail: end.detail, leftUs: end.leftUs };
}

function unclaimed(claimKey: ClaimKey): never {
  throw new Error(`invariant: an outcome arrived for ${claimKey}, which was never claimed`);
}

/** Payments whose outcome is due to be asked for. */
export function duePayments(tx: Tx, atMost: number): SettlementJob[] {
  const states = ["open", "reopened", "void", "withdrawn"] as const;
  const isGivenUp = ({ state }: PaymentRecord) => state === "void" || state === "withdrawn";
  return reviewedRows(tx, states, atMost).map((payment) => ({
    ...jobOf(payment),
    ...(isGivenUp(payment) ? { ask: "look" as const } : {}),
  }));
}
