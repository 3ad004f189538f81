/**
 * Wallet credit is money that arrived and had no home. Nobody can buy it; it is spent before any 402, with the wallet's own proof only
 * and only where it covers the whole price, and debited in the transaction that grants.
 */
import type { Refusal } from "#contract/errors";
import type { Authorization } from "#contract/x402";
import { insertOrder, move, type Order } from "./orders.ts";
import { alreadyBought, insertPayment, type PaymentRecord, type Purchase, resolvePurchase } from "./payments.ts";
import { linkQuote } from "./quotes.ts";
import { firstPaidThroughMs } from "./rules/calendar.ts";
import { changeCredit, creditOf, type Tx } from "./tx.ts";

export type Spent =
  | { readonly ok: true; readonly bought: { order: Order; payment: PaymentRecord } | undefined }
  | Refusal;

/** Buys with credit if there is enough of it; otherwise says so and changes nothing. */
export function spendCredit(tx: Tx, purchase: Purchase): Spent {
  const asked = resolvePurchase(tx, purchase);
  if (!asked.ok) return asked;
  const { wanted, quote } = asked;
  const price = BigInt(wanted.amount);
  const mayBuy = creditOf(tx) >= price && (quote === undefined || quote.expiresMs > tx.nowMs);
  if (!mayBuy || alreadyBought(tx, wanted, quote)) return { ok: true, bought: undefined };
  const claimKey = `credit|${tx.newId("pay")}`;
  const order = insertOrder(tx, wanted, quote, claimKey);
  if (quote) linkQuote(tx, quote.quoteId, order.orderId);
  const claim = { claimKey, authorization: noTransfer(tx, price), signature: "0x", fingerprint: claimKey } as const;
  const payment = insertPayment(tx, claim, order, { state: "settled", reviewMs: null });
  changeCredit(tx, -price, claimKey);
  const moved = move(tx, order, "settled", { paid_ms: tx.nowMs, paid_through_ms: firstPaidThroughMs(tx.nowMs) });
  if (!moved.ok) throw new Error(`invariant: a fresh order cannot be settled: ${moved.detail}`);
  return { ok: true, bought: { order: moved.order, payment } };
}

/** Credit moves nothing on chain; the record still says whose money it was and how much. */
function noTransfer({ wallet }: Tx, value: bigint): Authorization {
  return { from: wallet, to: wallet, value, validAfterS: 0n, validBeforeS: 0n, nonce: "0x" };
}
