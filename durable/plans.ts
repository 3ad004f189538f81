/**
 * Upload plans and what became of them. A plan is one content (length and SHA-256) under one S3 key of its own; an order may have
 * many plans over its life but leaves at most one object. Confirm elects a plan, the others' bytes are erased.
 */
import { type Refusal, refuse } from "#contract/errors";
import { PLANS_PER_ORDER_HOUR_MAX, UPLOAD_URL_TTL_S } from "#contract/limits";
import { bucketName, s3Key } from "#contract/wallet";
import { move, type Order } from "./orders.ts";
import { dropPins, pinsOf } from "./pins.ts";
import type { ObjectPlace, Policy } from "./ports.ts";
import { compositeOf } from "./rules/content.ts";
import { mayUpload } from "./rules/lease.ts";
import { limit, type Tx } from "./tx.ts";

/** After the last URL has died: what was PUT by then has mostly arrived. */
const LOOK_AFTER_MS = 60_000;

export interface Content {
  readonly lengthBytes: number;
  readonly sha256: string;
  readonly wrappedDek: string | undefined;
  /** In parts of this length; undefined: one PUT. */
  readonly partBytes?: number | undefined;
  /** The part size is ours, not asked for: parts of another size that are under way will do. */
  readonly anyPartBytes?: boolean;
}

export interface Plan extends Content {
  readonly plan: number;
  readonly s3Key: string;
  readonly urlUntilMs: number;
  readonly state: "open" | "stored" | "gone";
  /** S3's name of the upload its parts belong to. */
  readonly uploadId?: string | undefined;
  /** What S3 verified of stored parts. */
  readonly composite?: string | undefined;
}

type PlanRow = {
  plan: number;
  s3_key: string;
  length_bytes: number;
  sha256: string;
  wrapped_dek: string | null;
  url_until_ms: number;
  state: string;
  part_bytes: number | null;
  upload_id: string | null;
  composite: string | null;
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
    ...(row.part_bytes === null ? {} : { partBytes: row.part_bytes }),
    ...(row.upload_id === null ? {} : { uploadId: row.upload_id }),
    ...(row.composite === null ? {} : { composite: row.composite }),
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
  const latest = plansOf(tx, order.orderId).find((plan) => plan.state === "open" || plan.state === "stored");
  if (latest && sameContent(latest, content)) return { ok: true, plan: extend(tx, order, latest) };
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
  // Parts of an older content would never become an object that wins, and cost what whole ones cost.
  for (const older of plansOf(tx, order.orderId))
    if (older.state === "open" && older.partBytes !== undefined) discard(tx, order, older);
  return { ok: true, plan: insertPlan(tx, order, content) };
}

/** URLs were given out until then; a while later the alarm looks for itself what became of them. */
export function extend(tx: Tx, order: Order, plan: Plan): Plan {
  const urlUntilMs = tx.nowMs + UPLOAD_URL_TTL_S * 1000;
  tx.run(
    "UPDATE plans SET url_until_ms = ?, look_ms = iif(state = 'open', ?, NULL), looks = 0 WHERE order_id = ? AND plan = ?",
    urlUntilMs,
    lookMs(order, urlUntilMs),
    order.orderId,
    plan.plan,
  );
  return { ...plan, urlUntilMs };
}

/** Without a bucket no URL was given out yet. */
function lookMs(order: Order, urlUntilMs: number): number | null {
  return order.bucket === undefined ? null : urlUntilMs + LOOK_AFTER_MS;
}

/** The wrapped key is part of the content: it is signed into the URL and stored beside the bytes. */
function sameContent(plan: Plan, content: Content): boolean {
  return (
    plan.sha256 === content.sha256 &&
    plan.lengthBytes === content.lengthBytes &&
    plan.wrappedDek === content.wrappedDek &&
    (plan.state === "stored" || sameShape(plan, content))
  );
}

/** One PUT and parts are sent differently, and so are parts of another size. */
function sameShape(plan: Plan, content: Content): boolean {
  if (plan.partBytes === undefined || content.partBytes === undefined) return plan.partBytes === content.partBytes;
  return content.anyPartBytes === true || plan.partBytes === content.partBytes;
}

function insertPlan(tx: Tx, order: Order, content: Content): Plan {
  const { partBytes } = content;
  const urlUntilMs = tx.nowMs + UPLOAD_URL_TTL_S * 1000;
  const plan = order.lastPlan + 1;
  const key = s3Key(order.agentId, order.objectKey, order.orderId, plan);
  tx.run("UPDATE orders SET last_plan = ? WHERE order_id = ?", plan, order.orderId);
  tx.run(
    `INSERT INTO plans (order_id, plan, s3_key, length_bytes, sha256, wrapped_dek, created_ms, url_until_ms, state, part_bytes, look_ms)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'open', ?, ?)`,
    order.orderId,
    plan,
    key,
    content.lengthBytes,
    content.sha256,
    content.wrappedDek ?? null,
    tx.nowMs,
    urlUntilMs,
    partBytes ?? null,
    lookMs(order, urlUntilMs),
  );
  tx.record("plan.made", {
    order_id: order.orderId,
    plan,
    s3_key: key,
    length_bytes: content.lengthBytes,
    sha256: content.sha256,
    ...(partBytes === undefined ? {} : { part_bytes: partBytes }),
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
  const composite = compositeOf(plan, pinsOf(tx, order.orderId, plan));
  if (plan.partBytes !== undefined && composite === undefined)
    return refuse("bytes_not_found", "not every part of the content was announced");
  const moved = move(tx, order, "stored", { stored_plan: plan.plan });
  if (!moved.ok) return moved;
  tx.run(
    "UPDATE plans SET state = 'stored', look_ms = NULL, composite = ? WHERE order_id = ? AND plan = ?",
    composite ?? null,
    order.orderId,
    plan.plan,
  );
  dropPins(tx, order.orderId, plan.plan);
  for (const older of plansOf(tx, order.orderId)) if (older.plan < plan.plan) discard(tx, order, older);
  return moved;
}

/** Marks a plan's bytes for erasure: at once, and again after the last URL that could write them has died. */
export function discard(tx: Tx, order: Order, plan: Plan): void {
  if (plan.state === "gone") return;
  const parts = plan.partBytes !== undefined;
  tx.run("UPDATE plans SET state = 'gone', look_ms = NULL WHERE order_id = ? AND plan = ?", order.orderId, plan.plan);
  if (parts) dropPins(tx, order.orderId, plan.plan);
  if (order.bucket === undefined) return;
  tx.run(
    "INSERT OR IGNORE INTO erasures (s3_key, store, region, bucket, next_ms, final_ms, parts) VALUES (?, ?, ?, ?, ?, ?, ?)",
    plan.s3Key,
    order.store,
    order.region,
    order.bucket,
    // Whoever discards also erases at once; the alarm comes after, in case they died in between.
    tx.nowMs + 15_000,
    // Whoever was putting the parts together when the plan was given up may still be at it.
    Math.max(plan.urlUntilMs, parts ? tx.nowMs + UPLOAD_URL_TTL_S * 1000 : 0) + 60_000,
    parts ? 1 : 0,
  );
  tx.record("bytes.discarded", { order_id: order.orderId, plan: plan.plan, s3_key: plan.s3Key });
}

export function placeOf(order: Order, plan: Plan): ObjectPlace | undefined {
  if (order.bucket === undefined) return undefined;
  const place = { store: order.store, region: order.region, bucket: order.bucket, key: plan.s3Key };
  return plan.partBytes === undefined ? place : { ...place, parts: true };
}

type ErasureRow = { s3_key: string; store: string; region: string; bucket: string; parts: number };

export function dueErasures(tx: Tx, atMost: number): ObjectPlace[] {
  return tx
    .all<ErasureRow>(`SELECT * FROM erasures WHERE next_ms <= ? ORDER BY next_ms ${limit(atMost)}`, tx.nowMs)
    .map(({ store, region, bucket, s3_key, parts }) => {
      const place = { store, region, bucket, key: s3_key };
      return parts === 0 ? place : { ...place, parts: true };
    });
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
  readonly store: string;
  readonly region: string;
  readonly sequence: number;
  readonly name: string;
  readonly ready: boolean;
  /** This wallet wrote down earlier that it would create this name. */
  readonly intended: boolean;
  /** It is being removed (emptied.ts) and cannot be made until that is decided. */
  readonly leaving: boolean;
}

/**
 * The wallet's bucket in a region: the ready one, or the next name to try, its intent written down. A region that moved to another
 * store gets a bucket there; the old one stays with the leases that name it. Undefined: the region is sold no more.
 */
export function bucketFor(tx: Tx, region: string, { defaultRegion, stores }: Policy): BucketTry | undefined {
  const store = stores[region];
  if (store === undefined) return undefined;
  const rows = tx.all<{ sequence: number; name: string; state: string; store: string }>(
    "SELECT sequence, name, state, store FROM buckets WHERE region = ? ORDER BY sequence DESC",
    region,
  );
  const last = rows.find((row) => row.store === store);
  if (last?.state === "gone") {
    const { sequence, name } = last;
    tx.run(
      "UPDATE buckets SET state = 'intended', emptied_ms = NULL WHERE region = ? AND sequence = ?",
      region,
      sequence,
    );
    tx.record("bucket.intended", { store, region, name });
    return { store, region, sequence, name, ready: false, intended: false, leaving: false };
  }
  if (last && last.state !== "taken") {
    const { sequence, name, state } = last;
    return { store, region, sequence, name, ready: state === "ready", intended: true, leaving: state === "leaving" };
  }
  const sequence = (rows[0]?.sequence ?? -1) + 1;
  const name = bucketName(tx.wallet, region, defaultRegion, sequence);
  tx.run(
    "INSERT INTO buckets (region, sequence, name, state, store) VALUES (?, ?, ?, 'intended', ?)",
    region,
    sequence,
    name,
    store,
  );
  tx.record("bucket.intended", { store, region, name });
  return { store, region, sequence, name, ready: false, intended: false, leaving: false };
}

/** Whether the wallet has a bucket for what it buys in a region; a newcomer may have to be turned away. */
export function hasBucket(tx: Tx, region: string, { stores }: Policy): boolean {
  const store = stores[region] ?? "";
  const sql = "SELECT 1 AS yes FROM buckets WHERE region = ? AND store = ? AND state = 'ready'";
  return tx.first(sql, region, store) !== undefined;
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

export function readyBuckets(tx: Tx): { store: string; region: string; name: string }[] {
  return tx.all<{ store: string; region: string; name: string }>(
    "SELECT store, region, name FROM buckets WHERE state = 'ready' ORDER BY region, sequence",
  );
}
