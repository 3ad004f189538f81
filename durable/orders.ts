/** Orders, which are leases: rows in, values out, and the one place where their state moves. */
import { type Refusal, refuse } from "#contract/errors";
import { GRACE_DAYS } from "#contract/limits";
import type { Quote, Wanted } from "./quotes.ts";
import { DAY_MS } from "./rules/calendar.ts";
import { next, type OrderEvent, type OrderState } from "./rules/lease.ts";
import { nextWarningSql } from "./rules/warnings.ts";
import type { Tx } from "./tx.ts";

export interface Order extends Wanted {
  readonly orderId: string;
  readonly quoteId: string | undefined;
  readonly state: OrderState;
  readonly store: string;
  readonly bucket: string | undefined;
  readonly paidMs: number | undefined;
  readonly paidThroughMs: number | undefined;
  readonly claimKey: string | undefined;
  readonly lastPlan: number;
  readonly storedPlan: number | undefined;
  /** Bytes debited by download URLs in the period that ends at `readPeriodMs`. */
  readonly readBytes: number;
  readonly readPeriodMs: number | undefined;
  readonly ended: string | undefined;
}

export type OrderRow = {
  order_id: string;
  quote_id: string | null;
  agent_id: string;
  object_key: string;
  object_id: string;
  object_id_hash: string;
  store: string;
  region: string;
  bucket: string | null;
  size_max: number;
  amount: string;
  card: string;
  state: string;
  paid_ms: number | null;
  paid_through_ms: number | null;
  claim_key: string | null;
  last_plan: number;
  stored_plan: number | null;
  read_bytes: number;
  read_period_ms: number | null;
  ended: string | null;
};

export function orderOf(row: OrderRow): Order {
  return {
    orderId: row.order_id,
    quoteId: row.quote_id ?? undefined,
    agentId: row.agent_id,
    objectKey: row.object_key,
    objectId: row.object_id,
    objectIdHash: row.object_id_hash,
    store: row.store,
    region: row.region,
    bucket: row.bucket ?? undefined,
    sizeMax: row.size_max,
    amount: row.amount,
    card: row.card,
    state: row.state as OrderState,
    paidMs: row.paid_ms ?? undefined,
    paidThroughMs: row.paid_through_ms ?? undefined,
    claimKey: row.claim_key ?? undefined,
    lastPlan: row.last_plan,
    storedPlan: row.stored_plan ?? undefined,
    readBytes: row.read_bytes,
    readPeriodMs: row.read_period_ms ?? undefined,
    ended: row.ended ?? undefined,
  };
}

export function findOrder(tx: Tx, orderId: string): Order | undefined {
  const row = tx.first<OrderRow>("SELECT * FROM orders WHERE order_id = ?", orderId);
  return row && orderOf(row);
}

/** The order that holds a name, if one does. */
export function findLive(tx: Tx, agentId: string, objectKey: string): Order | undefined {
  const row = tx.first<OrderRow>(
    "SELECT * FROM orders WHERE agent_id = ? AND object_key = ? AND state IN ('paying', 'paid', 'stored')",
    agentId,
    objectKey,
  );
  return row && orderOf(row);
}

export function largestRoom(tx: Tx): number {
  return tx.first<{ n: number }>("SELECT max(size_max) AS n FROM orders WHERE state IN ('paid', 'stored')")?.n ?? 0;
}

export function countLive(tx: Tx): number {
  return tx.first<{ n: number }>("SELECT count(*) AS n FROM orders WHERE state IN ('paid', 'stored')")?.n ?? 0;
}

/** Creates the order of a purchase whose payment is being claimed in the same transaction. */
export function insertOrder(tx: Tx, wanted: Wanted, quote: Quote | undefined, claimKey: string): Order {
  const orderId = tx.newId("order");
  tx.run(
    `INSERT INTO orders (order_id, kind, quote_id, agent_id, object_key, object_id, object_id_hash, store, region, size_max,
       amount, card, state, created_ms, claim_key) VALUES (?, 'object', ?, ?, ?, ?, ?, 's3', ?, ?, ?, ?, 'paying', ?, ?)`,
    orderId,
    quote?.quoteId ?? null,
    wanted.agentId,
    wanted.objectKey,
    wanted.objectId,
    wanted.objectIdHash,
    wanted.region,
    wanted.sizeMax,
    wanted.amount,
    wanted.card,
    tx.nowMs,
    claimKey,
  );
  return mustFind(tx, orderId);
}

export function mustFind(tx: Tx, orderId: string): Order {
  const order = findOrder(tx, orderId);
  if (!order) throw new Error(`invariant: order ${orderId} is missing`);
  return order;
}

/** Warnings that were given (warnings.ts) for this end of time; a new end begins anew. */
const WARNED = "iif(warned_ms IS paid_through_ms, warned, 0)";
/** An order is looked at when what was paid is over; one that holds bytes, when its grace is. Its owner is warned before. */
const DUE = `UPDATE orders SET due_ms = CASE state WHEN 'paid' THEN paid_through_ms
  WHEN 'stored' THEN paid_through_ms + ${GRACE_DAYS * DAY_MS} END,
  warn_ms = ${nextWarningSql("state", "paid_through_ms", WARNED)}, warned = ${WARNED}, warned_ms = paid_through_ms WHERE order_id = ?`;

/** Moves the state by the table, with the columns that belong to the event, and writes the journal. */
export function move(
  tx: Tx,
  order: Order,
  event: OrderEvent,
  columns: Readonly<Record<string, string | number | null>> = {},
): { ok: true; order: Order } | Refusal {
  const moved = next(order.state, event);
  if (!moved.ok) return moved;
  const names = Object.keys(columns);
  const sets = ["state = ?", ...names.map((name) => `${name} = ?`)].join(", ");
  tx.run(`UPDATE orders SET ${sets} WHERE order_id = ?`, moved.state, ...Object.values(columns), order.orderId);
  // The region's bucket may go a while after the last of these (emptied.ts).
  if (moved.state === "ended")
    tx.run("UPDATE buckets SET emptied_ms = ? WHERE region = ? AND state = 'ready'", tx.nowMs, order.region);
  tx.run(DUE, order.orderId);
  tx.record(`order.${event}`, { order_id: order.orderId, from: order.state, to: moved.state, ...columns });
  return { ok: true, order: mustFind(tx, order.orderId) };
}

/** An order that has no bytes yet may move to another free name; once planned, its name is part of its keys. */
export function rename(tx: Tx, order: Order, objectKey: string): { ok: true; order: Order } | Refusal {
  if (order.objectKey === objectKey) return { ok: true, order };
  if (order.lastPlan > 0 || order.state !== "paid")
    return refuse(
      "quote_mismatch",
      `the order is for ${JSON.stringify(order.objectKey)}, the request for ${JSON.stringify(objectKey)}`,
    );
  if (findLive(tx, order.agentId, objectKey))
    return refuse("object_key_exists", `${JSON.stringify(objectKey)} is in use by another order`);
  tx.run("UPDATE orders SET object_key = ? WHERE order_id = ?", objectKey, order.orderId);
  tx.record("order.renamed", { order_id: order.orderId, from: order.objectKey, to: objectKey });
  return { ok: true, order: mustFind(tx, order.orderId) };
}
