/** `GET /billing/journal`: the ledger of a wallet for its owner, or, where the operator named such wallets (OPERATORS), for one of these. */
import { refuse } from "#contract/errors";
import { LEDGER_COLUMNS, type LedgerReply, LedgerRequest, type LedgerRow } from "#contract/ledger";
import { LEDGER_ROWS_MAX } from "#contract/limits";
import type { Wallet } from "#contract/wallet";
import type { Book, BookRow } from "../../durable/export.ts";
import { answer, type Call, type Outcome, readArguments } from "./call.ts";
import { identified, READERS } from "./identity.ts";
import { admitted } from "./operator.ts";
import type { Ports } from "./ports.ts";

export async function journal(ports: Ports, call: Call): Promise<Outcome> {
  const asked = readArguments(LedgerRequest, call);
  if (!asked.ok) return asked;
  const { wallet_address: named, month, format, after } = asked.value;
  const mark = markOf(after);
  if (mark === "bad") return refuse("malformed", "after: not one of ours");
  const who = await identified(ports, call, undefined, READERS);
  if (!who.ok) return who;
  const wallet = named ?? who.wallet;
  if (wallet !== who.wallet) {
    // A session is what somebody may have been given to read one wallet; others' books take the operator's own signature.
    const operator = await admitted(ports, who);
    if (!operator.ok) return operator;
  }
  const proof = wallet === who.wallet ? who.proof : undefined;
  const book = await ports.wallet(wallet).book(proof, { ...spanOf(month), after: mark, atMost: LEDGER_ROWS_MAX });
  if (!book.ok) return book;
  const reply = replyOf(ports, wallet, month, book);
  return format === "csv" ? csvOf(reply) : answer(reply);
}

function markOf(text: string | undefined): { ms: number; id: string } | undefined | "bad" {
  if (text === undefined) return undefined;
  const match = /^(\d{1,15})\.(\w{1,200})$/.exec(text);
  return match ? { ms: Number(match[1]), id: match[2] ?? "" } : "bad";
}

function spanOf(month: string | undefined): { fromMs: number; untilMs: number } {
  if (month === undefined) return { fromMs: 0, untilMs: Number.MAX_SAFE_INTEGER };
  const [year = 0, number = 0] = month.split("-").map(Number);
  return { fromMs: Date.UTC(year, number - 1), untilMs: Date.UTC(year, number) };
}

function replyOf(ports: Ports, wallet: Wallet, month: string | undefined, book: Book): LedgerReply {
  const last = book.rows.at(-1);
  return {
    wallet_address: wallet,
    ...(month === undefined ? {} : { month }),
    network: ports.network.caip2,
    asset: ports.network.usdc,
    rows: book.rows.map(rowOf),
    next_after: book.more && last ? `${last.atMs}.${last.payment.paymentId}` : null,
    totals: {
      payments: book.payments,
      received: book.received,
      credited: book.credited,
      spent_from_credit: book.spent,
    },
    credit: book.credit,
    journal: { number: book.head.seq, hash: book.head.hash },
  };
}

function rowOf({ payment, atMs, source, credited }: BookRow): LedgerRow {
  const { state, authorization } = payment;
  if (state !== "settled" && state !== "reopened" && state !== "credited")
    throw new Error(`invariant: ${payment.paymentId} is ${state} and in the book`);
  const isChain = source === "chain";
  return {
    payment_id: payment.paymentId,
    at: new Date(atMs).toISOString(),
    source,
    state,
    purpose: payment.purpose,
    subject_id: payment.orderId,
    amount: payment.amount,
    credited,
    payer: authorization.from,
    pay_to: isChain ? authorization.to : "",
    tx_hash: payment.txHash ?? "",
    block_number: payment.blockNumber ?? "",
    nonce: isChain ? authorization.nonce : "",
  };
}

/** No field has a comma or a quote in it: ids, numbers, hex, times. The next page is named in a header. */
function csvOf(reply: LedgerReply): Outcome {
  const lines = [LEDGER_COLUMNS, ...reply.rows.map((row) => LEDGER_COLUMNS.map((column) => row[column]))];
  const next = reply.next_after === null ? {} : { "x-next-after": reply.next_after };
  const name = `mnemospark-${reply.wallet_address}-${reply.month ?? "all"}.csv`;
  const disposition = { "content-disposition": `attachment; filename="${name}"` };
  const text = lines.map((line) => `${line.join(",")}\r\n`).join("");
  return { ...answer(reply, { "content-type": "text/csv; charset=utf-8", ...disposition, ...next }), text };
}
