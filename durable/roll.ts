/**
 * What the registry (registry.ts) knows of this wallet: when it is due next. Told only when it becomes earlier than what was told, since
 * a registry that believes in an earlier time merely wakes the wallet and is told better then.
 */

import { EMPTIED_DUE } from "./emptied.ts";
import { FORECAST_DUE } from "./forecasts.ts";
import { OVERDUE_DUE } from "./lapses.ts";
import { MANDATE_DUE } from "./mandates.ts";
import { LOOK_DUE } from "./unconfirmed.ts";
import { UNSERVED_DUE } from "./unserved.ts";
import { WARNING_DUE } from "./warnings.ts";

/** Numbered, because a told time and an answered one may overtake each other; the higher number counts. */
export interface Due {
  readonly seq: number;
  readonly dueMs: number | null;
}

interface Roll extends Due {
  readonly heard: boolean;
}

/** Where an index is a partial one, its condition is said, or it is not used. */
const DUES: readonly string[] = [
  "SELECT min(review_ms) AS due FROM payments WHERE review_ms IS NOT NULL",
  "SELECT min(next_ms) AS due FROM erasures",
  UNSERVED_DUE,
  LOOK_DUE,
  EMPTIED_DUE,
  OVERDUE_DUE,
  FORECAST_DUE,
  MANDATE_DUE,
  WARNING_DUE,
];

/** All in one: they are asked in every transaction. As columns, since the platform's SQLite takes no more than five in one compound. */
const ALL_DUES = `SELECT ${DUES.map((query, index) => `(${query}) AS due${index}`).join(", ")}`;

/** The earliest deadline in the rows. */
export function dueIn(sql: SqlStorage): number | null {
  const dues = Object.values(sql.exec<Record<string, number | null>>(ALL_DUES).one()).filter((due) => due !== null);
  return dues.length === 0 ? null : Math.min(...dues);
}

/** What the registry has to be told, written down before it is; undefined when it knows enough. */
export function toTell(sql: SqlStorage, dueMs: number | null): Due | undefined {
  const roll = read(sql);
  const earlier = dueMs !== null && (roll.dueMs === null || dueMs < roll.dueMs);
  if (!earlier) return undefined;
  return write(sql, { seq: roll.seq + 1, dueMs, heard: false });
}

/** Told and not known to be heard. */
export function unheard(sql: SqlStorage): Due | undefined {
  const roll = read(sql);
  return roll.heard ? undefined : roll;
}

export function heard(sql: SqlStorage, seq: number): void {
  const roll = read(sql);
  if (roll.seq === seq) write(sql, { ...roll, heard: true });
}

/** What a registry that woke the wallet is answered. Should the answer get lost, it believes in an earlier time, which is safe. */
export function answerDue(sql: SqlStorage, dueMs: number | null): Due {
  const roll = read(sql);
  const { seq } = write(sql, { seq: roll.seq + 1, dueMs, heard: true });
  return { seq, dueMs };
}

function read(sql: SqlStorage): Roll {
  const row = sql.exec<{ value: string }>("SELECT value FROM meta WHERE key = 'roll'").toArray()[0];
  return row ? (JSON.parse(row.value) as Roll) : { seq: 0, dueMs: null, heard: true };
}

function write(sql: SqlStorage, roll: Roll): Roll {
  sql.exec(
    "INSERT INTO meta (key, value) VALUES ('roll', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    JSON.stringify(roll),
  );
  return roll;
}
