/** Leases as a reader sees them: rows in, values out; what they let somebody read is decided by downloads.ts and lists.ts. */
import { type Refusal, refuse } from "#contract/errors";
import { bytesLeft, downloadsIn, periodEndMs } from "#rules/allowance";
import { type Order, type OrderRow, orderOf } from "./orders.ts";
import type { Tx } from "./tx.ts";

/** The content that counts as the object. */
export interface StoredContent {
  readonly plan: number;
  readonly s3Key: string;
  readonly lengthBytes: number;
  readonly sha256: string;
  /** The one in force: of the upload, or of the last rotation. */
  readonly wrappedDek: string | undefined;
  /** Of a content that went up in parts: their length, and what S3 verified. */
  readonly partBytes: number | undefined;
  readonly composite: string | undefined;
}

/** A paid order; `content` once something is stored. */
export interface Leased {
  readonly order: Order;
  readonly content: StoredContent | undefined;
  /** Of the payment that bought it; undefined where credit did. */
  readonly txHash: string | undefined;
  readonly allowance: Allowance;
}

/** What may still be read of it. */
export interface Allowance {
  readonly downloadsLeft: number;
  readonly bytesLeft: number;
  /** When the next paid period begins. */
  readonly untilMs: number;
}

export type LeaseRow = OrderRow & {
  plan: number | null;
  s3_key: string | null;
  length_bytes: number | null;
  sha256: string | null;
  wrapped_dek: string | null;
  part_bytes: number | null;
  composite: string | null;
  tx_hash: string | null;
};

/** To be continued with WHERE. */
export const SELECT_LEASES = `SELECT orders.*, plans.plan, plans.s3_key, plans.length_bytes, plans.sha256,
  coalesce(plans.rewrapped_dek, plans.wrapped_dek) AS wrapped_dek, plans.part_bytes, plans.composite, payments.tx_hash FROM orders LEFT JOIN plans ON plans.order_id = orders.order_id AND plans.plan = orders.stored_plan
  LEFT JOIN payments ON payments.claim_key = orders.claim_key`;

export function leasedOf(tx: Tx, row: LeaseRow): Leased {
  const order = orderOf(row);
  const content = contentOf(row, order);
  const allowance = allowanceOf(order, content?.lengthBytes ?? order.sizeMax, tx.nowMs);
  return { order, content, txHash: row.tx_hash ?? undefined, allowance };
}

function allowanceOf(order: Order, sizeBytes: number, nowMs: number): Allowance {
  const reads = { ...order, paidThroughMs: order.paidThroughMs ?? 0 };
  const left = bytesLeft(reads, nowMs);
  return {
    bytesLeft: left,
    downloadsLeft: downloadsIn(left, sizeBytes),
    untilMs: periodEndMs(reads.paidThroughMs, nowMs),
  };
}

function contentOf(row: LeaseRow, order: Order): StoredContent | undefined {
  if (order.state !== "stored") return undefined;
  const { plan, s3_key: s3Key, length_bytes: lengthBytes, sha256 } = row;
  if (plan === null || s3Key === null || lengthBytes === null || sha256 === null)
    throw new Error(`invariant: order ${order.orderId} is stored and its content is not known`);
  const parts = { partBytes: row.part_bytes ?? undefined, composite: row.composite ?? undefined };
  return { plan, s3Key, lengthBytes, sha256, wrappedDek: row.wrapped_dek ?? undefined, ...parts };
}

export function statObject(tx: Tx, agentId: string, objectKey: string): ({ ok: true } & Leased) | Refusal {
  const row = tx.first<LeaseRow>(
    `${SELECT_LEASES} WHERE orders.agent_id = ? AND orders.object_key = ? AND orders.state IN ('paid', 'stored')`,
    agentId,
    objectKey,
  );
  if (!row) return refuse("object_not_found", `no object is named ${JSON.stringify(objectKey)} for agent ${agentId}`);
  return { ok: true, ...leasedOf(tx, row) };
}
