/**
 * The rows of the claim ledger: rows in, values out. What they mean is decided in payments.ts and finality.ts; what a payment is for,
 * in purposes.ts.
 */
import type { Authorization } from "#contract/x402";
import type { Order } from "./orders.ts";
import type { ClaimKey, SettlementJob } from "./ports.ts";
import type { PaymentFault } from "./rules/payment.ts";
import { limit, type Tx } from "./tx.ts";

/**
 * `open`: outcome not known yet. `reopened`: was settled, until a reorg took it (finality.ts). `void`: left us, certainly not landed so far, still watched. `dead` and `credited`: final.
 * `withdrawn`: refused before it left us, so it binds nothing; the row stays for a day, because a second caller of the same claim
 * may still bring another end than the one who withdrew it.
 */
export type PaymentState = "open" | "settled" | "reopened" | "void" | "dead" | "credited" | "withdrawn";

/** What a payment is for; purposes.ts says what each means. */
export type Purpose = "order" | "renewal" | "statement" | "pack";

export interface PaymentRecord {
  readonly claimKey: ClaimKey;
  readonly paymentId: string;
  readonly purpose: Purpose;
  /** The id of what it is for: the order bought or renewed; a purpose without an order has an id of its own. */
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
  /** Since when a transfer by it pays for this, where that is earlier than its claim: it was handed over before. */
  readonly sinceMs?: number;
}

/** What a claim has been written down for. */
export interface Subject {
  readonly purpose: Purpose;
  readonly orderId: string;
  /** The same for every payment of the same thing: only one of them can be open (schema: `one_live_payment`). */
  readonly purchase: string;
  /** Decimal micro-USDC. */
  readonly amount: string;
}

export function insertPayment(
  tx: Tx,
  claim: Omit<Claim, "fault">,
  subject: Subject,
  { state, reviewMs }: { state: PaymentState; reviewMs: number | null },
): PaymentRecord {
  const withdrawn = findPayment(tx, claim.claimKey);
  tx.run("DELETE FROM payments WHERE claim_key = ? AND state = 'withdrawn'", claim.claimKey);
  tx.run(
    `INSERT INTO payments (claim_key, payment_id, purpose, order_id, purchase, fingerprint, amount, authorization, signature,
       state, claimed_ms, review_ms, attempt) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    claim.claimKey,
    tx.newId("pay"),
    subject.purpose,
    subject.orderId,
    subject.purchase,
    claim.fingerprint,
    subject.amount,
    packAuthorization(claim.authorization),
    claim.signature,
    state,
    // Since the first attempt: what was landed between two of them pays as well.
    withdrawn?.claimedMs ?? claim.sinceMs ?? tx.nowMs,
    reviewMs,
    withdrawn ? withdrawn.attempt + 1 : 0,
  );
  return mustFindPayment(tx, claim.claimKey);
}

/** When what is not final yet is looked at again. */
export const REVIEWABLE = { againMs: 60_000, finalityMs: 90_000 } as const;

/** Payments in one of these states whose review is due: of each state so many, the longest waiting first, so that none waits for another. */
export function reviewedRows(tx: Tx, states: readonly PaymentState[], atMost: number): PaymentRecord[] {
  const due = tx.all<{ state: string }>(
    "SELECT DISTINCT state FROM payments WHERE review_ms IS NOT NULL AND review_ms <= ?",
    tx.nowMs,
  );
  return states
    .filter((state) => due.some((row) => row.state === state))
    .flatMap((state) =>
      tx.all<PaymentRow>(
        `SELECT * FROM payments WHERE state = '${state}' AND review_ms IS NOT NULL AND review_ms <= ? ORDER BY review_ms ${limit(atMost)}`,
        tx.nowMs,
      ),
    )
    .map(fromRow);
}

/** The payment that bought an order. */
export function paymentOf(tx: Tx, order: Order): PaymentRecord {
  return mustFindPayment(tx, order.claimKey ?? "");
}

type PaymentRow = {
  claim_key: string;
  payment_id: string;
  purpose: string;
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
    purpose: row.purpose as Purpose,
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

export function mustFindPayment(tx: Tx, claimKey: ClaimKey): PaymentRecord {
  const payment = findPayment(tx, claimKey);
  if (!payment) throw new Error(`invariant: payment ${claimKey} is missing`);
  return payment;
}

/** Its block can still go away, or it has not paid yet. */
export function isWatched(tx: Tx, claimKey: ClaimKey): boolean {
  return (
    tx.first("SELECT 1 AS yes FROM payments WHERE claim_key = ? AND review_ms IS NOT NULL", claimKey) !== undefined
  );
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
