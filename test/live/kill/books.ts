/** Two of the three lists: what the chain has moved, and what the service has written down. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { parseAbiItem } from "viem";
import { USDC } from "../../stack/chain/client.ts";
import type { Stack } from "../../stack/stack.ts";

const TRANSFER = parseAbiItem("event Transfer(address indexed from, address indexed to, uint256 value)");
const USED = parseAbiItem("event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce)");

export interface Paid {
  readonly payer: string;
  readonly nonce: string;
  readonly amount: bigint;
  readonly txHash: string;
}

/** Every transfer to us, with the authorization that moved it. */
export async function transfersTo({ chain, payTo }: Stack): Promise<Paid[]> {
  const range = { address: USDC, fromBlock: 0n } as const;
  const [transfers, used] = await Promise.all([
    chain.client.getLogs({ ...range, event: TRANSFER, args: { to: payTo } }),
    chain.client.getLogs({ ...range, event: USED }),
  ]);
  const nonces = new Map(used.map((log) => [`${log.transactionHash} ${log.logIndex}`, log.args.nonce]));
  return transfers.map(({ args, transactionHash, logIndex }) => ({
    payer: (args.from ?? "").toLowerCase(),
    nonce: nonces.get(`${transactionHash} ${logIndex - 1}`) ?? "none",
    amount: args.value ?? 0n,
    txHash: transactionHash,
  }));
}

export interface PaymentRow {
  readonly wallet: string;
  readonly nonce: string;
  readonly paymentId: string;
  readonly orderId: string;
  readonly amount: bigint;
  readonly state: string;
  readonly txHash: string | undefined;
}

export interface OrderRow {
  readonly wallet: string;
  readonly orderId: string;
  /** (wallet, agent, name): what may be paid for once. */
  readonly purchase: string;
  readonly state: string;
  readonly claimKey: string;
}

export interface Written {
  readonly payments: PaymentRow[];
  readonly orders: OrderRow[];
  /** Micro-USDC by wallet. */
  readonly credit: Map<string, bigint>;
  /** Payments the relayer has not brought to an end. */
  readonly underWay: number;
}

type Row = Record<string, unknown>;

export function written({ paths }: Stack): Written {
  const books: Written = { payments: [], orders: [], credit: new Map(), underWay: 0 };
  for (const database of opened(paths.edge, "-WalletDO")) addWallet(books, database);
  let underWay = 0;
  for (const database of opened(paths.edge, "-RelayerDO"))
    underWay += rows(database, "SELECT claim_key FROM jobs WHERE state IN ('queued', 'sent')").length;
  return { ...books, underWay };
}

function addWallet({ payments, orders, credit }: Written, database: DatabaseSync): void {
  const meta = new Map(rows(database, "SELECT key, value FROM meta").map((row) => [text(row, "key"), row["value"]]));
  const wallet = String(meta.get("wallet") ?? "");
  credit.set(wallet, BigInt(String(meta.get("credit") ?? "0")));
  for (const row of rows(database, "SELECT * FROM payments"))
    payments.push({
      wallet,
      // network|asset|from|nonce
      nonce: text(row, "claim_key").split("|")[3] ?? "none",
      paymentId: text(row, "payment_id"),
      orderId: text(row, "order_id"),
      amount: BigInt(text(row, "amount")),
      state: text(row, "state"),
      txHash: row["tx_hash"] === null ? undefined : text(row, "tx_hash"),
    });
  for (const row of rows(database, "SELECT * FROM orders"))
    orders.push({
      wallet,
      orderId: text(row, "order_id"),
      purchase: `${wallet} ${text(row, "agent_id")} ${text(row, "object_key")}`,
      state: text(row, "state"),
      claimKey: text(row, "claim_key"),
    });
}

function* opened(edge: string, className: string): Generator<DatabaseSync> {
  const objects = join(edge, "v3", "do");
  for (const folder of readdirSync(objects).filter((name) => name.endsWith(className)))
    for (const file of readdirSync(join(objects, folder))) {
      if (!file.endsWith(".sqlite") || file.endsWith("metadata.sqlite")) continue;
      const database = new DatabaseSync(join(objects, folder, file), { readOnly: true, timeout: 2_000 });
      try {
        // An object that was ended while it was being born has no tables yet.
        if (rows(database, "SELECT 1 FROM sqlite_master WHERE name = 'meta'").length > 0) yield database;
      } finally {
        database.close();
      }
    }
}

function rows(database: DatabaseSync, query: string): Row[] {
  return database.prepare(query).all();
}

function text(row: Row, column: string): string {
  return String(row[column]);
}
