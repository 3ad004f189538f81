/** What a wallet is told about its money: periods to come, payments made, and the events of its journal. Reads only. */

import { findOrder, type Order } from "./orders.ts";
import { leaseOf } from "./renewals.ts";
import { creditOf, type Tx } from "./tx.ts";

export interface DueRow {
  readonly order: Order;
  readonly lengthBytes: number;
  readonly lastIndex: number;
}

export interface PaidRow {
  readonly paymentId: string;
  readonly purpose: string;
  readonly state: string;
  readonly amount: string;
  readonly txHash: string | undefined;
  readonly claimedMs: number;
  readonly orderId: string;
  readonly objectKey: string | undefined;
  readonly period: number | undefined;
}

export interface Billing {
  readonly ok: true;
  readonly credit: string;
  readonly due: readonly DueRow[];
  readonly payments: readonly PaidRow[];
}

/** A place in a list: time and id of the row before it. */
export interface Mark {
  readonly ms: number;
  readonly id: string;
}

export function billing(tx: Tx, atMost: number, dueAfter: Mark | undefined, paidBefore: Mark | undefined): Billing {
  return {
    ok: true,
    credit: creditOf(tx).toString(),
    due: dueRows(tx, atMost, dueAfter),
    payments: paidRows(tx, atMost, paidBefore),
  };
}

function dueRows(tx: Tx, atMost: number, after: Mark | undefined): DueRow[] {
  return tx
    .all<{ order_id: string; length_bytes: number | null }>(
      `SELECT orders.order_id, plans.length_bytes FROM orders
         LEFT JOIN plans ON plans.order_id = orders.order_id AND plans.plan = orders.stored_plan
         WHERE orders.state IN ('paid', 'stored') AND (orders.paid_through_ms, orders.order_id) > (?, ?)
         ORDER BY orders.paid_through_ms, orders.order_id LIMIT ?`,
      after?.ms ?? 0,
      after?.id ?? "",
      atMost,
    )
    .flatMap((row) => {
      const order = findOrder(tx, row.order_id);
      return order ? [{ order, lengthBytes: row.length_bytes ?? 0, lastIndex: leaseOf(tx, order).lastIndex }] : [];
    });
}

type PaidSqlRow = {
  payment_id: string;
  purpose: string;
  state: string;
  amount: string;
  tx_hash: string | null;
  claimed_ms: number;
  order_id: string;
  object_key: string | null;
  period: number | null;
};

/** What never left us was no payment. */
function paidRows(tx: Tx, atMost: number, before: Mark | undefined): PaidRow[] {
  return tx
    .all<PaidSqlRow>(
      `SELECT payments.payment_id, payments.purpose, payments.state, payments.amount, payments.tx_hash, payments.claimed_ms,
         payments.order_id, orders.object_key, renewals.period FROM payments
         LEFT JOIN orders ON orders.order_id = payments.order_id
         LEFT JOIN renewals ON renewals.claim_key = payments.claim_key AND renewals.order_id = payments.order_id
         WHERE payments.state <> 'withdrawn' AND (payments.claimed_ms, payments.payment_id) < (?, ?)
         ORDER BY payments.claimed_ms DESC, payments.payment_id DESC LIMIT ?`,
      before?.ms ?? Number.MAX_SAFE_INTEGER,
      before?.id ?? "",
      atMost,
    )
    .map((row) => ({
      paymentId: row.payment_id,
      purpose: row.purpose,
      state: row.state,
      amount: row.amount,
      txHash: row.tx_hash ?? undefined,
      claimedMs: row.claimed_ms,
      orderId: row.order_id,
      objectKey: row.object_key ?? undefined,
      period: row.period ?? undefined,
    }));
}

export interface JournalEvent {
  readonly seq: number;
  readonly atMs: number;
  readonly kind: string;
  readonly data: Readonly<Record<string, string | number | boolean | null>>;
}

/** What is the wallet's business; how its bytes are planned and its buckets made is ours. */
const TOLD = `(${["order", "payment", "credit", "renewal", "mandate", "key", "warning"].map((what) => `kind LIKE '${what}.%'`).join(" OR ")}
  OR kind = 'upload.found')`;

export function eventsAfter(
  tx: Tx,
  after: number,
  atMost: number,
): { ok: true; events: JournalEvent[]; more: boolean } {
  const rows = tx.all<{ seq: number; at_ms: number; kind: string; data: string }>(
    `SELECT seq, at_ms, kind, data FROM journal WHERE seq > ? AND ${TOLD} ORDER BY seq LIMIT ?`,
    after,
    atMost + 1,
  );
  const events = rows.slice(0, atMost).map((row) => ({
    seq: row.seq,
    atMs: row.at_ms,
    kind: row.kind,
    data: JSON.parse(row.data) as JournalEvent["data"],
  }));
  return { ok: true, events, more: rows.length > atMost };
}
