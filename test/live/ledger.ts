/**
 * What the wallets' objects have written down, read from their files while the edge runs. The door does not say how many quotes a
 * wallet has; a test that says "nothing was written" has to look.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Stack } from "../stack/stack.ts";

const TABLES = ["quotes", "orders", "payments", "plans", "buckets", "idempotency"] as const;
export type Ledger = Record<(typeof TABLES)[number], number>;

/** Rows by table; all zero for a wallet that has no object yet. */
export function ledgerOf({ paths }: Stack, wallet: string): Ledger {
  const counts: Ledger = { quotes: 0, orders: 0, payments: 0, plans: 0, buckets: 0, idempotency: 0 };
  for (const file of walletFiles(paths.edge)) {
    const database = new DatabaseSync(file, { readOnly: true, timeout: 2_000 });
    try {
      // An object is being born in this moment.
      if (database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'idempotency'").get() === undefined) continue;
      if (database.prepare("SELECT 1 FROM meta WHERE key = 'wallet' AND value = ?").get(wallet) === undefined) continue;
      for (const table of TABLES)
        counts[table] = Number(database.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.["n"]);
    } finally {
      database.close();
    }
  }
  return counts;
}

function walletFiles(edge: string): string[] {
  const objects = join(edge, "v3", "do");
  return readdirSync(objects)
    .filter((name) => name.endsWith("-WalletDO"))
    .flatMap((name) => readdirSync(join(objects, name)).map((file) => join(objects, name, file)))
    .filter((file) => file.endsWith(".sqlite") && !file.endsWith("metadata.sqlite"));
}
