/** One synchronous transaction of one wallet: its rows, its clock reading, its journal. Lives as long as one RPC call. */
import { sha256Hex } from "#contract/bytes";
import { type IdKind, makeId, type Wallet } from "#contract/wallet";
import { append } from "./journal.ts";

type Value = string | number | null;
type Row = Record<string, Value>;

export interface Tx {
  readonly wallet: Wallet;
  readonly nowMs: number;
  all<T extends Row>(query: string, ...values: Value[]): T[];
  first<T extends Row>(query: string, ...values: Value[]): T | undefined;
  run(query: string, ...values: Value[]): void;
  /** Appends to the journal. */
  record(kind: string, data: Readonly<Record<string, Value | boolean>>): void;
  /** A fresh id that carries the wallet. */
  newId(kind: IdKind): string;
}

/** Written out, because a bound limit makes SQLite plan the query anew whenever it runs: 27 times the time of a query that finds nothing. */
export function limit(atMost: number): string {
  return `LIMIT ${Math.trunc(atMost)}`;
}

export function openTx(sql: SqlStorage, wallet: Wallet, nowMs: number): Tx {
  const all = <T extends Row>(query: string, ...values: Value[]) => sql.exec<T>(query, ...values).toArray();
  const tx: Tx = {
    wallet,
    nowMs,
    all,
    first: <T extends Row>(query: string, ...values: Value[]) => all<T>(query, ...values)[0],
    run: (query, ...values) => {
      sql.exec(query, ...values);
    },
    record: (kind, data) => append(sql, nowMs, kind, data),
    newId: (kind) => makeId(kind, wallet, nextSerial(tx)),
  };
  return tx;
}

/** Counter and clock, hashed: unique within the wallet even if its storage were lost, and needs no randomness. */
function nextSerial(tx: Tx): string {
  const counter = Number(readMeta(tx, "serial") ?? "0") + 1;
  writeMeta(tx, "serial", String(counter));
  return sha256Hex(`${tx.wallet}|${counter}|${tx.nowMs}`).slice(0, 24);
}

export function readMeta(tx: Tx, key: string): string | undefined {
  return tx.first<{ value: string }>("SELECT value FROM meta WHERE key = ?", key)?.value;
}

export function writeMeta(tx: Tx, key: string, value: string): void {
  tx.run(
    "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    key,
    value,
  );
}

/** Money that arrived and had no home, micro-USDC. */
export function creditOf(tx: Tx): bigint {
  return BigInt(readMeta(tx, "credit") ?? "0");
}

/** Adds to the wallet's credit, or takes from it; `because` names the claim. */
export function changeCredit(tx: Tx, by: bigint, because: string): void {
  const total = creditOf(tx) + by;
  if (total < 0n) throw new Error("invariant: credit below zero");
  writeMeta(tx, "credit", total.toString());
  tx.record(by < 0n ? "credit.spent" : "credit.added", {
    claim_key: because,
    amount: by.toString(),
    total: total.toString(),
  });
}
