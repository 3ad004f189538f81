/** The purpose `order`: a payment that buys room for one object for its first period. */
import { type Refusal, refuse } from "#contract/errors";
import { paymentOf } from "./ledger.ts";
import { findLive, findOrder, insertOrder, move, mustFind } from "./orders.ts";
import type { Begun, Offer, PurposeRules } from "./purposes.ts";
import { findQuote, linkQuote, type Quote, type Wanted } from "./quotes.ts";
import { firstPaidThroughMs, reversedPaidThroughMs } from "./rules/calendar.ts";
import type { Tx } from "./tx.ts";

/** A purchase by quote, or a bare one whose price the edge has just computed. */
export type OrderAsk = { readonly quoteId: string; readonly objectKey: string } | { readonly wanted: Wanted };

export function buyingOffer(tx: Tx, ask: OrderAsk): Offer | Refusal {
  const asked = resolve(tx, ask);
  if (!asked.ok) return asked;
  const { wanted, quote } = asked;
  return {
    ok: true,
    amount: wanted.amount,
    standing: () => alreadyBought(tx, wanted, quote) ?? expired(tx, quote),
    open: (claimKey) => {
      const order = insertOrder(tx, wanted, quote, claimKey);
      if (quote) linkQuote(tx, quote.quoteId, order.orderId);
      const purchase = `upload|${order.agentId}|${order.objectKey}`;
      return { purpose: "order", orderId: order.orderId, purchase, amount: wanted.amount };
    },
  };
}

function expired(tx: Tx, quote: Quote | undefined): Refusal | undefined {
  if (!quote || quote.expiresMs > tx.nowMs) return undefined;
  return refuse("quote_expired", `the quote expired at ${new Date(quote.expiresMs).toISOString()}`);
}

function resolve(tx: Tx, ask: OrderAsk): { ok: true; wanted: Wanted; quote: Quote | undefined } | Refusal {
  if ("wanted" in ask) return { ok: true, wanted: ask.wanted, quote: undefined };
  const quote = findQuote(tx, ask.quoteId);
  if (!quote) return refuse("quote_not_found", "no such quote of this wallet");
  // A quote names its object, and the purchase may still move it to another free name.
  return { ok: true, wanted: { ...quote, objectKey: ask.objectKey }, quote };
}

/** A name in use is an alias of its order for anything no greater; a fresh authorization for it is never broadcast. */
export function alreadyBought(tx: Tx, wanted: Wanted, quote: Quote | undefined): Begun | undefined {
  const own = quote?.orderId === undefined ? undefined : findOrder(tx, quote.orderId);
  if (own?.state === "ended") return refuse("gone", `the order of this quote has ended (${own.ended ?? "ended"})`);
  const order = own ?? findLive(tx, wanted.agentId, wanted.objectKey);
  if (!order) return undefined;
  if (order.state === "paying")
    return refuse(
      "payment_pending",
      "another payment for this purchase is open; wait for its outcome, do not pay again",
      {
        facts: { order_id: order.orderId, payment_state: "pending" },
        retryAfterS: 2,
      },
    );
  if (wanted.sizeMax > order.sizeMax || wanted.region !== order.region)
    return refuse(
      "object_key_exists",
      `${JSON.stringify(wanted.objectKey)} is in use in ${order.region} with room for ${order.sizeMax} bytes; asked ${wanted.sizeMax} in ${wanted.region}`,
      { facts: { order_id: order.orderId } },
    );
  if (quote && !own) linkQuote(tx, quote.quoteId, order.orderId);
  return { ok: true, begun: "bought", sameClaim: false, payment: paymentOf(tx, order), order };
}

export const ORDER_RULES: PurposeRules = {
  settled: (tx, payment, paidMs) => {
    const columns = { paid_ms: paidMs, paid_through_ms: firstPaidThroughMs(paidMs) };
    const moved = move(tx, mustFind(tx, payment.orderId), "settled", columns);
    if (!moved.ok) throw new Error(`invariant: settled payment of order ${payment.orderId}: ${moved.detail}`);
  },
  refused: (tx, payment) => {
    const order = mustFind(tx, payment.orderId);
    const moved = move(tx, order, "refused", { ended: "payment_refused" });
    if (!moved.ok) throw new Error(`invariant: refused payment of order ${payment.orderId}: ${moved.detail}`);
    if (order.quoteId) linkQuote(tx, order.quoteId, null);
  },
  reversed: (tx, payment) => {
    const order = mustFind(tx, payment.orderId);
    if (order.state !== "paid" && order.state !== "stored") return;
    const moved = move(tx, order, "reversed", {
      paid_through_ms: reversedPaidThroughMs(order.paidThroughMs ?? tx.nowMs, tx.nowMs),
      ended: order.state === "paid" ? "payment_reversed" : null,
    });
    if (!moved.ok) throw new Error(`invariant: reversal of order ${order.orderId}: ${moved.detail}`);
  },
  // Until it is served its order is there, paid or deleted by its owner's will; unserved.ts gives back what was never served.
  final: () => undefined,
  homeless: () => false,
};
