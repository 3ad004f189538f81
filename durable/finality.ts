/**
 * A payment is believed at the head of the chain and watched until its block is final. A reorg that takes it makes it unknown again
 * and leaves the lease alone: the same bytes are sent again, and nearly always land. Only when they never can is its time taken back.
 */

import { RULES } from "./catalogue.ts";
import { findPayment, jobOf, type PaymentRecord, REVIEWABLE, reviewedRows } from "./ledger.ts";
import { findOrder } from "./orders.ts";
import { type Finished, settled } from "./payments.ts";
import type { ClaimKey, Recheck, SettlementEnd, SettlementJob, TransferProof } from "./ports.ts";
import type { Tx } from "./tx.ts";

/** Base finalizes in 13 to 30 minutes; a recheck costs three small questions, and what takes a block back mostly does so at once. */
const AGAIN_MS = 120_000;
const AGAIN_MAX_MS = 600_000;

export interface Standing {
  readonly job: SettlementJob;
  readonly seen: TransferProof;
}

export function dueRechecks(tx: Tx, atMost: number): Standing[] {
  return reviewedRows(tx, ["settled"], atMost).flatMap((payment) => {
    const seen = proofOf(payment);
    return seen ? [{ job: jobOf(payment), seen }] : [];
  });
}

export function finishRecheck(tx: Tx, claimKey: ClaimKey, recheck: Recheck): void {
  const payment = findPayment(tx, claimKey);
  if (payment?.state !== "settled") return;
  if (recheck.end === "vanished") {
    tx.run(
      "UPDATE payments SET state = 'reopened', reviews = 0, review_ms = ? WHERE claim_key = ?",
      tx.nowMs + 2_000,
      claimKey,
    );
    tx.record("payment.vanished", { claim_key: claimKey, tx_hash: payment.txHash ?? null });
    return;
  }
  if (recheck.end !== "unknown") writeProof(tx, claimKey, recheck.proof);
  const final = recheck.end === "final";
  const ageMs = tx.nowMs - (payment.blockMs ?? tx.nowMs);
  const pauseMs = Math.min(AGAIN_MAX_MS, Math.max(AGAIN_MS, Math.floor(ageMs / 2)));
  tx.run("UPDATE payments SET review_ms = ? WHERE claim_key = ?", final ? null : tx.nowMs + pauseMs, claimKey);
  if (!final) return;
  tx.record("payment.final", { claim_key: claimKey, block: recheck.proof.blockNumber.toString() });
  RULES[payment.purpose].final(tx, payment);
}

/** The end of a payment that had vanished: it stands again, or its time is taken back. */
export function finishReopened(tx: Tx, payment: PaymentRecord, end: SettlementEnd): Finished {
  const { claimKey } = payment;
  if (end.end === "settled") {
    writeProof(tx, claimKey, end.proof);
    tx.run("UPDATE payments SET state = 'settled', review_ms = ? WHERE claim_key = ?", tx.nowMs + AGAIN_MS, claimKey);
    tx.record("payment.standing_again", { claim_key: claimKey, tx_hash: end.proof.txHash });
    return settled(tx, { ...payment, state: "settled" });
  }
  if (end.end === "unknown") {
    tx.run("UPDATE payments SET review_ms = ? WHERE claim_key = ?", tx.nowMs + REVIEWABLE.againMs, claimKey);
    return { state: "open", payment, order: findOrder(tx, payment.orderId) };
  }
  // It left us and was even mined once, so it may yet land: as any void claim it is watched, and then becomes credit.
  tx.run(
    "UPDATE payments SET state = 'void', reason = ?, review_ms = ? WHERE claim_key = ?",
    end.reason,
    tx.nowMs + REVIEWABLE.againMs,
    claimKey,
  );
  RULES[payment.purpose].reversed(tx, payment);
  return { state: "refused", reason: end.reason, detail: end.detail, leftUs: true };
}

function writeProof(tx: Tx, claimKey: ClaimKey, proof: TransferProof): void {
  tx.run(
    "UPDATE payments SET tx_hash = ?, block_number = ?, block_ms = ?, gas_used = ?, gas_price = ? WHERE claim_key = ?",
    proof.txHash,
    proof.blockNumber.toString(),
    proof.blockTimeMs,
    proof.gasUsed.toString(),
    proof.effectiveGasPrice.toString(),
    claimKey,
  );
}

function proofOf(payment: PaymentRecord): TransferProof | undefined {
  if (payment.txHash === undefined) return undefined;
  return {
    txHash: payment.txHash,
    blockNumber: BigInt(payment.blockNumber ?? "0"),
    blockTimeMs: payment.blockMs ?? 0,
    gasUsed: BigInt(payment.gasUsed ?? "0"),
    effectiveGasPrice: BigInt(payment.gasPrice ?? "0"),
  };
}
