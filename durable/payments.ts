/**
 * The claim ledger. A payment is (network, asset, from, nonce), bound at first sight to one operation; it is written before
 * anything is broadcast and, once it may have left us, never deleted. Three ends: settled, refused, unknown.
 */
import { type Refusal, refuse } from "#contract/errors";
import { SETTLE_REVIEW_AFTER_MS } from "#contract/limits";
import { parseMicroUsdc } from "#contract/money";
import type { Authorization } from "#contract/x402";
import { findLive, findOrder, insertOrder, move, mustFind, type Order } from "./orders.ts";
import type { ClaimKey, SettlementEnd, SettlementJob } from "./ports.ts";
import { findQuote, linkQuote, type Quote, type Wanted } from "./quotes.ts";
import { DAY_MS, firstPaidThroughMs } from "./rules/calendar.ts";
import { givenUp } from "./rules/claims.ts";
import type { PaymentFault } from "./rules/payment.ts";
import { changeCredit, type Tx } from "./tx.ts";

/**
 * `open`: outcome not known yet. `reopened`: was settled, until a reorg took it (finality.ts). `void`: left us, certainly not landed so far, still watched. `dead` and `credited`: final.
 * `withdrawn`: refused before it left us, so it binds nothing; the row stays for a day, because a second caller of the same claim
 * may still bring another end than the one who withdrew it.
 */
export type PaymentState = "open" | "settled" | "reopened" | "void" | "dead" | "credited" | "withdrawn";

export interface PaymentRecord {
  readonly claimKey: ClaimKey;
  readonly paymentId: string;
  readonly orderId: string;
  readonly fingerprint: string;
  readonly amount: string;
  readonly authorization: Authorization;
  readonly signature: `0x${string}`;
  readonly state: PaymentState;
  readonly txHash: `0x${string}` | undefined;
  readonly blockNumber: string | undefined;
  readonly blockMs: number | undefined;
  readonly gasUsed: string | undefined;
  readonly gasPrice: string | undefined;
  readonly claimedMs: number;
  readonly attempt: number;
}

export interface Claim {
  readonly claimKey: ClaimKey;
  readonly authorization: Authorization;
  readonly signature: `0x${string}`;
  /** Hash of route, resource and body: what the authorization was presented for. */
  readonly fingerprint: string;
  /** Why it would not pay, if it is new; a claim known already is answered as it stands. */
  readonly fault: PaymentFault | undefined;
}

/** A purchase by quote, or a bare one whose price the edge has just computed. */
export type Purchase = { readonly quoteId: string; readonly objectKey: string } | { readonly wanted: Wanted };

export type Begun =
  /** Hand `job` to the chain: it is either new or still open. */
  | {
      readonly ok: true;
      readonly begun: "open";
      readonly job: SettlementJob;
      readonly payment: PaymentRecord;
      readonly order: Order;
    }
  /** Paid already; nothing may be broadcast. `sameClaim` tells whether by this very authorization. */
  | {
      readonly ok: true;
      readonly begun: "bought";
      readonly sameClaim: boolean;
      readonly payment: PaymentRecord;
      readonly order: Order;
    }
  | Refusal;

export function beginPayment(tx: Tx, claim: Claim, purchase: Purchase): Begun {
  const known = findPayment(tx, claim.claimKey);
  if (known && known.state !== "withdrawn") return resume(tx, known, claim);
  const { fault } = claim;
  // Before anything is said about what was bought: a signature over something else identifies nobody.
  if (fault) return refuse("payment_invalid", fault.detail, { facts: { reason: fault.reason } });
  const asked = resolvePurchase(tx, purchase);
  if (!asked.ok) return asked;
  const { wanted, quote } = asked;
  const bought = alreadyBought(tx, wanted, quote);
  if (bought) return bought;
  if (quote && quote.expiresMs <= tx.nowMs)
    return refuse("quote_expired", `the quote expired at ${new Date(quote.expiresMs).toISOString()}`);
  if (parseMicroUsdc(wanted.amount) !== claim.authorization.value)
    throw new Error(`invariant: a payment of ${claim.authorization.value} was taken for ${wanted.amount}`);
  return open(tx, claim, wanted, quote);
}

function resume(tx: Tx, payment: PaymentRecord, claim: Claim): Begun {
  if (payment.fingerprint !== claim.fingerprint)
    return refuse("authorization_bound", "this authorization was presented for another request before; sign a new one");
  const order = mustFind(tx, payment.orderId);
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

export function resolvePurchase(
  tx: Tx,
  purchase: Purchase,
): { ok: true; wanted: Wanted; quote: Quote | undefined } | Refusal {
  if ("wanted" in purchase) return { ok: true, wanted: purchase.wanted, quote: undefined };
  const quote = findQuote(tx, purchase.quoteId);
  if (!quote) return refuse("quote_not_found", "no such quote of this wallet");
  // A quote names its object, and the purchase may still move it to another free name.
  return { ok: true, wanted: { ...quote, objectKey: purchase.objectKey }, quote };
}

/** A name in use is an alias of its order for anything no greater; a fresh authorization for it is never broadcast. */
export function alreadyBought(tx: Tx, wanted: Wanted, quote: Quote | undefined): Begun | undefined {
  const own = quote?.orderId === undefined ? undefined : findOrder(tx, quote.orderId);
  if (own?.state === "ended") return refuse("gone", `the order of this quote has ended (${own.ended ?? "ended"})`);
  const order = own ?? findLive(tx, wanted.agentId, wanted.objectKey);
  if (!order) return undefined;
  if (order.state === "paying")
    return refuse(
      "payment_pending",
      "another payment for this purchase is open; wait for its outcome, do not pay again",
      {
        facts: { order_id: order.orderId, payment_state: "pending" },
        retryAfterS: 2,
      },
    );
  if (wanted.sizeMax > order.sizeMax || wanted.region !== order.region)
    return refuse(
      "object_key_exists",
      `${JSON.stringify(wanted.objectKey)} is in use in ${order.region} with room for ${order.sizeMax} bytes; asked ${wanted.sizeMax} in ${wanted.region}`,
      { facts: { order_id: order.orderId } },
    );
  if (quote && !own) linkQuote(tx, quote.quoteId, order.orderId);
  return { ok: true, begun: "bought", sameClaim: false, payment: paymentOf(tx, order), order };
}

function open(tx: Tx, claim: Claim, wanted: Wanted, quote: Quote | undefined): Begun {
  const order = insertOrder(tx, wanted, quote, claim.claimKey);
  if (quote) linkQuote(tx, quote.quoteId, order.orderId);
  const payment = insertPayment(tx, claim, order, { state: "open", reviewMs: tx.nowMs + SETTLE_REVIEW_AFTER_MS });
  tx.record("payment.claimed", { claim_key: claim.claimKey, order_id: order.orderId, amount: wanted.amount });
  return { ok: true, begun: "open", job: { ...jobOf(payment), ask: "first" }, payment, order };
}

export function insertPayment(
  tx: Tx,
  claim: Omit<Claim, "fault">,
  order: Order,
  { state, reviewMs }: { state: PaymentState; reviewMs: number | null },
): PaymentRecord {
  const withdrawn = findPayment(tx, claim.claimKey);
  tx.run("DELETE FROM payments WHERE claim_key = ? AND state = 'withdrawn'", claim.claimKey);
  tx.run(
    `INSERT INTO payments (claim_key, payment_id, order_id, purchase, fingerprint, amount, authorization, signature, state,
       claimed_ms, review_ms, attempt) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    claim.claimKey,
    tx.newId("pay"),
    order.orderId,
    `upload|${order.agentId}|${order.objectKey}`,
    claim.fingerprint,
    order.amount,
    packAuthorization(claim.authorization),
    claim.signature,
    state,
    // Since the first attempt: what was landed between two of them pays as well.
    withdrawn?.claimedMs ?? tx.nowMs,
    reviewMs,
    withdrawn ? withdrawn.attempt + 1 : 0,
  );
  return mustFindPayment(tx, claim.claimKey);
}

/** How a payment stands after an end was written down. */
export type Finished =
  | { readonly state: "settled"; readonly payment: PaymentRecord; readonly order: Order }
  | { readonly state: "open"; readonly payment: PaymentRecord; readonly order: Order }
  | { readonly state: "refused"; readonly reason: string; readonly detail: string; readonly leftUs: boolean };

/**
 * `attempt`: the one that ended. An authorization that was given back may be claimed again while a caller of
 * the earlier attempt is still on its way home; of an attempt that is over only a transfer is news.
 */
export function finishPayment(tx: Tx, claimKey: ClaimKey, end: SettlementEnd, attempt?: number): Finished {
  const payment = findPayment(tx, claimKey);
  // Withdrawn so long ago that it was forgotten; the caller learns what the chain said.
  if (!payment) return end.end === "refused" ? refusedWith(end) : unclaimed(claimKey);
  if (payment.state === "settled") return { state: "settled", payment, order: mustFind(tx, payment.orderId) };
  // Many may bring the same proof; the wallet is credited for it once.
  if (payment.state === "credited") return credited();
  if (end.end === "settled") return settle(tx, payment, end);
  if (payment.state === "open" && attempt !== undefined && attempt < payment.attempt)
    return { state: "open", payment, order: mustFind(tx, payment.orderId) };
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
  return { state: "open", payment: mustFindPayment(tx, claimKey), order: mustFind(tx, payment.orderId) };
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
  const moved = move(tx, mustFind(tx, payment.orderId), "settled", {
    paid_ms: proof.blockTimeMs,
    paid_through_ms: firstPaidThroughMs(proof.blockTimeMs),
  });
  if (!moved.ok) throw new Error(`invariant: settled payment of order ${payment.orderId}: ${moved.detail}`);
  return { state: "settled", payment: mustFindPayment(tx, payment.claimKey), order: moved.order };
}

function voidClaim(tx: Tx, payment: PaymentRecord, end: Extract<SettlementEnd, { end: "refused" }>): Finished {
  if (payment.state === "open") {
    const order = mustFind(tx, payment.orderId);
    const moved = move(tx, order, "refused", { ended: "payment_refused" });
    if (!moved.ok) throw new Error(`invariant: refused payment of order ${payment.orderId}: ${moved.detail}`);
    if (order.quoteId) linkQuote(tx, order.quoteId, null);
  }
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
  tx.run("DELETE FROM payments WHERE state = 'withdrawn' AND claimed_ms < ?", tx.nowMs - DAY_MS);
  return refusedWith({ ...end, leftUs: state !== "withdrawn" });
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

/** When what is not final yet is looked at again. */
export const REVIEWABLE = { againMs: 60_000, finalityMs: 90_000 } as const;

/** Payments in a state whose review is due, the longest waiting first. */
export function reviewedRows(tx: Tx, state: PaymentState, atMost: number): PaymentRecord[] {
  return tx
    .all<PaymentRow>(
      "SELECT * FROM payments WHERE state = ? AND review_ms IS NOT NULL AND review_ms <= ? ORDER BY review_ms LIMIT ?",
      state,
      tx.nowMs,
      atMost,
    )
    .map(fromRow);
}

/** Payments whose outcome is due to be asked for. */
export function duePayments(tx: Tx, atMost: number): SettlementJob[] {
  const states = ["open", "reopened", "void", "withdrawn"] as const;
  const isGivenUp = ({ state }: PaymentRecord) => state === "void" || state === "withdrawn";
  return states
    .flatMap((state) => reviewedRows(tx, state, atMost))
    .map((payment) => ({ ...jobOf(payment), ...(isGivenUp(payment) ? { ask: "look" as const } : {}) }));
}

export function paymentOf(tx: Tx, order: Order): PaymentRecord {
  return mustFindPayment(tx, order.claimKey ?? "");
}

type PaymentRow = {
  claim_key: string;
  payment_id: string;
  order_id: string;
  fingerprint: string;
  amount: string;
  authorization: string;
  signature: string;
  state: string;
  tx_hash: string | null;
  block_number: string | null;
  block_ms: number | null;
  gas_used: string | null;
  gas_price: string | null;
  claimed_ms: number;
  attempt: number;
  reviews: number;
};

function fromRow(row: PaymentRow): PaymentRecord & { readonly reviews: number } {
  return {
    claimKey: row.claim_key,
    paymentId: row.payment_id,
    orderId: row.order_id,
    fingerprint: row.fingerprint,
    amount: row.amount,
    authorization: unpackAuthorization(row.authorization),
    signature: row.signature as `0x${string}`,
    state: row.state as PaymentState,
    txHash: (row.tx_hash as `0x${string}` | null) ?? undefined,
    blockNumber: row.block_number ?? undefined,
    blockMs: row.block_ms ?? undefined,
    gasUsed: row.gas_used ?? undefined,
    gasPrice: row.gas_price ?? undefined,
    claimedMs: row.claimed_ms,
    attempt: row.attempt,
    reviews: row.reviews,
  };
}

export function findPayment(tx: Tx, claimKey: ClaimKey) {
  const row = tx.first<PaymentRow>("SELECT * FROM payments WHERE claim_key = ?", claimKey);
  return row && fromRow(row);
}

function mustFindPayment(tx: Tx, claimKey: ClaimKey): PaymentRecord {
  const payment = findPayment(tx, claimKey);
  if (!payment) throw new Error(`invariant: payment ${claimKey} is missing`);
  return payment;
}

export function jobOf(payment: PaymentRecord): SettlementJob {
  const { claimKey, authorization, signature, claimedMs, attempt } = payment;
  return { claimKey, authorization, signature, claimedMs, attempt };
}

/** JSON has no bigint; SQLite would round one. */
export function packAuthorization(authorization: Authorization): string {
  return JSON.stringify(authorization, (_, value) => (typeof value === "bigint" ? value.toString() : value));
}

export function unpackAuthorization(text: string): Authorization {
  const raw = JSON.parse(text) as Record<keyof Authorization, string>;
  return {
    from: raw.from as Authorization["from"],
    to: raw.to as Authorization["to"],
    value: BigInt(raw.value),
    validAfterS: BigInt(raw.validAfterS),
    validBeforeS: BigInt(raw.validBeforeS),
    nonce: raw.nonce as `0x${string}`,
  };
}
