/**
 * Mandates, rows in and values out: renewals whose authorization was handed over before its day (mandating.ts settles them).
 *
 *   waiting --its day--> settling --settled--> settled
 *     ^   | revoked, retired    | did not pay: waiting again, or failed for good
 *     +---+---------------------+
 *
 * The authorization is kept only while it waits or settles; what ended holds no signature any more.
 */
import { type Refusal, refuse } from "#contract/errors";
import { MANDATES_LISTED_MAX } from "#contract/limits";
import type { Authorization } from "#contract/x402";
import { packAuthorization, unpackAuthorization } from "./ledger.ts";
import type { ClaimKey } from "./ports.ts";
import { limit, type Tx } from "./tx.ts";

export type MandateState = "waiting" | "settling" | "settled" | "retired" | "revoked" | "failed";

export interface Mandate {
  readonly orderId: string;
  readonly period: number;
  readonly claimKey: ClaimKey;
  readonly amount: string;
  readonly card: string;
  readonly sizeBytes: number;
  readonly validAfterMs: number;
  readonly validBeforeMs: number;
  /** Absent once it waits no more. */
  readonly signed: { readonly authorization: Authorization; readonly signature: `0x${string}` } | undefined;
  readonly state: MandateState;
  readonly addedMs: number;
  readonly attempts: number;
  readonly reason: string | undefined;
}

/** As it was handed over, checked by the edge. */
export interface NewMandate {
  readonly period: number;
  readonly claimKey: ClaimKey;
  readonly authorization: Authorization;
  readonly signature: `0x${string}`;
  readonly amount: string;
  readonly card: string;
  readonly sizeBytes: number;
}

type MandateRow = {
  order_id: string;
  period: number;
  claim_key: string;
  amount: string;
  card: string;
  size_bytes: number;
  valid_after_ms: number;
  valid_before_ms: number;
  authorization: string | null;
  signature: string | null;
  state: string;
  added_ms: number;
  attempts: number;
  reason: string | null;
};

function fromRow(row: MandateRow): Mandate {
  const { authorization, signature } = row;
  return {
    orderId: row.order_id,
    period: row.period,
    claimKey: row.claim_key,
    amount: row.amount,
    card: row.card,
    sizeBytes: row.size_bytes,
    validAfterMs: row.valid_after_ms,
    validBeforeMs: row.valid_before_ms,
    signed:
      authorization === null || signature === null
        ? undefined
        : { authorization: unpackAuthorization(authorization), signature: signature as `0x${string}` },
    state: row.state as MandateState,
    addedMs: row.added_ms,
    attempts: row.attempts,
    reason: row.reason ?? undefined,
  };
}

/** When the first of them is due, as SQL for the alarm. */
export const MANDATE_DUE = "SELECT min(next_ms) AS due FROM mandates WHERE next_ms IS NOT NULL";

/** Why this one cannot be taken; undefined when it can, also when it is here already. */
export function mandateFault(tx: Tx, orderId: string, { period, claimKey }: NewMandate): Refusal | undefined {
  if (isHere(tx, orderId, period, claimKey)) return undefined;
  const used = ["mandates", "payments"].some((table) =>
    tx.first(`SELECT 1 AS yes FROM ${table} WHERE claim_key = ?`, claimKey),
  );
  if (used) return refuse("mandate_invalid", `the authorization for period ${period} was used before; sign a new one`);
  if (liveMandate(tx, orderId, period))
    return refuse("mandate_exists", `period ${period} has a mandate; revoke it before another takes its place`);
  return undefined;
}

/** After `mandateFault` found nothing. Handed over again, the same mandate stays as it is. */
export function insertMandate(tx: Tx, orderId: string, mandate: NewMandate): void {
  const { period, claimKey, authorization } = mandate;
  if (isHere(tx, orderId, period, claimKey)) return;
  tx.run(
    `INSERT INTO mandates (order_id, period, claim_key, amount, card, size_bytes, valid_after_ms, valid_before_ms, authorization,
       signature, state, added_ms, next_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'waiting', ?, ?)`,
    orderId,
    period,
    claimKey,
    mandate.amount,
    mandate.card,
    mandate.sizeBytes,
    Number(authorization.validAfterS) * 1000,
    Number(authorization.validBeforeS) * 1000,
    packAuthorization(authorization),
    mandate.signature,
    tx.nowMs,
    // Strictly after, in block time.
    Number(authorization.validAfterS) * 1000 + 1_000,
  );
  tx.record("mandate.added", { order_id: orderId, period, claim_key: claimKey, amount: mandate.amount });
}

function isHere(tx: Tx, orderId: string, period: number, claimKey: ClaimKey): boolean {
  return liveMandate(tx, orderId, period)?.claimKey === claimKey;
}

export function liveMandate(tx: Tx, orderId: string, period: number): Mandate | undefined {
  const row = tx.first<MandateRow>(
    "SELECT * FROM mandates WHERE order_id = ? AND period = ? AND state IN ('waiting', 'settling')",
    orderId,
    period,
  );
  return row && fromRow(row);
}

/** Of an order, by period. */
export function mandatesOf(tx: Tx, orderId: string): Mandate[] {
  return tx
    .all<MandateRow>("SELECT * FROM mandates WHERE order_id = ? ORDER BY period, added_ms", orderId)
    .map(fromRow);
}

/** Of the wallet, the next due first; with the name of the object. */
export function listMandates(
  tx: Tx,
  agentId: string | undefined,
  objectKey: string | undefined,
): (Mandate & { readonly agentId: string; readonly objectKey: string })[] {
  return tx
    .all<MandateRow & { agent_id: string; object_key: string }>(
      `SELECT mandates.*, orders.agent_id, orders.object_key FROM mandates JOIN orders ON orders.order_id = mandates.order_id
         WHERE (?1 IS NULL OR orders.agent_id = ?1) AND (?2 IS NULL OR orders.object_key = ?2)
         ORDER BY mandates.state NOT IN ('waiting', 'settling'), mandates.valid_after_ms, mandates.order_id LIMIT ?3`,
      agentId ?? null,
      objectKey ?? null,
      MANDATES_LISTED_MAX,
    )
    .map((row) => ({ ...fromRow(row), agentId: row.agent_id, objectKey: row.object_key }));
}

export function dueMandates(tx: Tx, atMost: number): Mandate[] {
  return tx
    .all<MandateRow>(
      `SELECT * FROM mandates WHERE next_ms IS NOT NULL AND next_ms <= ? ORDER BY next_ms ${limit(atMost)}`,
      tx.nowMs,
    )
    .map(fromRow);
}

/** It stays, and is looked at again. */
export function postpone(
  tx: Tx,
  mandate: Mandate,
  state: "waiting" | "settling",
  nextMs: number,
  reason?: string,
): void {
  tx.run(
    "UPDATE mandates SET state = ?, next_ms = ?, reason = coalesce(?, reason) WHERE claim_key = ?",
    state,
    nextMs,
    reason ?? null,
    mandate.claimKey,
  );
}

/** It ends, and with it the authorization goes. */
export function endMandate(
  tx: Tx,
  { claimKey, orderId, period }: Pick<Mandate, "claimKey" | "orderId" | "period">,
  state: Exclude<MandateState, "waiting" | "settling">,
  reason?: string,
): void {
  tx.run(
    "UPDATE mandates SET state = ?, next_ms = NULL, authorization = NULL, signature = NULL, reason = ? WHERE claim_key = ?",
    state,
    reason ?? null,
    claimKey,
  );
  tx.record(`mandate.${state}`, { order_id: orderId, period, claim_key: claimKey, reason: reason ?? null });
}

/** What waits for this order, or for one period of it, has nothing to wait for any more. What is settling ends by itself. */
export function retireMandates(tx: Tx, orderId: string, reason: string, period?: number): void {
  for (const mandate of mandatesOf(tx, orderId))
    if (mandate.state === "waiting" && (period === undefined || mandate.period === period))
      endMandate(tx, mandate, "retired", reason);
}
