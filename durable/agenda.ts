/**
 * What the alarm would do for a wallet, and when: for an operator who wants to know before it is done. Reads only. One line for every
 * row that the sweep (sweep.ts) would take up, so nothing is erased, completed or given up that was not to be seen here.
 */
import { EMPTIED_DUE_ROWS } from "./emptied.ts";
import { type Now, waits } from "./lapses.ts";
import { mustFind, type Order } from "./orders.ts";
import { plansOf } from "./plans.ts";
import { deadlineMs } from "./rules/pulse.ts";
import { creditOf, type Tx } from "./tx.ts";
import { UNSERVED_DUE_ROWS } from "./unserved.ts";

export interface AgendaAsk {
  readonly now: Now;
  readonly untilMs: number;
  readonly atMost: number;
}

/** The names of sweep.ts's errands; `abort`: an erasure of parts that were never put together. */
export type Errand =
  | "lapse"
  | "erase"
  | "abort"
  | "complete"
  | "settle"
  | "recheck"
  | "mandate"
  | "serve"
  | "empty"
  | "forecast";

export interface AgendaLine {
  readonly errand: Errand;
  /** The order, payment, S3 key or bucket it is about. */
  readonly subject: string;
  readonly atMs: number;
  readonly tries?: number;
  /** Why it will not be done although its time has come. */
  readonly waitsFor?: string;
  readonly order?: Order;
  /** What goes with it: bytes that S3 holds as far as we know. */
  readonly bytes?: number;
  readonly bucket?: string;
  /** The lapse may be spared: the wallet is owed something, which renews first. */
  readonly creditFirst?: true;
}

export interface Agenda {
  readonly lines: readonly AgendaLine[];
  /** There are more than were asked for. */
  readonly more: boolean;
}

type Row = { errand: string; subject: string; at_ms: number; tries: number | null; bucket: string | null };

/** Each with its own index; the platform's SQLite takes no more than five in one compound. */
const ROWS: readonly string[] = [
  `SELECT iif(parts = 1, 'abort', 'erase') AS errand, s3_key AS subject, next_ms AS at_ms, attempts AS tries, bucket FROM erasures WHERE next_ms <= ?`,
  `SELECT 'complete' AS errand, s3_key AS subject, look_ms AS at_ms, looks AS tries, NULL AS bucket FROM plans WHERE look_ms <= ?`,
  `SELECT iif(state = 'settled', 'recheck', 'settle') AS errand, payment_id AS subject, review_ms AS at_ms, reviews AS tries, NULL AS bucket
     FROM payments WHERE review_ms <= ?`,
  `SELECT 'mandate' AS errand, order_id || ' period ' || period AS subject, next_ms AS at_ms, attempts AS tries, NULL AS bucket
     FROM mandates WHERE next_ms <= ?`,
  `SELECT 'forecast' AS errand, CAST(from_ms AS TEXT) AS subject, next_ms AS at_ms, NULL AS tries, NULL AS bucket FROM forecasts WHERE next_ms <= ?`,
  `SELECT 'serve' AS errand, order_id AS subject, due_ms AS at_ms, NULL AS tries, NULL AS bucket FROM (${UNSERVED_DUE_ROWS}) WHERE due_ms <= ?`,
  `SELECT 'empty' AS errand, name AS subject, due_ms AS at_ms, NULL AS tries, name AS bucket FROM (${EMPTIED_DUE_ROWS}) WHERE due_ms <= ?`,
];

/** What is due first comes first. */
export function agenda(tx: Tx, { now, untilMs, atMost }: AgendaAsk): Agenda {
  const rows = ROWS.flatMap((query) => tx.all<Row>(`${query} ORDER BY at_ms LIMIT ?`, untilMs, atMost + 1));
  const lines = [...lapses(tx, now, untilMs, atMost + 1), ...rows.map(lineOf)].sort((a, b) => a.atMs - b.atMs);
  return { lines: lines.slice(0, atMost), more: lines.length > atMost };
}

function lineOf({ errand, subject, at_ms, tries, bucket }: Row): AgendaLine {
  return {
    errand: errand as Errand,
    // Of a forecast it is the day from which.
    subject: errand === "forecast" ? new Date(Number(subject)).toISOString() : subject,
    atMs: at_ms,
    ...(tries === null ? {} : { tries }),
    ...(bucket === null ? {} : { bucket }),
  };
}

/** Orders whose time is over before `untilMs`; when it really is, outages tell, and whether, what `now` says. */
function lapses(tx: Tx, now: Now, untilMs: number, atMost: number): AgendaLine[] {
  const owed = creditOf(tx) > 0n;
  return tx
    .all<{ order_id: string; due_ms: number }>(
      "SELECT order_id, due_ms FROM orders WHERE due_ms IS NOT NULL AND due_ms < ? ORDER BY due_ms LIMIT ?",
      untilMs,
      atMost,
    )
    .map(({ order_id, due_ms }) => {
      const order = mustFind(tx, order_id);
      const endMs = deadlineOf(order, now);
      const waitsFor = endMs < tx.nowMs ? waits(tx, order, now)?.because : undefined;
      const stored = plansOf(tx, order_id).find(({ plan }) => plan === order.storedPlan);
      return {
        errand: "lapse" as const,
        subject: order_id,
        atMs: Math.max(due_ms, endMs),
        order,
        bytes: stored?.lengthBytes ?? 0,
        ...(waitsFor === undefined ? {} : { waitsFor }),
        ...(order.bucket === undefined ? {} : { bucket: order.bucket }),
        ...(owed && order.state === "stored" ? { creditFirst: true as const } : {}),
      };
    });
}

function deadlineOf({ state, paidThroughMs = 0 }: Order, { pulse }: Now): number {
  return state === "paid" ? paidThroughMs : deadlineMs(paidThroughMs, pulse?.gaps ?? []);
}
