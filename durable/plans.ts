/**
 * Upload plans and what became of them. A plan is one content (length and SHA-256) under one S3 key of its own; an order may have
 * many plans over its life but leaves at most one object. Confirm elects a plan, the others' bytes are erased.
 */
import { type Refusal, refuse } from "#contract/errors";
import { PLANS_PER_ORDER_HOUR_MAX, UPLOAD_URL_TTL_S } from "#contract/limits";
import { bucketName, s3Key } from "#contract/wallet";
import { move, type Order } from "./orders.ts";
import type { ObjectPlace } from "./ports.ts";
import { mayUpload } from "./rules/lease.ts";
import type { Tx } from "./tx.ts";

export interface Content {
  readonly lengthBytes: number;
  readonly sha256: string;
  readonly wrappedDek: string | undefined;
}

export interface Plan extends Content {
  readonly plan: number;
  readonly s3Key: string;
  readonly urlUntilMs: number;
  readonly state: "open" | "stored" | "gone";
}

type PlanRow = {
  plan: number;
  s3_key: string;
  length_bytes: number;
  sha256: string;
  wrapped_dek: string | null;
  url_until_ms: number;
  state: string;
};

function fromRow(row: PlanRow): Plan {
  return {
    plan: row.plan,
    s3Key: row.s3_key,
    lengthBytes: row.length_bytes,
    sha256: row.sha256,
    wrappedDek: row.wrapped_dek ?? undefined,
    urlUntilMs: row.url_until_ms,
    state: row.state as Plan["state"],
  };
}

/**
 * Who asks decides how far they may go. The wallet's own proof replaces what it likes; who holds the order's ticket, or signed in,
 * may still change their mind until something is stored; a payment alone proves no reader and no replacer.
 */
export type Asker = "wallet" | "holder" | "payment";

export function beginPlan(tx: Tx, order: Order, content: Content, asker: Asker): { ok: true; plan: Plan } | Refusal {
  const may = mayUpload(order.state, order.paidThroughMs ?? 0, tx.nowMs);
  if (!may.ok) return may;
  if (content.lengthBytes > order.sizeMax)
    return refuse(
      "size_out_of_range",
      `${content.lengthBytes} bytes do not fit the ${order.sizeMax} that were paid for`,
    );
  const urlUntilMs = tx.nowMs + UPLOAD_URL_TTL_S * 1000;
  const latest = plansOf(tx, order.orderId).find((plan) => plan.state === "open" || plan.state === "stored");
  if (latest && sameContent(latest, content)) {
    tx.run("UPDATE plans SET url_until_ms = ? WHERE order_id = ? AND plan = ?", urlUntilMs, order.orderId, latest.plan);
    return { ok: true, plan: { ...latest, urlUntilMs } };
  }
  const mayReplace = asker === "wallet" || (asker === "holder" && order.state !== "stored");
  if (latest && !mayReplace)
    return refuse(
      "object_key_exists",
      `${JSON.stringify(order.objectKey)} is paid for and has other content; replacing it takes a wallet proof, or before anything is stored the order's ticket`,
      {
        facts: { order_id: order.orderId },
      },
    );
  const recent = tx.first<{ n: number }>(
    "SELECT count(*) AS n FROM plans WHERE order_id = ? AND created_ms > ?",
    order.orderId,
    tx.nowMs - 3_600_000,
  );
  if ((recent?.n ?? 0) >= PLANS_PER_ORDER_HOUR_MAX)
    return refuse("too_many_requests", `${PLANS_PER_ORDER_HOUR_MAX} contents were planned within the hour`, {
      retryAfterS: 600,
    });
  return { ok: true, plan: insertPlan(tx, order, content, urlUntilMs) };
}

/** The wrapped key is part of the content: it is signed into the URL and stored beside the bytes. */
function sameContent(plan: Plan, content: Content): boolean {
  return (
    plan.sha256 === content.sha256 && plan.lengthBytes === content.lengthBytes && plan.wrappedDek === content.wrappedDek
  );
}

function insertPlan(tx: Tx, order: Order, content: Content, urlUntilMs: number): Plan {
  const plan = order.lastPlan + 1;
  const key = s3Key(order.agentId, order.objectKey, order.orderId, plan);
  tx.run("UPDATE orders SET last_plan = ? WHERE order_id = ?", plan, order.orderId);
  tx.run(
    `INSERT INTO plans (order_id, plan, s3_key, length_bytes, sha256, wrapped_dek, created_ms, url_until_ms, state)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'open')`,
    order.orderId,
    plan,
    key,
    content.lengthBytes,
    content.sha256,
    content.wrappedDek ?? null,
    tx.nowMs,
    urlUntilMs,
  );
  tx.record("plan.made", {
    order_id: order.orderId,
    plan,
    s3_key: key,
    length_bytes: content.lengthBytes,
    sha256: content.sha256,
  });
  return { plan, s3Key: key, ...content, urlUntilMs, state: "open" };
}

/** Newest first. */
export function plansOf(tx: Tx, orderId: string): Plan[] {
  return tx.all<PlanRow>("SELECT * FROM plans WHERE order_id = ? ORDER BY plan DESC", orderId).map(fromRow);
}

/** Elects a plan whose bytes S3 was seen to hold; every older content of the order goes. */
export function elect(tx: Tx, order: Order, plan: Plan): { ok: true; order: Order } | Refusal {
  if (order.storedPlan === plan.plan && order.state === "stored") return { ok: true, order };
  // Two confirms may have looked at once; the newer content has won already.
  if (order.storedPlan !== undefined && order.storedPlan > plan.plan)
    return refuse("bytes_mismatch", `plan ${order.storedPlan} is newer than plan ${plan.plan} and stored already`);
  const moved = move(tx, order, "stored", { stored_plan: plan.plan });
  if (!moved.ok) return moved;
  tx.run("UPDATE plans SET state = 'stored' WHERE order_id = ? AND plan = ?", order.orderId, plan.plan);
  for (const older of plansOf(tx, order.orderId)) if (older.plan < plan.plan) discard(tx, order, older);
  return moved;
}

/** Marks a plan's bytes for erasure: at once, and again after the last URL that could write them has died. */
export function discard(tx: Tx, order: Order, plan: Plan): void {
  if (plan.state === "gone") return;
  tx.run("UPDATE plans SET state = 'gone' WHERE order_id = ? AND plan = ?", order.orderId, plan.plan);
  if (order.bucket === undefined) return;
  tx.run(
    "INSERT OR IGNORE INTO erasures (s3_key, store, region, bucket, next_ms, final_ms) VALUES (?, ?, ?, ?, ?, ?)",
    plan.s3Key,
    order.store,
    order.region,
    order.bucket,
    // Whoever discards also erases at once; the alarm comes after, in case they died in between.
    tx.nowMs + 15_000,
    plan.urlUntilMs + 60_000,
  );
  tx.record("bytes.discarded", { order_id: order.orderId, plan: plan.plan, s3_key: plan.s3Key });
}

export function placeOf(order: Order, plan: Plan): ObjectPlace | undefined {
  if (order.bucket === undefined) return undefined;
  return { store: order.store, region: order.region, bucket: order.bucket, key: plan.s3Key };
}

type ErasureRow = { s3_key: string; store: string; region: string; bucket: string };

export function dueErasures(tx: Tx, atMost: number): ObjectPlace[] {
  return tx
    .all<ErasureRow>("SELECT * FROM erasures WHERE next_ms <= ? ORDER BY next_ms LIMIT ?", tx.nowMs, atMost)
    .map((row) => ({ store: row.store, region: row.region, bucket: row.bucket, key: row.s3_key }));
}

/** After an erase: done for good once no URL can write the key any more, else due again. */
export function finishErasure(tx: Tx, key: string, erased: boolean): void {
  const row = tx.first<{ final_ms: number; attempts: number }>(
    "SELECT final_ms, attempts FROM erasures WHERE s3_key = ?",
    key,
  );
  if (!row) return;
  if (erased && tx.nowMs >= row.final_ms) {
    tx.run("DELETE FROM erasures WHERE s3_key = ?", key);
    tx.record("bytes.erased", { s3_key: key });
    return;
  }
  const retryMs = tx.nowMs + Math.min(3_600_000, 10_000 * 2 ** Math.min(row.attempts, 8));
  tx.run(
    "UPDATE erasures SET attempts = attempts + 1, next_ms = ? WHERE s3_key = ?",
    erased ? row.final_ms : retryMs,
    key,
  );
}

export interface BucketTry {
  readonly region: string;
  readonly sequence: number;
  readonly name: string;
  readonly ready: boolean;
  /** This wallet wrote down earlier that it would create this name. */
  readonly intended: boolean;
}

/** The wallet's bucket in a region: the ready one, or the next name to try, its intent written down. */
export function bucketFor(tx: Tx, region: string, defaultRegion: string): BucketTry {
  const rows = tx.all<{ sequence: number; name: string; state: string }>(
    "SELECT sequence, name, state FROM buckets WHERE region = ? ORDER BY sequence DESC LIMIT 1",
    region,
  );
  const last = rows[0];
  if (last && last.state !== "taken")
    return { region, sequence: last.sequence, name: last.name, ready: last.state === "ready", intended: true };
  const sequence = last ? last.sequence + 1 : 0;
  const name = bucketName(tx.wallet, region, defaultRegion, sequence);
  tx.run("INSERT INTO buckets (region, sequence, name, state) VALUES (?, ?, ?, 'intended')", region, sequence, name);
  tx.record("bucket.intended", { region, name });
  return { region, sequence, name, ready: false, intended: false };
}

export function finishBucket(tx: Tx, bucket: BucketTry, end: "ready" | "taken"): void {
  tx.run(
    "UPDATE buckets SET state = ? WHERE region = ? AND sequence = ? AND state = 'intended'",
    end,
    bucket.region,
    bucket.sequence,
  );
  tx.record(`bucket.${end}`, { region: bucket.region, name: bucket.name });
}

export function readyBuckets(tx: Tx): { region: string; name: string }[] {
  return tx.all<{ region: string; name: string }>(
    "SELECT region, name FROM buckets WHERE state = 'ready' ORDER BY region, sequence",
  );
}
