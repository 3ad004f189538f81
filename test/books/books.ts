/**
 * `npm run books`: a wallet's ledger, or a month's of every wallet, as the service tells it; with `--check` held against the chain.
 *
 *   npm run books -- --edge https://… --key-file key [--wallet 0x… | --all] [--month 2026-11] [--csv out.csv] [--check --rpc https://…]
 *
 * The key signs wallet proofs and nothing else. It is the wallet's own, or one of the operator's (OPERATORS), which may ask for any
 * wallet. `--all` needs the chain: who ever paid is what the chain says. Ends with 0 when everything that was checked is proven.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { PrivateKeyAccount } from "viem/accounts";
import { LEDGER_COLUMNS, LedgerReply } from "#contract/ledger";
import { accountFrom, healthOf, runProgram, type Speaker, said } from "../operator/speaking.ts";
import { type Span, transfersTo } from "./chain.ts";
import { type Ledger, prove, type Verdict } from "./proving.ts";

export interface BooksAsk {
  readonly edge: string;
  readonly account: PrivateKeyAccount;
  /** Whose; undefined for every payer the chain knows. */
  readonly wallet: string | undefined;
  readonly month?: string | undefined;
  readonly rpc?: string | undefined;
  readonly blocks?: bigint;
}

export interface Books {
  readonly ledgers: readonly Ledger[];
  /** Undefined without a chain to ask. */
  readonly verdict: Verdict | undefined;
}

export async function books({ edge, account, wallet, month, rpc, blocks = 10_000n }: BooksAsk): Promise<Books> {
  const health = await healthOf(edge);
  const speaks = { edge, account, chainId: health.chain_id };
  const place = { asset: health.asset as `0x${string}`, payTo: health.pay_to as `0x${string}`, blocks };
  const span = month === undefined ? undefined : spanOf(month);
  const payer = wallet === undefined ? undefined : (wallet.toLowerCase() as `0x${string}`);
  const onChain = rpc === undefined ? undefined : await transfersTo({ rpc, ...place, payer, span });
  if (payer === undefined && !onChain) throw new Error("--all needs --rpc: who paid is what the chain says");
  const wallets = payer === undefined ? [...new Set((onChain ?? []).map(({ from }) => from))] : [payer];
  const ledgers: Ledger[] = [];
  for (const each of wallets) ledgers.push({ wallet: each, pages: await pagesOf(speaks, each, month), whole: !month });
  return { ledgers, verdict: onChain && prove(ledgers, onChain) };
}

async function pagesOf(speaks: Speaker, wallet: string, month: string | undefined): Promise<LedgerReply[]> {
  const pages: LedgerReply[] = [];
  for (let after: string | null | undefined; after !== null; ) {
    const query = new URLSearchParams({
      wallet_address: wallet,
      ...(month ? { month } : {}),
      ...(after ? { after } : {}),
    });
    const page: LedgerReply = await said(LedgerReply, speaks, "GET", `/billing/journal?${query}`);
    pages.push(page);
    after = page.next_after;
  }
  return pages;
}

function spanOf(month: string): Span {
  const [year = 0, number = 0] = month.split("-").map(Number);
  return { fromMs: Date.UTC(year, number - 1), untilMs: Date.UTC(year, number) };
}

export function csvOf(ledgers: readonly Ledger[]): string {
  const rows = ledgers.flatMap(({ pages }) => pages.flatMap((page) => page.rows));
  const lines = [LEDGER_COLUMNS, ...rows.map((row) => LEDGER_COLUMNS.map((column) => row[column]))];
  return lines.map((line) => `${line.join(",")}\r\n`).join("");
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      edge: { type: "string" },
      rpc: { type: "string" },
      "key-file": { type: "string" },
      wallet: { type: "string" },
      all: { type: "boolean" },
      month: { type: "string" },
      csv: { type: "string" },
      check: { type: "boolean" },
      blocks: { type: "string", default: "10000" },
    },
  });
  const { edge, rpc, "key-file": keyFile, month, csv, check } = values;
  if (edge === undefined || keyFile === undefined)
    throw new Error("wanted: --edge <url> --key-file <file with a 0x key>");
  if (check && rpc === undefined) throw new Error("--check needs --rpc <url of a Base endpoint>");
  const account = accountFrom(keyFile);
  const wallet = values.all ? undefined : (values.wallet ?? account.address);
  const found = await books({ edge, account, wallet, month, rpc, blocks: BigInt(values.blocks) });
  if (csv !== undefined) writeFileSync(csv, csvOf(found.ledgers));
  for (const { wallet: each, pages } of found.ledgers)
    console.log(JSON.stringify({ wallet: each, ...pages.at(-1)?.totals, credit: pages.at(-1)?.credit }));
  const { verdict } = found;
  if (!verdict) return 0;
  for (const fault of verdict.faults) console.error(fault);
  console.log(
    `${verdict.faults.length === 0 ? "proven" : "NOT proven"}: ${verdict.payments} payments, booked ${verdict.booked}, on chain ${verdict.onChain} micro-USDC`,
  );
  return check && verdict.faults.length > 0 ? 1 : 0;
}

if (import.meta.main) await runProgram(main);
