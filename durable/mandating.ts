/**
 * What becomes of mandates: handed over, settled on their day by the wallet's alarm, revoked. Settling is a renewal like any other
 * (renewals.ts), claimed in the ledger before anything is broadcast; so no period is paid twice, whoever else pays for it.
 */
import { type Refusal, refuse } from "#contract/errors";
import { MANDATE_RETRY_MS, PAYMENT_MARGIN_S } from "#contract/limits";
import { findPayment, isWatched } from "./ledger.ts";
import {
  dueMandates,
  endMandate,
  insertMandate,
  listMandates,
  type Mandate,
  mandateFault,
  mandatesOf,
  type NewMandate,
  postpone,
} from "./mandates.ts";
import { findLive, findOrder, type Order } from "./orders.ts";
import { beginPayment } from "./payments.ts";
import { placeOf, plansOf } from "./plans.ts";
import type { ObjectPlace, SettlementJob } from "./ports.ts";
import { leaseOf, PAID_OTHERWISE, renewalAt } from "./renewals.ts";
import { mandateVerdict } from "./rules/mandate.ts";
import { type Lease, renewalVerdict } from "./rules/renewal.ts";
import type { Tx } from "./tx.ts";

/** After the claim was written: when to look how it ended, should whoever settles it die. */
const LOOK_AGAIN_MS = 120_000;
/** Nothing could be sent (our fault, not the payer's). */
const UNSENT_RETRY_MS = 300_000;
/** Cancelled by its owner on chain, or burnt by another transfer. */
const USED = "invalid_exact_evm_nonce_already_used";

export interface Mandatable {
  readonly ok: true;
  readonly step: "found";
  readonly order: Order;
  readonly lease: Lease;
  readonly place: ObjectPlace;
  /** Periods that have one already. */
  readonly taken: readonly number[];
}

export type MandateStep =
  | { readonly step: "look"; readonly agentId: string; readonly objectKey: string }
  | { readonly step: "add"; readonly orderId: string; readonly mandates: readonly NewMandate[] }
  | {
      readonly step: "revoke";
      readonly agentId: string;
      readonly objectKey: string;
      readonly period: number | undefined;
    }
  | { readonly step: "list"; readonly agentId: string | undefined; readonly objectKey: string | undefined };

export interface Listed {
  readonly ok: true;
  readonly step: "listed";
  readonly mandates: ReturnType<typeof listMandates>;
}

export type MandateStepped = Mandatable | { readonly ok: true; readonly step: "added" } | Listed | Refusal;

export function mandateStep(tx: Tx, asked: MandateStep): MandateStepped {
  switch (asked.step) {
    case "look":
      return mandatable(tx, asked.agentId, asked.objectKey);
    case "add":
      return addMandates(tx, asked.orderId, asked.mandates);
    case "revoke":
      return revokeMandates(tx, asked.agentId, asked.objectKey, asked.period);
    case "list":
      return { ok: true, step: "listed", mandates: listMandates(tx, asked.agentId, asked.objectKey) };
  }
}

/** The object that mandates are for. */
function mandatable(tx: Tx, agentId: string, objectKey: string): Mandatable | Refusal {
  const order = findLive(tx, agentId, objectKey);
  if (!order)
    return refuse("renewal_not_registered", `no object is named ${JSON.stringify(objectKey)} for agent ${agentId}`);
  const plan = plansOf(tx, order.orderId).find((each) => each.plan === order.storedPlan);
  const place = plan && placeOf(order, plan);
  if (order.state !== "stored" || !place)
    return refuse("object_not_in_storage", "nothing is stored under this name yet; upload first");
  const live = mandatesOf(tx, order.orderId).filter(({ state }) => state === "waiting" || state === "settling");
  return { ok: true, step: "found", order, lease: leaseOf(tx, order), place, taken: live.map(({ period }) => period) };
}

/** All or none: every one is judged before the first is written. */
function addMandates(tx: Tx, orderId: string, mandates: readonly NewMandate[]): MandateStepped {
  const order = findOrder(tx, orderId);
  if (!order) return refuse("renewal_not_registered", "no such order of this wallet");
  const lease = leaseOf(tx, order);
  for (const [at, mandate] of mandates.entries()) {
    const verdict = mandateVerdict(lease, mandate.period, mandate.authorization, tx.nowMs);
    if (!verdict.ok) return verdict;
    const others = mandates.slice(0, at);
    if (others.some(({ period, claimKey }) => period === mandate.period || claimKey === mandate.claimKey))
      return refuse("mandate_invalid", `period ${mandate.period} or its nonce comes twice in one request`);
    const fault = mandateFault(tx, orderId, mandate);
    if (fault) return fault;
  }
  for (const mandate of mandates) insertMandate(tx, orderId, mandate);
  return { ok: true, step: "added" };
}

/** Ends one period's mandate, or all of the object's. One whose payment is under way cannot be taken back here any more. */
function revokeMandates(tx: Tx, agentId: string, objectKey: string, period: number | undefined): Listed | Refusal {
  const order = findLive(tx, agentId, objectKey);
  const asked = (order ? mandatesOf(tx, order.orderId) : []).filter(
    (mandate) => period === undefined || mandate.period === period,
  );
  const settling = asked.find(({ state }) => state === "settling");
  if (settling)
    return refuse(
      "payment_pending",
      `the payment for period ${settling.period} is under way; ask again when it ended`,
      {
        retryAfterS: 30,
      },
    );
  const waiting = asked.filter(({ state }) => state === "waiting");
  if (waiting.length === 0)
    return refuse("object_not_found", `no mandate waits for ${JSON.stringify(objectKey)} of agent ${agentId}`);
  for (const mandate of waiting) endMandate(tx, mandate, "revoked");
  return { ok: true, step: "listed", mandates: listMandates(tx, agentId, objectKey) };
}

/** Mandates whose day has come, each claimed: what to hand to the chain. */
export function beginMandates(tx: Tx, atMost: number): SettlementJob[] {
  return dueMandates(tx, atMost).flatMap((mandate) => begin(tx, mandate) ?? []);
}

function begin(tx: Tx, mandate: Mandate): SettlementJob | undefined {
  const { orderId, period, claimKey, signed, amount, card, sizeBytes } = mandate;
  if (mandate.state === "settling") {
    finishMandate(tx, claimKey);
    return undefined;
  }
  const order = findOrder(tx, orderId);
  if (!order || order.state === "ended" || !signed) {
    endMandate(tx, mandate, "retired", "the object is gone");
    return undefined;
  }
  // Until it lapses it can be paid: whether that is late, and whose fault it is, the sweep decides (lapses.ts).
  const deadlineMs = Number.MAX_SAFE_INTEGER;
  const lease = leaseOf(tx, order, deadlineMs);
  if (period <= lease.lastIndex) {
    const paid = renewalAt(tx, orderId, period);
    // Until what paid it is final, a reorg may take that for good, and then this one is wanted.
    if (paid && isWatched(tx, paid.claimKey)) postpone(tx, mandate, "waiting", tx.nowMs + UNSENT_RETRY_MS);
    else endMandate(tx, mandate, "retired", PAID_OTHERWISE);
    return undefined;
  }
  if (tx.nowMs > mandate.validBeforeMs - PAYMENT_MARGIN_S * 1000) {
    endMandate(tx, mandate, "failed", "its window is over");
    return undefined;
  }
  // Paid ahead meanwhile: the period begins later than it was signed for, and is never paid before it is due.
  if (tx.nowMs < lease.paidThroughMs || !renewalVerdict(lease, period, tx.nowMs).ok) {
    postpone(tx, mandate, "waiting", Math.max(lease.paidThroughMs, tx.nowMs + MANDATE_RETRY_MS));
    return undefined;
  }
  const fingerprint = `mandate|${orderId}|${period}`;
  // A transfer by somebody else who had the authorization pays too, from the moment it could land.
  const sinceMs = Math.max(mandate.addedMs, mandate.validAfterMs);
  const claim = { claimKey, ...signed, fingerprint, fault: undefined, sinceMs };
  const begun = beginPayment(tx, claim, {
    renewal: { orderId, index: period, amount, card, sizeBytes, deadlineMs },
  });
  tx.run("UPDATE mandates SET attempts = attempts + 1 WHERE claim_key = ?", claimKey);
  if (begun.ok && begun.begun === "open") {
    postpone(tx, mandate, "settling", tx.nowMs + LOOK_AGAIN_MS);
    return begun.job;
  }
  if (begun.ok) endMandate(tx, mandate, "settled");
  else if (begun.code === "payment_pending") postpone(tx, mandate, "waiting", tx.nowMs + UNSENT_RETRY_MS);
  else endMandate(tx, mandate, "failed", begun.detail);
  return undefined;
}

/** How its payment ended, if it has: paid, to be tried again, or never to be. */
export function finishMandate(tx: Tx, claimKey: string): void {
  const mandate = settling(tx, claimKey);
  if (!mandate) return;
  const payment = findPayment(tx, claimKey);
  if (!payment) throw new Error(`invariant: the claim of mandate ${claimKey} is missing`);
  const reason = tx.first<{ reason: string | null }>(
    "SELECT reason FROM payments WHERE claim_key = ?",
    claimKey,
  )?.reason;
  if (payment.state === "settled") endMandate(tx, mandate, "settled");
  else if (payment.state === "open" || payment.state === "reopened")
    postpone(tx, mandate, "settling", tx.nowMs + LOOK_AGAIN_MS);
  else if (payment.state === "withdrawn" && reason !== USED) tryAgain(tx, mandate, reason ?? payment.state);
  // What left us and did not pay is watched by the ledger, and never sent again.
  else endMandate(tx, mandate, "failed", reason ?? payment.state);
}

/** It never left us: nothing could be sent, or the funds are short. */
function tryAgain(tx: Tx, mandate: Mandate, reason: string): void {
  const { orderId, period, claimKey } = mandate;
  const unsent = reason === "settlement_unavailable";
  postpone(tx, mandate, "waiting", tx.nowMs + (unsent ? UNSENT_RETRY_MS : MANDATE_RETRY_MS), reason);
  if (!unsent) tx.record("mandate.unpaid", { order_id: orderId, period, claim_key: claimKey, reason });
}

function settling(tx: Tx, claimKey: string): Mandate | undefined {
  const row = tx.first<{ order_id: string }>(
    "SELECT order_id FROM mandates WHERE claim_key = ? AND state = 'settling'",
    claimKey,
  );
  return row && mandatesOf(tx, row.order_id).find((mandate) => mandate.claimKey === claimKey);
}
