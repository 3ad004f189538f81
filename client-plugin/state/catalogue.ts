/** What this machine knows of what is stored: the record that a download is compared with, and what was quoted and pinned. */
import type { Wallet } from "#contract/wallet";
import type { Database } from "./database.ts";

export interface CatalogueEntry {
  readonly agentId: string;
  readonly objectKey: string;
  readonly orderId: string;
  readonly region: string;
  readonly sealedBytes: number;
  /** Counts the contents under this name, from 1; authenticated in the sealed object. */
  readonly version: number;
  /** SHA-256 of the sealed bytes: another content under this name is noticed. */
  readonly sha256: string;
  readonly plainSha256: string;
  /** Path it was packed from. */
  readonly source: string;
  readonly paidThrough: string;
  readonly storedMs: number;
}

/** What is known of a name, its end included. */
export interface KnownContent {
  readonly agentId: string;
  readonly objectKey: string;
  readonly version: number;
  readonly sha256: string;
  readonly sealedBytes: number;
  readonly deleted: boolean;
  /** When it was stored, learnt or deleted here; milliseconds since 1970. */
  readonly atMs: number;
}

export interface HeldQuote {
  readonly quoteId: string;
  readonly agentId: string;
  readonly objectKey: string;
  readonly path: string | undefined;
  /** Micro-USDC. */
  readonly amount: string;
  readonly sizeBytesMax: number;
  readonly region: string;
  readonly expiresMs: number;
}

export interface Catalogue {
  put(entry: CatalogueEntry): void;
  find(agentId: string, objectKey: string): CatalogueEntry | undefined;
  list(): CatalogueEntry[];
  /** Also of a name that was deleted. */
  known(agentId: string, objectKey: string): KnownContent | undefined;
  allKnown(): KnownContent[];
  /** What another machine of the owner's stored or deleted, as it was found; ignored where what is known here is later. */
  learn(content: KnownContent): void;
  /** The name is free; its version is remembered. */
  remove(agentId: string, objectKey: string): void;
  keepQuote(quote: HeldQuote): void;
  quote(quoteId: string): HeldQuote | undefined;
}

export function openCatalogue(db: Database, wallet: Wallet): Catalogue {
  const known = (agentId: string, objectKey: string) => {
    const row = db.sql
      .prepare("SELECT * FROM objects WHERE wallet = ? AND agent_id = ? AND object_key = ?")
      .get(wallet, agentId, objectKey);
    return row === undefined ? undefined : knownOf(row);
  };
  return {
    put(entry) {
      db.sql
        .prepare(
          `INSERT OR REPLACE INTO objects (wallet, agent_id, object_key, object_id, order_id, region, sealed_bytes, sha256, plain_sha256,
             source, paid_through, stored_ms, version) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        )
        .run(
          wallet,
          entry.agentId,
          entry.objectKey,
          entry.objectKey,
          entry.orderId,
          entry.region,
          entry.sealedBytes,
          entry.sha256,
          entry.plainSha256,
          entry.source,
          entry.paidThrough,
          entry.storedMs,
          entry.version,
        );
    },
    find(agentId, objectKey) {
      const row = db.sql
        .prepare("SELECT * FROM objects WHERE wallet = ? AND agent_id = ? AND object_key = ? AND deleted_ms IS NULL")
        .get(wallet, agentId, objectKey);
      return row === undefined ? undefined : entryOf(row);
    },
    known,
    allKnown: () =>
      db.sql.prepare("SELECT * FROM objects WHERE wallet = ? ORDER BY agent_id, object_key").all(wallet).map(knownOf),
    learn(content) {
      const { agentId, objectKey, version, sha256, sealedBytes, deleted, atMs } = content;
      const here = known(agentId, objectKey);
      if (here !== undefined && !isLater(content, here)) return;
      db.sql
        .prepare(
          `INSERT INTO objects (wallet, agent_id, object_key, object_id, order_id, region, sealed_bytes, sha256, plain_sha256, source,
             paid_through, stored_ms, version, deleted_ms) VALUES (?, ?, ?, ?, '', '', ?, ?, '', '', '', ?, ?, ?)
           ON CONFLICT DO UPDATE SET sealed_bytes = excluded.sealed_bytes, sha256 = excluded.sha256, stored_ms = excluded.stored_ms,
             plain_sha256 = iif(sha256 = excluded.sha256, plain_sha256, ''), version = excluded.version, deleted_ms = excluded.deleted_ms`,
        )
        .run(wallet, agentId, objectKey, objectKey, sealedBytes, sha256, atMs, version, deleted ? atMs : null);
    },
    list: () =>
      db.sql
        .prepare("SELECT * FROM objects WHERE wallet = ? AND deleted_ms IS NULL ORDER BY stored_ms DESC")
        .all(wallet)
        .map(entryOf),
    remove(agentId, objectKey) {
      db.sql
        .prepare("UPDATE objects SET deleted_ms = ? WHERE wallet = ? AND agent_id = ? AND object_key = ?")
        .run(Date.now(), wallet, agentId, objectKey);
    },
    keepQuote(quote) {
      db.sql
        .prepare(
          `INSERT OR REPLACE INTO quotes (quote_id, wallet, agent_id, object_key, path, amount, size_bytes_max, region, expires_ms)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        )
        .run(
          quote.quoteId,
          wallet,
          quote.agentId,
          quote.objectKey,
          quote.path ?? null,
          quote.amount,
          quote.sizeBytesMax,
          quote.region,
          quote.expiresMs,
        );
    },
    quote(quoteId) {
      const row = db.sql.prepare("SELECT * FROM quotes WHERE quote_id = ? AND wallet = ?").get(quoteId, wallet);
      if (row === undefined) return undefined;
      return {
        quoteId,
        agentId: String(row["agent_id"]),
        objectKey: String(row["object_key"]),
        path: row["path"] === null ? undefined : String(row["path"]),
        amount: String(row["amount"]),
        sizeBytesMax: Number(row["size_bytes_max"]),
        region: String(row["region"]),
        expiresMs: Number(row["expires_ms"]),
      };
    },
  };
}

function entryOf(row: Record<string, unknown>): CatalogueEntry {
  return {
    agentId: String(row["agent_id"]),
    objectKey: String(row["object_key"]),
    orderId: String(row["order_id"]),
    region: String(row["region"]),
    sealedBytes: Number(row["sealed_bytes"]),
    version: Number(row["version"]),
    sha256: String(row["sha256"]),
    plainSha256: String(row["plain_sha256"]),
    source: String(row["source"]),
    paidThrough: String(row["paid_through"]),
    storedMs: Number(row["stored_ms"]),
  };
}

/**
 * Whether `a` counts more than `b`, of the same name: the higher version; of one version the deletion; else what was seen later. A total
 * order, so machines that learn the same entries in any order know the same.
 */
function isLater(a: KnownContent, b: KnownContent): boolean {
  if (a.version !== b.version) return a.version > b.version;
  if (a.deleted !== b.deleted) return a.deleted;
  return a.atMs === b.atMs ? a.sha256 > b.sha256 : a.atMs > b.atMs;
}

function knownOf(row: Record<string, unknown>): KnownContent {
  const deletedMs = row["deleted_ms"];
  return {
    agentId: String(row["agent_id"]),
    objectKey: String(row["object_key"]),
    version: Number(row["version"]),
    sha256: String(row["sha256"]),
    sealedBytes: Number(row["sealed_bytes"]),
    deleted: deletedMs !== null,
    atMs: Number(deletedMs ?? row["stored_ms"]),
  };
}

/** A fact seen once and held to from then on: the payee of a service, the wallet that has paid. */
export interface Pins {
  read(name: string): string | undefined;
  /** Pins the value unless another is pinned. @returns what is pinned now. */
  pin(name: string, value: string): string;
  replace(name: string, value: string): void;
}

export function openPins(db: Database): Pins {
  const read = (name: string) => {
    const row = db.sql.prepare("SELECT value FROM pins WHERE name = ?").get(name);
    return row === undefined ? undefined : String(row["value"]);
  };
  return {
    read,
    pin(name, value) {
      db.sql
        .prepare("INSERT OR IGNORE INTO pins (name, value, pinned_ms) VALUES (?, ?, ?)")
        .run(name, value, Date.now());
      return read(name) ?? value;
    },
    replace(name, value) {
      db.sql
        .prepare("INSERT OR REPLACE INTO pins (name, value, pinned_ms) VALUES (?, ?, ?)")
        .run(name, value, Date.now());
    },
  };
}
