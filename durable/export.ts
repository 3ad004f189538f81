/**
 * The ledger as a book: payments that moved money, on chain or out of credit, with what of each became credit. Reads only.
 * What never landed is not in it; what a reorg took for good is not either (finality.ts makes it `void`).
 */
import { findPayment, type PaymentRecord } from "./ledger.ts";
import { creditOf, type Tx } from "./tx.ts";

export interface BookAsk {
  /** Of time in ms, the end not included. */
  readonly fromMs: number;
  readonly untilMs: number;
  /** The row before the first one wanted. */
  readonly after: { readonly ms: number; readonly id: string } | undefined;
  readonly atMost: number;
}

export interface BookRow {
  readonly payment: PaymentRecord;
  readonly atMs: number;
  readonly source: "chain" | "credit";
  readonly credited: string;
}

export interface Book {
  readonly ok: true;
  readonly rows: readonly BookRow[];
  readonly more: boolean;
  readonly payments: number;
  readonly received: string;
  readonly credited: string;
  readonly spent: string;
  readonly credit: string;
  readonly head: { readonly seq: number; readonly hash: string };
}

type Entry = { claim_key: string; payment_id: string; state: string; amount: string; at_ms: number };

export function book(tx: Tx, { fromMs, untilMs, after, atMost }: BookAsk): Book {
  const entries = tx.all<Entry>(
    `SELECT claim_key, payment_id, state, amount, coalesce(block_ms, claimed_ms) AS at_ms FROM payments
       WHERE state IN ('settled', 'reopened', 'credited') AND coalesce(block_ms, claimed_ms) >= ?
         AND coalesce(block_ms, claimed_ms) < ? ORDER BY at_ms, payment_id`,
    fromMs,
    untilMs,
  );
  const shares = creditedShares(tx);
  const creditedOf = (entry: Entry) =>
    entry.state === "credited" ? BigInt(entry.amount) : (shares.get(entry.claim_key) ?? 0n);
  const isSpent = ({ claim_key }: Entry) => claim_key.startsWith("credit|");
  const sum = (amounts: readonly bigint[]) => amounts.reduce((total, amount) => total + amount, 0n).toString();
  const amountsOf = (some: readonly Entry[]) => some.map(({ amount }) => BigInt(amount));
  const begin = after
    ? entries.findIndex(({ at_ms, payment_id }) => at_ms > after.ms || (at_ms === after.ms && payment_id > after.id))
    : 0;
  const rest = begin < 0 ? [] : entries.slice(begin);
  return {
    ok: true,
    rows: rest.slice(0, atMost).flatMap((entry) => {
      const payment = findPayment(tx, entry.claim_key);
      const source = isSpent(entry) ? ("credit" as const) : ("chain" as const);
      return payment ? [{ payment, atMs: entry.at_ms, source, credited: creditedOf(entry).toString() }] : [];
    }),
    more: rest.length > atMost,
    payments: entries.length,
    received: sum(amountsOf(entries.filter((entry) => !isSpent(entry)))),
    spent: sum(amountsOf(entries.filter(isSpent))),
    credited: sum(entries.map(creditedOf)),
    credit: creditOf(tx).toString(),
    head: tx.first<{ seq: number; hash: string }>("SELECT seq, hash FROM journal ORDER BY seq DESC LIMIT 1") ?? {
      seq: 0,
      hash: "",
    },
  };
}

/** What became credit of payments that bought something all the same, by claim: shares of statements. */
function creditedShares(tx: Tx): Map<string, bigint> {
  const shares = new Map<string, bigint>();
  for (const { claim_key, amount } of tx.all<{ claim_key: string; amount: string }>(
    "SELECT claim_key, amount FROM renewals WHERE state = 'credited'",
  ))
    shares.set(claim_key, (shares.get(claim_key) ?? 0n) + BigInt(amount));
  return shares;
}
