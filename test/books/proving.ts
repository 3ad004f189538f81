/** Two lists of transfers, the service's and the chain's, held against each other: every one has its partner, and the sums agree. */
import type { LedgerReply, LedgerRow } from "#contract/ledger";

export interface Moved {
  readonly from: string;
  readonly txHash: string;
  readonly amount: bigint;
}

export interface Verdict {
  readonly payments: number;
  readonly booked: bigint;
  readonly onChain: bigint;
  /** What is wrong, one sentence each; nothing when the books are proven. */
  readonly faults: readonly string[];
}

/** A wallet's ledger as its pages brought it, all with the totals of the whole. */
export interface Ledger {
  readonly wallet: string;
  readonly pages: readonly LedgerReply[];
  /** Everything, not one month. */
  readonly whole: boolean;
}

export function prove(ledgers: readonly Ledger[], onChain: readonly Moved[]): Verdict {
  const rows = ledgers.flatMap(({ pages }) => pages.flatMap((page) => page.rows));
  const received = rows.filter(({ source }) => source === "chain");
  const booked = received.map(movedOf);
  const unbooked = without(onChain, booked);
  const unproven = without(booked, onChain);
  const sums = { booked: sumOf(booked), onChain: sumOf(onChain) };
  return {
    payments: received.length,
    ...sums,
    faults: [
      ...unproven.map((each) => `booked, but not on chain: ${told(each)}`),
      ...unbooked.map((each) => `on chain, but not booked: ${told(each)}`),
      ...(sums.booked === sums.onChain ? [] : [`the sums differ: booked ${sums.booked}, on chain ${sums.onChain}`]),
      ...ledgers.flatMap(unbalanced),
    ],
  };
}

/** A ledger that does not add up in itself. */
function unbalanced({ wallet, pages, whole }: Ledger): string[] {
  const rows = pages.flatMap((page) => page.rows);
  const [last] = pages.slice(-1);
  if (!last) return [`${wallet}: no ledger came`];
  const { totals, credit } = last;
  const of = (source: LedgerRow["source"]) => rows.filter((row) => row.source === source);
  const sums = {
    received: add(of("chain").map(({ amount }) => amount)),
    spent_from_credit: add(of("credit").map(({ amount }) => amount)),
    credited: add(rows.map(({ credited }) => credited)),
  };
  const wrong = (Object.keys(sums) as (keyof typeof sums)[]).filter((name) => sums[name] !== BigInt(totals[name]));
  const left = sums.credited - sums.spent_from_credit;
  return [
    ...(rows.length === totals.payments ? [] : [`${wallet}: ${rows.length} rows came of ${totals.payments}`]),
    ...wrong.map((name) => `${wallet}: ${name} is ${totals[name]}, its rows say ${sums[name]}`),
    ...(whole && left !== BigInt(credit) ? [`${wallet}: its credit is ${credit}, its rows leave ${left}`] : []),
  ];
}

/** What of `some` has no partner among `others`; two equal ones need two. */
function without(some: readonly Moved[], others: readonly Moved[]): Moved[] {
  const left = new Map<string, number>();
  for (const each of others) left.set(told(each), (left.get(told(each)) ?? 0) + 1);
  return some.filter((each) => {
    const count = left.get(told(each)) ?? 0;
    left.set(told(each), count - 1);
    return count <= 0;
  });
}

const movedOf = ({ payer, tx_hash, amount }: LedgerRow): Moved => ({
  from: payer.toLowerCase(),
  txHash: tx_hash,
  amount: BigInt(amount),
});
const told = ({ from, txHash, amount }: Moved) => `${amount} micro-USDC from ${from.toLowerCase()} in ${txHash}`;
const add = (amounts: readonly string[]) => amounts.reduce((total, amount) => total + BigInt(amount), 0n);
const sumOf = (some: readonly Moved[]) => some.reduce((total, { amount }) => total + amount, 0n);
