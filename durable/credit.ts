/**
 * Wallet credit is money that arrived and had no home. Nobody can buy it; it is spent before any 402, with the wallet's own proof only
 * and only where it covers the whole price, and debited in the transaction that grants.
 */
import type { Refusal } from "#contract/errors";
import type { Authorization } from "#contract/x402";
import { offerOf, type Purchase, RULES } from "./catalogue.ts";
import { type KeyUse, rememberPeriod, underKey } from "./keys.ts";
import { insertPayment, type PaymentRecord } from "./ledger.ts";
import { findOrder, type Order } from "./orders.ts";
import { changeCredit, creditOf, type Tx } from "./tx.ts";

export type Spent =
  | { readonly ok: true; readonly bought: { order: Order | undefined; payment: PaymentRecord } | undefined }
  | Refusal;

/** Under the Idempotency-Key that came along. */
export function spendKeyed(tx: Tx, purchase: Purchase, key: KeyUse | undefined): Spent {
  const spent = underKey(tx, key, () => spendCredit(tx, purchase));
  if (spent.ok && spent.bought && "renewal" in purchase) rememberPeriod(tx, key, purchase.renewal.index);
  return spent;
}

/** Buys with credit if there is enough of it; otherwise says so and changes nothing. */
export function spendCredit(tx: Tx, purchase: Purchase): Spent {
  const offer = offerOf(tx, purchase);
  if (!offer.ok) return offer;
  const price = BigInt(offer.amount);
  if (creditOf(tx) < price || offer.standing()) return { ok: true, bought: undefined };
  const claimKey = `credit|${tx.newId("pay")}`;
  const subject = offer.open(claimKey);
  const claim = { claimKey, authorization: noTransfer(tx, price), signature: "0x", fingerprint: claimKey } as const;
  const payment = insertPayment(tx, claim, subject, { state: "settled", reviewMs: null });
  changeCredit(tx, -price, claimKey);
  RULES[subject.purpose].settled(tx, payment, tx.nowMs);
  // It is ours to give, and no reorg's to take.
  RULES[subject.purpose].final(tx, payment);
  return { ok: true, bought: { order: findOrder(tx, subject.orderId), payment } };
}

/** Credit moves nothing on chain; the record still says whose money it was and how much. */
function noTransfer({ wallet }: Tx, value: bigint): Authorization {
  return { from: wallet, to: wallet, value, validAfterS: 0n, validBeforeS: 0n, nonce: "0x" };
}
