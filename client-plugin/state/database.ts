/**
 * What must survive the process, in one SQLite file of the owner's: operations, payments, approvals, quotes, what is stored.
 * Several processes open it at once (the gateway loads the plugin twice, a command line runs beside it), so whatever decides
 * about money is one IMMEDIATE transaction: read, judge and write without anybody in between.
 */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Fault } from "../faults.ts";
import { pause } from "../pause.ts";
import { ensurePrivateDirectory, KeyError, readPrivate, writePrivateNew } from "../private-file.ts";

export interface Database {
  readonly sql: DatabaseSync;
  readonly path: string;
  /** Sentences about permissions that were repaired. */
  readonly warnings: readonly string[];
  /** Synchronous work only: an await would let go of nothing and hold up everybody. */
  transaction<T>(work: () => T): T;
  close(): void;
}

/** Append only: a new entry for a change, never an edit of one. */
const MIGRATIONS = [
  `CREATE TABLE operations (
     id TEXT PRIMARY KEY, kind TEXT NOT NULL, wallet TEXT NOT NULL, agent_id TEXT NOT NULL, object_key TEXT NOT NULL,
     state TEXT NOT NULL, step TEXT NOT NULL, facts TEXT NOT NULL, result TEXT, fault TEXT, idempotency_key TEXT,
     cancel_requested INTEGER NOT NULL DEFAULT 0, owner TEXT, lease_until_ms INTEGER NOT NULL DEFAULT 0,
     done_bytes INTEGER NOT NULL DEFAULT 0, total_bytes INTEGER NOT NULL DEFAULT 0,
     created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL) STRICT;
   CREATE UNIQUE INDEX operations_open ON operations (kind, wallet, agent_id, object_key) WHERE state = 'open';
   CREATE UNIQUE INDEX operations_key ON operations (idempotency_key) WHERE idempotency_key IS NOT NULL;
   CREATE TABLE payments (
     nonce TEXT PRIMARY KEY, purchase TEXT NOT NULL, wallet TEXT NOT NULL, payee TEXT NOT NULL, network TEXT NOT NULL,
     amount TEXT NOT NULL, valid_after_s INTEGER NOT NULL, valid_before_s INTEGER NOT NULL, state TEXT NOT NULL,
     authorised_by TEXT NOT NULL, trans_id TEXT, counted_ms INTEGER NOT NULL, created_ms INTEGER NOT NULL) STRICT;
   CREATE UNIQUE INDEX payments_live ON payments (purchase) WHERE state = 'signed';
   CREATE INDEX payments_counted ON payments (wallet, counted_ms);
   CREATE TABLE approvals (
     purchase TEXT PRIMARY KEY, amount TEXT NOT NULL, payee TEXT NOT NULL, approved_by TEXT NOT NULL,
     expires_ms INTEGER NOT NULL) STRICT;
   CREATE TABLE quotes (
     quote_id TEXT PRIMARY KEY, wallet TEXT NOT NULL, agent_id TEXT NOT NULL, object_key TEXT NOT NULL, path TEXT,
     amount TEXT NOT NULL, size_bytes_max INTEGER NOT NULL, region TEXT NOT NULL, expires_ms INTEGER NOT NULL) STRICT;
   CREATE TABLE objects (
     wallet TEXT NOT NULL, agent_id TEXT NOT NULL, object_key TEXT NOT NULL, object_id TEXT NOT NULL, order_id TEXT NOT NULL,
     region TEXT NOT NULL, sealed_bytes INTEGER NOT NULL, sha256 TEXT NOT NULL, plain_sha256 TEXT NOT NULL,
     source TEXT NOT NULL, paid_through TEXT NOT NULL, stored_ms INTEGER NOT NULL,
     PRIMARY KEY (wallet, agent_id, object_key)) STRICT;
   CREATE TABLE pins (name TEXT PRIMARY KEY, value TEXT NOT NULL, pinned_ms INTEGER NOT NULL) STRICT;`,
  // Which content of a name it is; and names that were deleted, so that a later content under one counts on.
  `ALTER TABLE objects ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
   ALTER TABLE objects ADD COLUMN deleted_ms INTEGER;`,
] as const;

const BUSY_MS = 15_000;
const SQLITE_BUSY = 5;

/** @throws KeyError `not_a_file`, `foreign_owner`; Fault `state_newer` */
export async function openDatabase(home: string): Promise<Database> {
  const path = join(home, "journal.db");
  const warnings = [...(await ensurePrivateDirectory(home)), ...(await ensurePrivateFile(path))];
  const sql = new DatabaseSync(path, { timeout: BUSY_MS });
  try {
    await beginLog(sql);
    // FULL: what was written before a payment is sent must outlive a power cut, not only a crash.
    sql.exec("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;");
  } catch (error) {
    sql.close();
    throw damaged(path, error) ?? error;
  }
  const transaction = <T>(work: () => T): T => {
    sql.exec("BEGIN IMMEDIATE");
    try {
      const result = work();
      sql.exec("COMMIT");
      return result;
    } catch (error) {
      try {
        sql.exec("ROLLBACK");
      } catch {
        // On a full disk SQLite has rolled back by itself; that must not hide why.
      }
      throw error;
    }
  };
  migrate(sql, transaction, path);
  return { sql, path, warnings, transaction, close: () => sql.close() };
}

/** Two processes that open a new journal at once: SQLite lets one change its mode, and does not make the other wait for that. */
async function beginLog(sql: DatabaseSync): Promise<void> {
  for (const untilMs = Date.now() + BUSY_MS; ; ) {
    try {
      sql.exec("PRAGMA journal_mode = WAL");
      return;
    } catch (error) {
      if (sqliteCode(error) !== SQLITE_BUSY || Date.now() > untilMs) throw error;
      await pause(20);
    }
  }
}

const sqliteCode = (error: unknown) =>
  error instanceof Error && "errcode" in error ? Number(error.errcode) & 0xff : undefined;

/** SQLITE_CORRUPT and SQLITE_NOTADB. What it held about payments is worth more than a quick new beginning: nothing is replaced. */
function damaged(path: string, error: unknown): Fault | undefined {
  const code = sqliteCode(error);
  if (code !== 11 && code !== 26) return undefined;
  return new Fault(
    "state_damaged",
    `${path} is no journal, or a damaged one. It was left as it is; nothing was paid.`,
    {
      next: `Restore it from a copy. Without one move it away: what is stored stays stored and is listed, but what was signed in the last minutes may be signed again.`,
      cause: error,
    },
  );
}

/** An empty file is an empty database; SQLite gives its side files the same mode. */
async function ensurePrivateFile(path: string): Promise<readonly string[]> {
  const found = await readPrivate(path, 0);
  if (found !== undefined) return found.warnings;
  await writePrivateNew(path, "").catch((error: unknown) => {
    if (!(error instanceof KeyError && error.code === "exists")) throw error;
  });
  return [];
}

function migrate(sql: DatabaseSync, transaction: Database["transaction"], path: string): void {
  const versionNow = () => Number(sql.prepare("PRAGMA user_version").get()?.["user_version"] ?? 0);
  if (versionNow() === MIGRATIONS.length) return;
  transaction(() => {
    const version = versionNow();
    if (version > MIGRATIONS.length)
      throw new Fault("state_newer", `${path} was written by a newer mnemospark.`, { next: "Update this one." });
    for (const migration of MIGRATIONS.slice(version)) sql.exec(migration);
    sql.exec(`PRAGMA user_version = ${MIGRATIONS.length}`);
  });
}
