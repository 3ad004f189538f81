/**
 * Buckets that nothing is left in. A day after the last order of a region has ended, when no erasure is outstanding, the alarm removes
 * the region's bucket; the next payment makes it again. The intent is written first:
 *
 *   ready --the alarm--> leaving --S3 says it is gone--> gone --a plan is wanted--> intended (plans.ts)
 *                           | S3 still has bytes in it: ready, and tried again a day later
 *                           | S3 did not say: stays, tried again
 *
 * While it is leaving no URL into it is given: a DeleteBucket that is still on its way must not meet a bucket somebody counts on.
 */
import { EMPTIED_BUCKET_KEEP_S } from "#contract/limits";
import { noteStrays } from "./lists.ts";
import type { Removed } from "./ports.ts";
import { DAY_MS } from "./rules/calendar.ts";
import { limit, type Tx } from "./tx.ts";

/** A row of `buckets`. */
export type Emptied = {
  readonly store: string;
  readonly region: string;
  readonly sequence: number;
  readonly name: string;
};

const KEEP_MS = EMPTIED_BUCKET_KEEP_S * 1000;
const LIVE =
  "SELECT 1 FROM orders WHERE orders.region = buckets.region AND orders.state IN ('paying', 'paid', 'stored')";
/** Nobody's any more. A bucket of before this was counted has no `emptied_ms`, and nobody is waiting for it. */
const EMPTY = `buckets.state = 'ready' AND NOT EXISTS (${LIVE})
  AND NOT EXISTS (SELECT 1 FROM erasures WHERE erasures.bucket = buckets.name)`;
const DUE_MS = `CASE state WHEN 'leaving' THEN leave_ms ELSE max(coalesce(emptied_ms, 0) + ${KEEP_MS}, coalesce(leave_ms, 0)) END`;

/** Each with its time, as SQL. */
export const EMPTIED_DUE_ROWS = `SELECT name, ${DUE_MS} AS due_ms FROM buckets WHERE buckets.state = 'leaving' OR (${EMPTY})`;
/** When the first of them is due, as SQL for the alarm. */
export const EMPTIED_DUE = `SELECT min(due_ms) AS due FROM (${EMPTIED_DUE_ROWS})`;

/** How long the alarm waits after an answer that did not come; shorter where a payment waits for the bucket. */
const AGAIN_MS = 300_000;
const AGAIN_WANTED_MS = 15_000;

/** Buckets to remove now; the intent is written, and with it when to try again should we die before the answer. */
export function dueEmptied(tx: Tx, atMost: number): Emptied[] {
  const rows = tx.all<Emptied>(
    `SELECT store, region, sequence, name FROM buckets WHERE (state = 'leaving' OR (${EMPTY})) AND ${DUE_MS} <= ? ${limit(atMost)}`,
    tx.nowMs,
  );
  for (const { region, sequence, name } of rows) {
    tx.run(
      "UPDATE buckets SET state = 'leaving', leave_ms = ? WHERE region = ? AND sequence = ?",
      tx.nowMs + AGAIN_MS,
      region,
      sequence,
    );
    tx.record("bucket.leaving", { region, name });
  }
  return rows;
}

export function finishEmptied(tx: Tx, { region, sequence, name }: Emptied, removed: Removed): void {
  const write = (state: string, leaveMs: number | null) =>
    tx.run(
      "UPDATE buckets SET state = ?, leave_ms = ? WHERE region = ? AND sequence = ? AND state = 'leaving'",
      state,
      leaveMs,
      region,
      sequence,
    );
  if (removed.end === "gone") {
    write("gone", null);
    tx.record("bucket.gone", { region, name });
  } else if (removed.end === "occupied") {
    write("ready", tx.nowMs + DAY_MS);
    // What was given up and came back is erased once more; what was never ours stays, and with it the bucket.
    const foreign = noteStrays(tx, removed.keys);
    tx.record("bucket.occupied", { region, name, objects: removed.keys.length, foreign });
  } else {
    const wanted = tx.first(`SELECT 1 AS yes FROM buckets WHERE name = ? AND EXISTS (${LIVE})`, name);
    write("leaving", tx.nowMs + (wanted ? AGAIN_WANTED_MS : AGAIN_MS));
  }
}
