/** What a wallet may read, and how much of it is included in what was paid. */
import { type Refusal, refuse } from "#contract/errors";
import { INCLUDED_DOWNLOADS, INCLUDED_LISTS } from "#contract/limits";
import { type PaymentRecord, paymentOf } from "./ledger.ts";
import { countLive, findLive, type Order } from "./orders.ts";
import { type Plan, plansOf, readyBuckets } from "./plans.ts";
import { periodNow } from "./renewals.ts";
import { DAY_MS } from "./rules/calendar.ts";
import { readMeta, type Tx, writeMeta } from "./tx.ts";

/** A stored object as a reader sees it. */
export interface Leased {
  readonly order: Order;
  readonly plan: Plan;
  readonly payment: PaymentRecord;
}

export function statObject(tx: Tx, agentId: string, objectKey: string): ({ ok: true } & Leased) | Refusal {
  const order = findLive(tx, agentId, objectKey);
  const plan = order && storedPlanOf(tx, order);
  if (!order || !plan)
    return refuse("object_not_found", `no stored object is named ${JSON.stringify(objectKey)} for agent ${agentId}`);
  return { ok: true, order, plan, payment: paymentOf(tx, order) };
}

function storedPlanOf(tx: Tx, order: Order): Plan | undefined {
  return plansOf(tx, order.orderId).find((plan) => plan.plan === order.storedPlan);
}

/** One download debits one of the period's, before its URL exists: a URL that was issued can be used. */
export function takeDownload(tx: Tx, agentId: string, objectKey: string) {
  const found = statObject(tx, agentId, objectKey);
  if (!found.ok) return found;
  const { orderId } = found.order;
  // Each period brings its own: the first download in a new one begins to count again.
  const period = periodNow(tx, orderId);
  const used = found.order.downloadsPeriod === period ? found.order.downloadsUsed : 0;
  const left = INCLUDED_DOWNLOADS - used - 1;
  if (left < 0)
    return refuse("allowance_used", `the ${INCLUDED_DOWNLOADS} downloads of this paid period are used up`, {
      facts: { order_id: orderId },
    });
  tx.run("UPDATE orders SET downloads_used = ?, downloads_period = ? WHERE order_id = ?", used + 1, period, orderId);
  tx.record("download.taken", { order_id: orderId, left });
  return { ...found, downloadsLeft: left };
}

/** A page of a list debits one call of the wallet's month; a wallet that never stored gets its empty answer free. */
export function takeList(tx: Tx): { ok: true; buckets: { region: string; name: string }[] } | Refusal {
  const buckets = readyBuckets(tx);
  if (buckets.length === 0) return { ok: true, buckets };
  const since = Number(readMeta(tx, "lists_since_ms") ?? "0");
  const fresh = tx.nowMs - since >= 30 * DAY_MS;
  const used = fresh ? 0 : Number(readMeta(tx, "lists_used") ?? "0");
  const included = INCLUDED_LISTS * Math.max(1, countLive(tx));
  if (used >= included) return refuse("allowance_used", `the ${included} list calls of this month are used up`);
  if (fresh) writeMeta(tx, "lists_since_ms", String(tx.nowMs));
  writeMeta(tx, "lists_used", String(used + 1));
  return { ok: true, buckets };
}

/** The leases behind S3 keys, in no particular order; keys that are no elected content of a live order are left out. */
export function leasesOf(tx: Tx, keys: readonly string[]): Leased[] {
  const rows = tx.all<{ order_id: string; agent_id: string; object_key: string }>(
    `SELECT orders.order_id, orders.agent_id, orders.object_key FROM plans
       JOIN orders ON orders.order_id = plans.order_id AND orders.stored_plan = plans.plan
       WHERE orders.state = 'stored' AND plans.s3_key IN (SELECT value FROM json_each(?))`,
    JSON.stringify(keys),
  );
  return rows.flatMap((row) => {
    const found = statObject(tx, row.agent_id, row.object_key);
    return found.ok ? [found] : [];
  });
}
