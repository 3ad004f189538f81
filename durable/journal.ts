/**
 * The wallet's journal: append-only, numbered, hash-chained, so that a row removed or altered later shows. Its head can be
 * anchored elsewhere without touching what is here.
 */
import { sha256Hex } from "#contract/bytes";

export interface JournalRow {
  readonly seq: number;
  readonly at_ms: number;
  readonly kind: string;
  readonly data: string;
  readonly prev: string;
  readonly hash: string;
}

const GENESIS = "0".repeat(64);

export function append(sql: SqlStorage, atMs: number, kind: string, data: object): void {
  const head = sql
    .exec<{ seq: number; hash: string }>("SELECT seq, hash FROM journal ORDER BY seq DESC LIMIT 1")
    .toArray()[0];
  const row = { seq: (head?.seq ?? 0) + 1, at_ms: atMs, kind, data: JSON.stringify(data), prev: head?.hash ?? GENESIS };
  sql.exec(
    "INSERT INTO journal (seq, at_ms, kind, data, prev, hash) VALUES (?, ?, ?, ?, ?, ?)",
    row.seq,
    row.at_ms,
    row.kind,
    row.data,
    row.prev,
    hashOf(row),
  );
}

/** The number of the first row that breaks the chain; undefined when it holds. */
export function firstBreak(rows: readonly JournalRow[]): number | undefined {
  let prev = GENESIS;
  let seq = 0;
  for (const row of rows) {
    seq += 1;
    if (row.seq !== seq || row.prev !== prev || row.hash !== hashOf(row)) return seq;
    prev = row.hash;
  }
  return undefined;
}

function hashOf(row: Omit<JournalRow, "hash">): string {
  return sha256Hex(JSON.stringify([row.seq, row.at_ms, row.kind, row.data, row.prev]));
}
