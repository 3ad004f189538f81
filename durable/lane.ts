/**
 * The memory of one nonce lane: jobs (what has to be settled), slots (nonces in use) and transactions (everything ever signed).
 * Rows in, values out; each function is part of its caller's synchronous stretch.
 *
 * A job is `queued`, `sent` (a signed transaction carries it), `settled`, `void`, or `returned` (it never left us). `left` remembers whether any transaction that
 * carried it was ever signed: a job that never left us may be given back, one that did is watched until the chain has spoken.
 */
import { packAuthorization, unpackAuthorization } from "./ledger.ts";
import type { ClaimKey, SettlementJob, TransferProof } from "./ports.ts";
import type { Fees } from "./rules/fees.ts";
import { limit } from "./tx.ts";

export type JobState = "queued" | "sent" | "settled" | "void" | "returned";
/** What a nonce is used for. A `cancel` frees it by a transfer of nothing to oneself. */
export type Carries = "pay" | "batch" | "cancel";

export interface Job extends SettlementJob {
  readonly state: JobState;
  readonly left: boolean;
  /** Goes in a transaction of its own: the payer is a contract, or a batch failed it before. */
  readonly alone: boolean;
  readonly tries: number;
  readonly nonce: number | undefined;
  readonly proof: TransferProof | undefined;
  readonly reason: string;
  readonly detail: string;
}

export interface Signed {
  readonly hash: `0x${string}`;
  readonly nonce: number;
  readonly carries: Carries;
  readonly raw: `0x${string}`;
  readonly fees: Fees;
  readonly signedMs: number;
}

type JobRow = {
  claim_key: string;
  authorization: string;
  signature: string;
  state: string;
  left_us: number;
  alone: number;
  tries: number;
  claimed_ms: number;
  attempt: number;
  nonce: number | null;
  proof: string | null;
  reason: string | null;
  detail: string | null;
};
type TxRow = {
  hash: string;
  nonce: number;
  carries: string;
  raw: string;
  max_fee: string;
  priority_fee: string;
  signed_ms: number;
};

/** Longer than any authorization lives. */
const RETURNED_KEPT_MS = 86_400_000;

export class Lane {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /**
   * Takes a job on. What was given back stays given back for whoever asks about that claim: a second caller of a claim that was
   * refused must not be the one who sends it after all. Claimed anew, later, it is a new job.
   */
  accept(job: SettlementJob): void {
    this.#sql.exec(
      "DELETE FROM jobs WHERE state = 'returned' AND ((claim_key = ? AND attempt < ?) OR claimed_ms < ?)",
      job.claimKey,
      job.attempt,
      job.claimedMs - RETURNED_KEPT_MS,
    );
    this.#sql.exec(
      `INSERT OR IGNORE INTO jobs (claim_key, payer, authorization, signature, state, left_us, alone, tries, claimed_ms, attempt)
         VALUES (?, ?, ?, ?, 'queued', 0, 0, 0, ?, ?)`,
      job.claimKey,
      job.authorization.from,
      packAuthorization(job.authorization),
      job.signature,
      job.claimedMs,
      job.attempt,
    );
  }

  job(claimKey: ClaimKey): Job | undefined {
    const row = this.#sql.exec<JobRow>("SELECT * FROM jobs WHERE claim_key = ?", claimKey).toArray()[0];
    return row && jobOf(row);
  }

  jobs(state: JobState, atMost = 200): Job[] {
    return this.#sql
      .exec<JobRow>(`SELECT * FROM jobs WHERE state = ? ORDER BY claimed_ms ${limit(atMost)}`, state)
      .toArray()
      .map(jobOf);
  }

  jobsOf(nonce: number): Job[] {
    return this.#sql.exec<JobRow>("SELECT * FROM jobs WHERE nonce = ? AND state = 'sent'", nonce).toArray().map(jobOf);
  }

  /** Micro-USDC that a payer has promised here and that no block is known to have taken yet. */
  promisedBy(payer: string): bigint {
    return this.#sql
      .exec<JobRow>("SELECT * FROM jobs WHERE payer = ? AND state = 'sent'", payer)
      .toArray()
      .reduce((sum, row) => sum + unpackAuthorization(row.authorization).value, 0n);
  }

  count(state: JobState): number {
    return this.#sql.exec<{ n: number }>("SELECT count(*) AS n FROM jobs WHERE state = ?", state).one().n;
  }

  /** Only a job that never left us may be given back. */
  giveBack(claimKey: ClaimKey, reason: string, detail: string): void {
    this.#sql.exec(
      "UPDATE jobs SET state = 'returned', reason = ?, detail = ? WHERE claim_key = ? AND state = 'queued' AND left_us = 0",
      reason,
      detail,
      claimKey,
    );
  }

  settled(claimKey: ClaimKey, proof: TransferProof): void {
    this.#sql.exec(
      "UPDATE jobs SET state = 'settled', proof = ?, left_us = 1 WHERE claim_key = ?",
      packProof(proof),
      claimKey,
    );
  }

  voided(claimKey: ClaimKey, reason: string, detail: string): void {
    this.#sql.exec(
      "UPDATE jobs SET state = 'void', reason = ?, detail = ? WHERE claim_key = ? AND state IN ('queued', 'sent')",
      reason,
      detail,
      claimKey,
    );
  }

  /** Back in the queue after a transaction that could not carry it; it goes alone from now on. */
  requeue(claimKey: ClaimKey): void {
    this.#sql.exec(
      "UPDATE jobs SET state = 'queued', nonce = NULL, alone = 1, tries = tries + 1 WHERE claim_key = ? AND state = 'sent'",
      claimKey,
    );
  }

  goesAlone(claimKey: ClaimKey): void {
    this.#sql.exec("UPDATE jobs SET alone = 1 WHERE claim_key = ?", claimKey);
  }

  /** A transfer that was seen is seen no more: its transaction is sent again, its slot is open again. */
  reopen(claimKey: ClaimKey): void {
    const job = this.job(claimKey);
    if (job?.state !== "settled") return;
    const carried = job.nonce !== undefined;
    this.#sql.exec(
      "UPDATE jobs SET state = ?, proof = NULL WHERE claim_key = ?",
      carried ? "sent" : "queued",
      claimKey,
    );
    if (carried) this.#sql.exec("UPDATE slots SET open = 1 WHERE nonce = ?", job.nonce ?? null);
  }

  /** The nonce to sign with next: never one that was signed before, never one the chain has passed. */
  nextNonce(chainCount: number): number {
    const used = this.#sql.exec<{ top: number | null }>("SELECT max(nonce) AS top FROM slots").one().top;
    return Math.max(chainCount, used === null ? 0 : used + 1);
  }

  /** Writes down a signed transaction and, where it pays, the jobs it carries. Nothing is sent before this. */
  write(signed: Signed, claims: readonly ClaimKey[]): void {
    this.#sql.exec(
      "INSERT INTO slots (nonce, open, opened_ms) VALUES (?, 1, ?) ON CONFLICT (nonce) DO UPDATE SET open = 1",
      signed.nonce,
      signed.signedMs,
    );
    this.#sql.exec(
      "INSERT INTO txs (hash, nonce, carries, raw, max_fee, priority_fee, signed_ms) VALUES (?, ?, ?, ?, ?, ?, ?)",
      signed.hash,
      signed.nonce,
      signed.carries,
      signed.raw,
      signed.fees.maxFeePerGas.toString(),
      signed.fees.maxPriorityFeePerGas.toString(),
      signed.signedMs,
    );
    for (const claimKey of claims)
      this.#sql.exec(
        "UPDATE jobs SET state = 'sent', left_us = 1, nonce = ? WHERE claim_key = ?",
        signed.nonce,
        claimKey,
      );
  }

  openNonces(): number[] {
    return this.#sql
      .exec<{ nonce: number }>("SELECT nonce FROM slots WHERE open = 1 ORDER BY nonce")
      .toArray()
      .map((row) => row.nonce);
  }

  isOpen(nonce: number): boolean {
    return this.#sql.exec("SELECT 1 FROM slots WHERE nonce = ? AND open = 1", nonce).toArray().length > 0;
  }

  /** Nonces the chain has not passed are open, whatever was seen before. */
  reopenFrom(chainCount: number): void {
    this.#sql.exec("UPDATE slots SET open = 1 WHERE nonce >= ? AND open = 0", chainCount);
  }

  close(nonce: number): void {
    this.#sql.exec("UPDATE slots SET open = 0 WHERE nonce = ?", nonce);
  }

  /** Every version signed for a nonce, newest first. */
  versions(nonce: number): Signed[] {
    return this.#sql
      .exec<TxRow>("SELECT * FROM txs WHERE nonce = ? ORDER BY signed_ms DESC, rowid DESC", nonce)
      .toArray()
      .map(signedOf);
  }
}

function jobOf(row: JobRow): Job {
  return {
    claimKey: row.claim_key,
    authorization: unpackAuthorization(row.authorization),
    signature: row.signature as `0x${string}`,
    claimedMs: row.claimed_ms,
    attempt: row.attempt,
    state: row.state as JobState,
    left: row.left_us === 1,
    alone: row.alone === 1,
    tries: row.tries,
    nonce: row.nonce ?? undefined,
    proof: row.proof === null ? undefined : unpackProof(row.proof),
    reason: row.reason ?? "void",
    detail: row.detail ?? "",
  };
}

function signedOf(row: TxRow): Signed {
  return {
    hash: row.hash as `0x${string}`,
    nonce: row.nonce,
    carries: row.carries as Carries,
    raw: row.raw as `0x${string}`,
    fees: { maxFeePerGas: BigInt(row.max_fee), maxPriorityFeePerGas: BigInt(row.priority_fee) },
    signedMs: row.signed_ms,
  };
}

function packProof(proof: TransferProof): string {
  return JSON.stringify(proof, (_, value) => (typeof value === "bigint" ? value.toString() : value));
}

function unpackProof(text: string): TransferProof {
  const raw = JSON.parse(text) as Record<keyof TransferProof, string | number>;
  return {
    txHash: raw.txHash as `0x${string}`,
    blockNumber: BigInt(raw.blockNumber),
    blockTimeMs: Number(raw.blockTimeMs),
    gasUsed: BigInt(raw.gasUsed),
    effectiveGasPrice: BigInt(raw.effectiveGasPrice),
  };
}
