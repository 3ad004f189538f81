/** The listed objects: as they come from the edge, found again, sorted, added up. Pure. */

import { parseMicroUsdc } from "#contract/money";
import type { ListedObject } from "#contract/objects";

export interface Row {
  readonly key: string;
  readonly agent: string;
  readonly sizeBytes: number;
  readonly storedMs: number;
  readonly paidThroughMs: number;
  readonly deleteAfterMs: number;
  /** Undefined when it can be opened; else what it waits for. */
  readonly awaiting: "upload" | "confirm" | "operator" | undefined;
  readonly downloadsLeft: number;
  /** Micro-USDC: the next 30 days by today's prices, or what these cost where there is no price now. */
  readonly amount: bigint;
  readonly region: string;
  readonly sha256: string;
  readonly orderId: string;
  readonly wrappedDek: string | undefined;
}

export function rowOf(object: ListedObject): Row {
  return {
    key: object.key,
    agent: object.agent_id,
    sizeBytes: object.size_bytes,
    storedMs: Date.parse(object.last_modified),
    paidThroughMs: Date.parse(object.paid_through),
    deleteAfterMs: Date.parse(object.delete_after),
    awaiting: object.awaiting,
    downloadsLeft: object.downloads_left,
    amount: parseMicroUsdc(object.next_amount ?? object.amount) ?? 0n,
    region: object.region,
    sha256: object.content_sha256,
    orderId: object.order_id,
    wrappedDek: object.wrapped_dek,
  };
}

export const SORTS = {
  due: "Due first",
  newest: "Newest first",
  name: "Name",
  largest: "Largest first",
  dearest: "Dearest first",
} as const;
export type Sort = keyof typeof SORTS;

const ORDER: Record<Sort, (a: Row, b: Row) => number> = {
  due: (a, b) => a.paidThroughMs - b.paidThroughMs,
  newest: (a, b) => b.storedMs - a.storedMs,
  name: (a, b) => a.key.localeCompare(b.key),
  largest: (a, b) => b.sizeBytes - a.sizeBytes,
  dearest: (a, b) => Number(b.amount - a.amount),
};

/** Those whose name or agent holds every word, in order; equal ones by name. */
export function choose(rows: readonly Row[], words: string, sort: Sort): Row[] {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  const kept = rows.filter(({ key, agent }) => {
    const text = `${key} ${agent}`.toLowerCase();
    return wanted.every((word) => text.includes(word));
  });
  return kept.sort((a, b) => ORDER[sort](a, b) || a.key.localeCompare(b.key));
}

export function totalsOf(rows: readonly Row[]) {
  let bytes = 0;
  let amount = 0n;
  let nextDueMs = Number.POSITIVE_INFINITY;
  for (const row of rows) {
    bytes += row.sizeBytes;
    amount += row.amount;
    nextDueMs = Math.min(nextDueMs, row.paidThroughMs);
  }
  return { bytes, amount, nextDueMs };
}
