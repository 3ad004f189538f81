/**
 * Statements: a stored, frozen quote of whole periods, one line for each object whose next one begins within 30 days, paid by one claim.
 * Nothing is held by a statement: each line is claimed when it is paid, all in one transaction, with (order, period) unique whoever
 * pays (renewals.ts). A statement of which one line holds no more is refused before anything is broadcast.
 *
 *   kept --begin--> claimed --settled--> paid       refused or withdrawn: kept, until its hour is over
 */
import { type Refusal, refuse } from "#contract/errors";
import { OPEN_STATEMENTS_MAX, QUOTE_TTL_S, STATEMENT_LINES_MAX } from "#contract/limits";
import { forecastNow, wantForecast, wantNextForecast } from "./forecasts.ts";
import { type KeyUse, orderMade, rememberOrder, underKey } from "./keys.ts";
import { findPayment, type PaymentRecord } from "./ledger.ts";
import { liveMandate } from "./mandates.ts";
import { findOrder, mustFind } from "./orders.ts";
import { plansOf } from "./plans.ts";
import type { ClaimKey } from "./ports.ts";
import type { Begun, Offer, PurposeRules } from "./purposes.ts";
import {
  leaseOf,
  openRenewals,
  RENEWAL_RULES,
  type Renewal,
  type RenewalAsk,
  renewalAt,
  renewalsOf,
} from "./renewals.ts";
import { PERIOD_MS } from "./rules/calendar.ts";
import { deadlineMs, type Gap } from "./rules/pulse.ts";
import { renewalVerdict } from "./rules/renewal.ts";
import type { Tx } from "./tx.ts";

/** An object whose next period can be paid now, to be weighed in S3. */
export interface DueLine {
  readonly orderId: string;
  readonly agentId: string;
  readonly objectKey: string;
  readonly index: number;
  /** The content that would be paid for; another one is another weight. */
  readonly plan: number;
  readonly store: string;
  readonly region: string;
  readonly bucket: string;
  readonly s3Key: string;
  readonly paidThroughMs: number;
  readonly deadlineMs: number;
}

/** Weighed and priced. */
export interface Line extends RenewalAsk {
  readonly agentId: string;
  readonly objectKey: string;
  readonly plan: number;
  readonly paidThroughMs: number;
}

/** What the edge has made of the lines. */
export interface Weighing {
  readonly lines: readonly Line[];
  /** Decimal micro-USDC: the sum of the lines. */
  readonly amount: string;
  readonly basis: "forecast" | "card";
  readonly card: string;
  readonly minimumApplied: boolean;
  readonly more: boolean;
  readonly missing: number;
}

export interface Statement extends Weighing {
  readonly statementId: string;
  readonly expiresMs: number;
}

export type StatementStep =
  /** What is due? `gaps`: outages, by which deadlines are later. */
  | { readonly step: "begin"; readonly key: KeyUse | undefined; readonly gaps: readonly Gap[] }
  | { readonly step: "keep"; readonly key: KeyUse | undefined; readonly weighing: Weighing }
  /** How does it stand, before it is paid by `claimKey`, or after? */
  | { readonly step: "look"; readonly statementId: string; readonly claimKey: ClaimKey | undefined };

export type StatementStepped =
  | {
      readonly ok: true;
      readonly step: "weigh";
      readonly due: readonly DueLine[];
      readonly more: boolean;
      /** All that the wallet stores. */
      readonly bytes: number;
      readonly forecast: string | undefined;
    }
  | { readonly ok: true; readonly step: "kept"; readonly statement: Statement }
  /** To be paid. `known`: this very claim was taken before, and the ledger answers it. */
  | { readonly ok: true; readonly step: "pay"; readonly statement: Statement; readonly known: boolean }
  | {
      readonly ok: true;
      readonly step: "settled";
      readonly statement: Statement;
      readonly payment: PaymentRecord;
      readonly renewals: readonly Renewal[];
    }
  | Refusal;

export function statementStep(tx: Tx, asked: StatementStep): StatementStepped {
  if (asked.step === "begin") return underKey(tx, asked.key, () => madeBefore(tx, asked.key) ?? weigh(tx, asked.gaps));
  if (asked.step === "keep") {
    const kept = underKey(tx, asked.key, () => madeBefore(tx, asked.key) ?? keep(tx, asked.weighing));
    if (kept.ok && asked.key) rememberOrder(tx, asked.key, kept.statement.statementId);
    return kept;
  }
  return look(tx, asked.statementId, asked.claimKey);
}

type Kept = Extract<StatementStepped, { step: "kept" }>;

/** The same key, the same statement, as long as it lives. */
function madeBefore(tx: Tx, key: KeyUse | undefined): Kept | undefined {
  const made = key && orderMade(tx, key);
  const row = made === undefined ? undefined : find(tx, made);
  if (!row || (row.claimKey === undefined && row.statement.expiresMs <= tx.nowMs)) return undefined;
  return { ok: true, step: "kept", statement: row.statement };
}

function weigh(tx: Tx, gaps: readonly Gap[]): StatementStepped {
  const due: DueLine[] = [];
  const rows = tx.all<{ order_id: string }>(
    "SELECT order_id FROM orders WHERE state = 'stored' AND paid_through_ms <= ? ORDER BY paid_through_ms, order_id",
    tx.nowMs + PERIOD_MS,
  );
  for (const { order_id } of rows) {
    const line = dueLine(tx, order_id, gaps);
    if (!line) continue;
    if (due.length === STATEMENT_LINES_MAX) return weighing(tx, due, true);
    due.push(line);
  }
  return weighing(tx, due, false);
}

function weighing(tx: Tx, due: readonly DueLine[], more: boolean): StatementStepped {
  const bytes = tx.first<{ n: number | null }>(
    `SELECT sum(plans.length_bytes) AS n FROM orders JOIN plans ON plans.order_id = orders.order_id
       AND plans.plan = orders.stored_plan WHERE orders.state = 'stored'`,
  );
  return { ok: true, step: "weigh", due, more, bytes: bytes?.n ?? 0, forecast: forecastNow(tx) };
}

function dueLine(tx: Tx, orderId: string, gaps: readonly Gap[]): DueLine | undefined {
  const order = mustFind(tx, orderId);
  const paidThroughMs = order.paidThroughMs ?? 0;
  const lease = leaseOf(tx, order, deadlineMs(paidThroughMs, gaps));
  const index = lease.lastIndex + 1;
  const verdict = renewalVerdict(lease, index, tx.nowMs);
  if (!verdict.ok || verdict.verdict !== "renew" || renewalAt(tx, orderId, index)) return undefined;
  // What a mandate will pay is not asked for twice, unless it has been tried in vain.
  const mandate = liveMandate(tx, orderId, index);
  if (mandate && mandate.reason === undefined) return undefined;
  const plan = plansOf(tx, orderId).find((each) => each.plan === order.storedPlan);
  if (!plan || order.bucket === undefined) throw new Error(`invariant: ${orderId} is stored nowhere`);
  const { agentId, objectKey, store, region, bucket } = order;
  const place = { store, region, bucket, s3Key: plan.s3Key };
  return { orderId, agentId, objectKey, index, plan: plan.plan, ...place, paidThroughMs, deadlineMs: lease.deadlineMs };
}

/** The lines' content is one text: it is written once and read whole. */
function keep(tx: Tx, weighing: Weighing): Kept {
  const total = weighing.lines.reduce((sum, { amount }) => sum + BigInt(amount), 0n);
  if (weighing.lines.length === 0 || total !== BigInt(weighing.amount))
    throw new Error(`invariant: a statement of ${weighing.amount} has lines of ${total}`);
  tx.run("DELETE FROM statements WHERE claim_key IS NULL AND expires_ms <= ?", tx.nowMs);
  tx.run(
    `DELETE FROM statements WHERE statement_id IN (SELECT statement_id FROM statements WHERE claim_key IS NULL
       ORDER BY expires_ms DESC LIMIT -1 OFFSET ?)`,
    OPEN_STATEMENTS_MAX - 1,
  );
  const statement = { ...weighing, statementId: tx.newId("stmt"), expiresMs: tx.nowMs + QUOTE_TTL_S * 1000 };
  tx.run(
    "INSERT INTO statements (statement_id, expires_ms, statement) VALUES (?, ?, ?)",
    statement.statementId,
    statement.expiresMs,
    JSON.stringify(statement),
  );
  wantForecast(tx, total);
  return { ok: true, step: "kept", statement };
}

/** `claimKey`: of the last claim that was taken for it. */
function find(tx: Tx, statementId: string): { statement: Statement; claimKey: ClaimKey | undefined } | undefined {
  const row = tx.first<{ statement: string; claim_key: string | null }>(
    "SELECT statement, claim_key FROM statements WHERE statement_id = ?",
    statementId,
  );
  return row && { statement: JSON.parse(row.statement) as Statement, claimKey: row.claim_key ?? undefined };
}

const absent = () => refuse("quote_not_found", "no such statement of this wallet; one that nobody paid lives an hour");

/** A claim that is known is the ledger's to answer, however the statement stands. */
function look(tx: Tx, statementId: string, shown: ClaimKey | undefined): StatementStepped {
  const found = find(tx, statementId);
  if (!found) return absent();
  const { statement, claimKey } = found;
  const bought = paidBy(tx, claimKey);
  if (bought)
    return { ok: true, step: "settled", statement, payment: bought, renewals: renewalsOf(tx, bought.claimKey) };
  const known = shown === undefined ? undefined : findPayment(tx, shown);
  if (known && known.state !== "withdrawn") return { ok: true, step: "pay", statement, known: true };
  return pending(tx, claimKey) ?? changed(tx, statement) ?? { ok: true, step: "pay", statement, known: false };
}

/** The payment that bought it; none where every object was gone when the money came: that bought nothing. */
function paidBy(tx: Tx, claimKey: ClaimKey | undefined): PaymentRecord | undefined {
  const payment = claimKey === undefined ? undefined : findPayment(tx, claimKey);
  if (payment?.state !== "settled" && payment?.state !== "reopened") return undefined;
  return STATEMENT_RULES.homeless(tx, payment) ? undefined : payment;
}

function pending(tx: Tx, claimKey: ClaimKey | undefined): Refusal | undefined {
  const payment = claimKey === undefined ? undefined : findPayment(tx, claimKey);
  if (payment?.state !== "open") return undefined;
  return refuse(
    "payment_pending",
    "another payment for this statement is open; wait for its outcome, do not pay again",
    {
      facts: { payment_id: payment.paymentId, payment_state: "pending" },
      retryAfterS: 2,
    },
  );
}

/** Why it can be paid no more. */
function changed(tx: Tx, { lines, expiresMs }: Statement): Refusal | undefined {
  if (expiresMs <= tx.nowMs)
    return refuse("quote_expired", `the statement expired at ${new Date(expiresMs).toISOString()}`);
  for (const line of lines) {
    const reason = changeOf(tx, line);
    if (reason)
      return refuse(
        "statement_changed",
        `period ${line.index} of ${JSON.stringify(line.objectKey)} (agent ${line.agentId}) cannot be paid by this statement any more: ${reason}`,
        {
          facts: {
            order_id: line.orderId,
            agent_id: line.agentId,
            object_key: line.objectKey,
            period_index: line.index,
          },
        },
      );
  }
  return undefined;
}

function changeOf(tx: Tx, line: Line): string | undefined {
  const order = findOrder(tx, line.orderId);
  if (order?.state !== "stored") return "the object was deleted";
  if (order.storedPlan !== line.plan) return "its bytes were replaced";
  const verdict = renewalVerdict(leaseOf(tx, order, line.deadlineMs), line.index, tx.nowMs);
  if (!verdict.ok) return verdict.detail;
  if (verdict.verdict === "settled") return "it is paid";
  return renewalAt(tx, line.orderId, line.index) ? "another payment for it is open" : undefined;
}

export function statementOffer(tx: Tx, statementId: string): Offer | Refusal {
  const found = find(tx, statementId);
  if (!found) return absent();
  const { statement, claimKey } = found;
  return {
    ok: true,
    amount: statement.amount,
    standing: (): Begun | undefined => {
      const payment = paidBy(tx, claimKey);
      if (payment) return { ok: true, begun: "bought", sameClaim: false, payment, order: undefined };
      return pending(tx, claimKey) ?? changed(tx, statement);
    },
    open: (claim) => {
      tx.run("UPDATE statements SET claim_key = ? WHERE statement_id = ?", claim, statementId);
      return {
        ...openRenewals(tx, claim, statement.lines, { purchase: `statement|${statementId}` }),
        purpose: "statement",
        orderId: statementId,
      };
    },
  };
}

/** Each line is a renewal. */
export const STATEMENT_RULES: PurposeRules = {
  ...RENEWAL_RULES,
  settled: (tx, payment, paidMs) => {
    RENEWAL_RULES.settled(tx, payment, paidMs);
    wantNextForecast(tx, BigInt(payment.amount));
  },
};
