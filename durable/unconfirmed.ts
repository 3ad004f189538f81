/**
 * Bytes that arrived and were never confirmed: a client that dies after its PUT has paid and sent, and is not lost. Some time after
 * a plan's last URL has died the alarm looks by itself, then ever more rarely (a slow PUT may end long after its URL), for as long
 * as the order lives. What is complete becomes stored, what is different goes and the entitlement stays.
 */
import { REPLACEMENT_IDLE_DAYS } from "#contract/limits";
import { findOrder } from "./orders.ts";
import { pinsOf } from "./pins.ts";
import { discard, elect, type Plan, placeOf, plansOf } from "./plans.ts";
import type { Store } from "./ports.ts";
import { DAY_MS } from "./rules/calendar.ts";
import { type Sent, type Sought, seek } from "./seek.ts";
import { limit, type Tx } from "./tx.ts";

export interface Look extends Sent {
  readonly orderId: string;
}

/** When the first of them is due, as SQL for the alarm. */
export const LOOK_DUE = "SELECT min(look_ms) AS due FROM plans WHERE look_ms IS NOT NULL";

/** One minute, four, sixteen, about an hour, about four, then once a day. */
const PAUSE_MS = 60_000;

export function dueLooks(tx: Tx, atMost: number): Look[] {
  const rows = tx.all<{ order_id: string; plan: number }>(
    `SELECT order_id, plan FROM plans WHERE look_ms <= ? ORDER BY look_ms ${limit(atMost)}`,
    tx.nowMs,
  );
  return rows.flatMap(({ order_id, plan }) => {
    const order = findOrder(tx, order_id);
    const found = openPlan(tx, order_id, plan);
    const place = order && found && placeOf(order, found);
    if (place && found && (order.state === "paid" || order.state === "stored"))
      return [{ orderId: order_id, plan: found, place, pins: pinsOf(tx, order_id, found) }];
    // Nothing to look for yet or any more: a payment taken back by a reorg, an order that ended, no bucket.
    later(tx, order_id, plan, order === undefined || order.state === "ended");
    return [];
  });
}

export function lookFor(store: Store, look: Look): Promise<Sought> {
  return seek(store, look);
}

export function finishLook(tx: Tx, { orderId, plan: { plan } }: Look, end: Sought): void {
  const order = findOrder(tx, orderId);
  const found = openPlan(tx, orderId, plan);
  if (!order || !found) return;
  later(tx, orderId, plan, order.state === "ended");
  if (order.state === "ended") return;
  if (end.end === "complete") {
    const elected = elect(tx, order, found);
    // A newer content won while this one was looked at: nobody will want this one any more.
    if (!elected.ok && order.storedPlan !== undefined && order.storedPlan > plan) discard(tx, order, found);
    else if (elected.ok) tx.record("upload.found", { order_id: orderId, plan });
    return;
  }
  const idle = tx.nowMs - found.urlUntilMs > REPLACEMENT_IDLE_DAYS * DAY_MS;
  const abandoned = found.partBytes !== undefined && order.state === "stored" && idle;
  if (end.end === "different" || (abandoned && end.end !== "unknown")) discard(tx, order, found);
}

function later(tx: Tx, orderId: string, plan: number, never: boolean): void {
  const looks = tx.first<{ looks: number }>(
    "SELECT looks FROM plans WHERE order_id = ? AND plan = ?",
    orderId,
    plan,
  )?.looks;
  const pauseMs = Math.min(DAY_MS, PAUSE_MS * 4 ** Math.min(looks ?? 0, 6));
  tx.run(
    "UPDATE plans SET look_ms = ?, looks = looks + 1 WHERE order_id = ? AND plan = ?",
    never ? null : tx.nowMs + pauseMs,
    orderId,
    plan,
  );
}

function openPlan(tx: Tx, orderId: string, number: number): Plan | undefined {
  return plansOf(tx, orderId).find(({ plan, state }) => plan === number && state === "open");
}
