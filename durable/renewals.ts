/**
 * Renewals: one row for each (claim, order) and the period it pays for. A payment that renews one object has one row; one that pays
 * for many at once (a statement) has many, and everything here works on all rows of a claim.
 *
 *   open --settled--> granted --a reorg took it for good--> reversed
 *     | refused: the row goes    | the object was gone when the money came: homeless --its block is final--> credited
 *
 * (order, period) has at most one row that is open or granted, whoever pays: schema `one_claim_a_period`.
 */
import { refuse } from "#contract/errors";
import { findPayment, type PaymentRecord, type Subject } from "./ledger.ts";
import { retireMandates } from "./mandates.ts";
import { findOrder, move, mustFind, type Order } from "./orders.ts";
import type { ClaimKey } from "./ports.ts";
import type { Offer, PurposeRules } from "./purposes.ts";
import { deleteAfterMs, PERIOD_MS, renewedThroughMs, reversedPaidThroughMs } from "./rules/calendar.ts";
import { type Lease, renewalVerdict } from "./rules/renewal.ts";
import { changeCredit, type Tx } from "./tx.ts";

/** One period of one stored object, at the price the edge has just computed from the bytes S3 reports. */
export interface RenewalAsk {
  readonly orderId: string;
  readonly index: number;
  /** Decimal micro-USDC. */
  readonly amount: string;
  readonly card: string;
  readonly sizeBytes: number;
  /** Where the grace is longer than the calendar says: outages were added. */
  readonly deadlineMs?: number;
}

export type RenewalState = "open" | "granted" | "homeless" | "credited" | "reversed";

export interface Renewal {
  readonly claimKey: ClaimKey;
  readonly orderId: string;
  readonly period: number;
  readonly amount: string;
  readonly state: RenewalState;
  /** Block time of the payment, and the 30 days it bought; absent until granted. */
  readonly paidMs: number | undefined;
  readonly fromMs: number | undefined;
  readonly throughMs: number | undefined;
}

type RenewalRow = {
  claim_key: string;
  order_id: string;
  period: number;
  amount: string;
  state: string;
  paid_ms: number | null;
  from_ms: number | null;
  through_ms: number | null;
};

function fromRow(row: RenewalRow): Renewal {
  return {
    claimKey: row.claim_key,
    orderId: row.order_id,
    period: row.period,
    amount: row.amount,
    state: row.state as RenewalState,
    paidMs: row.paid_ms ?? undefined,
    fromMs: row.from_ms ?? undefined,
    throughMs: row.through_ms ?? undefined,
  };
}

/** What a claim pays for, by order. */
export function renewalsOf(tx: Tx, claimKey: ClaimKey): Renewal[] {
  return tx.all<RenewalRow>("SELECT * FROM renewals WHERE claim_key = ? ORDER BY order_id", claimKey).map(fromRow);
}

/** The row that holds a period: open or granted. */
export function renewalAt(tx: Tx, orderId: string, period: number): Renewal | undefined {
  const row = tx.first<RenewalRow>(
    "SELECT * FROM renewals WHERE order_id = ? AND period = ? AND state IN ('open', 'granted')",
    orderId,
    period,
  );
  return row && fromRow(row);
}

/** Claims taken and not decided: while there is one, the order does not lapse. */
export function hasOpenRenewal(tx: Tx, orderId: string): boolean {
  return tx.first("SELECT 1 AS yes FROM renewals WHERE order_id = ? AND state = 'open'", orderId) !== undefined;
}

/** How an order stands towards its next period. `deadlineMs`: when it is later than the calendar says. */
export function leaseOf(tx: Tx, order: Order, deadlineMs = 0): Lease {
  const rows = tx
    .all<RenewalRow>("SELECT * FROM renewals WHERE order_id = ? AND state IN ('granted', 'reversed')", order.orderId)
    .map(fromRow);
  const granted = rows.filter((row) => row.state === "granted");
  const held = new Set(granted.map((row) => row.period));
  const paidThroughMs = order.paidThroughMs ?? 0;
  return {
    state: order.state,
    paidThroughMs,
    deadlineMs: Math.max(deadlineMs, deleteAfterMs(paidThroughMs)),
    lastIndex: Math.max(0, ...held),
    takenBack: rows.map((row) => row.period).filter((period) => !held.has(period)),
    renewedMs: granted.length === 0 ? undefined : Math.max(...granted.map((row) => row.paidMs ?? 0)),
  };
}

export function renewalOffer(tx: Tx, ask: RenewalAsk): Offer {
  const standing: Offer["standing"] = () => {
    const order = findOrder(tx, ask.orderId);
    if (!order) return refuse("renewal_not_registered", "no such order of this wallet");
    const verdict = renewalVerdict(leaseOf(tx, order, ask.deadlineMs), ask.index, tx.nowMs);
    if (!verdict.ok) return verdict;
    const held = renewalAt(tx, ask.orderId, ask.index);
    if (held?.state === "open")
      return refuse(
        "payment_pending",
        "another payment for this period is open; wait for its outcome, do not pay again",
        {
          facts: { order_id: ask.orderId, period_index: ask.index, payment_state: "pending" },
          retryAfterS: 2,
        },
      );
    if (verdict.verdict === "renew") return undefined;
    const payment = findPayment(tx, held?.claimKey ?? order.claimKey ?? "");
    if (!payment) throw new Error(`invariant: period ${ask.index} of ${ask.orderId} is paid by nobody`);
    return { ok: true, begun: "bought", sameClaim: false, payment, order };
  };
  return {
    ok: true,
    amount: ask.amount,
    standing,
    open: (claimKey) => openRenewals(tx, claimKey, [ask], { purchase: `renewal|${ask.orderId}|${ask.index}` }),
  };
}

/** Writes down which periods a claim will pay for; `asks` is never empty. */
export function openRenewals(
  tx: Tx,
  claimKey: ClaimKey,
  asks: readonly RenewalAsk[],
  { purchase }: { purchase: string },
): Subject {
  for (const ask of asks)
    tx.run(
      `INSERT INTO renewals (claim_key, order_id, period, amount, card, size_bytes, state) VALUES (?, ?, ?, ?, ?, ?, 'open')`,
      claimKey,
      ask.orderId,
      ask.index,
      ask.amount,
      ask.card,
      ask.sizeBytes,
    );
  const total = asks.reduce((sum, ask) => sum + BigInt(ask.amount), 0n);
  return { purpose: "renewal", orderId: asks[0]?.orderId ?? "", purchase, amount: total.toString() };
}

export const PAID_OTHERWISE = "the period was paid otherwise";

export const RENEWAL_RULES: PurposeRules = {
  settled: (tx, payment, paidMs) => {
    for (const renewal of renewalsOf(tx, payment.claimKey)) if (renewal.state === "open") grant(tx, renewal, paidMs);
  },
  refused: (tx, payment) => tx.run("DELETE FROM renewals WHERE claim_key = ? AND state = 'open'", payment.claimKey),
  reversed: (tx, payment) => {
    for (const renewal of renewalsOf(tx, payment.claimKey)) reverse(tx, renewal);
  },
  final: (tx, payment) => {
    // Not sooner: should a reorg take the payment for good, the mandate is what keeps the object.
    for (const { state, orderId, period } of renewalsOf(tx, payment.claimKey))
      if (state === "granted") retireMandates(tx, orderId, PAID_OTHERWISE, period);
    creditHomeless(tx, payment);
  },
  homeless: (tx, payment) => {
    const renewals = renewalsOf(tx, payment.claimKey);
    return renewals.length > 0 && renewals.every(({ state }) => state === "homeless" || state === "credited");
  },
};

function grant(tx: Tx, renewal: Renewal, paidMs: number): void {
  const order = mustFind(tx, renewal.orderId);
  if (order.state !== "stored") {
    // Deleted while the payment was on its way: the money has no home.
    write(tx, renewal, { state: "homeless", paid_ms: paidMs });
    tx.record("renewal.homeless", { claim_key: renewal.claimKey, order_id: order.orderId, period: renewal.period });
    return;
  }
  const fromMs = Math.max(order.paidThroughMs ?? 0, paidMs);
  const throughMs = renewedThroughMs(order.paidThroughMs ?? 0, paidMs);
  write(tx, renewal, { state: "granted", paid_ms: paidMs, from_ms: fromMs, through_ms: throughMs });
  const moved = move(tx, order, "renewed", { paid_through_ms: throughMs });
  if (!moved.ok) throw new Error(`invariant: renewal of order ${order.orderId}: ${moved.detail}`);
}

/** Its 30 days go; those of later periods that were paid move up. */
function reverse(tx: Tx, renewal: Renewal): void {
  write(tx, renewal, { state: "reversed" });
  const order = mustFind(tx, renewal.orderId);
  if (renewal.state !== "granted" || order.state !== "stored") return;
  tx.run(
    "UPDATE renewals SET from_ms = from_ms - ?, through_ms = through_ms - ? WHERE order_id = ? AND period > ? AND state = 'granted'",
    PERIOD_MS,
    PERIOD_MS,
    order.orderId,
    renewal.period,
  );
  const paidThroughMs = reversedPaidThroughMs(order.paidThroughMs ?? tx.nowMs, tx.nowMs);
  const moved = move(tx, order, "reversed", { paid_through_ms: paidThroughMs });
  if (!moved.ok) throw new Error(`invariant: reversal of a renewal of ${order.orderId}: ${moved.detail}`);
}

/** Credit is given for money that can no longer go away. */
function creditHomeless(tx: Tx, payment: PaymentRecord): void {
  const renewals = renewalsOf(tx, payment.claimKey);
  const homeless = renewals.filter(({ state }) => state === "homeless");
  for (const renewal of homeless) {
    write(tx, renewal, { state: "credited" });
    changeCredit(tx, BigInt(renewal.amount), payment.claimKey);
  }
  if (homeless.length > 0 && homeless.length === renewals.length)
    tx.run("UPDATE payments SET state = 'credited', reason = 'homeless' WHERE claim_key = ?", payment.claimKey);
}

function write(tx: Tx, renewal: Renewal, columns: Readonly<Record<string, string | number>>): void {
  const sets = Object.keys(columns).map((name) => `${name} = ?`);
  tx.run(
    `UPDATE renewals SET ${sets.join(", ")} WHERE claim_key = ? AND order_id = ?`,
    ...Object.values(columns),
    renewal.claimKey,
    renewal.orderId,
  );
}
