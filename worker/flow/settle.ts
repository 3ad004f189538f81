/** `POST /payment/settle`: pay a quote and nothing else, the upload may follow within the paid period; or renew (renew.ts, pay-statement.ts). */

import { jsonToBase64 } from "#contract/base64";
import { type Refusal, refuse } from "#contract/errors";
import { SettleRequest } from "#contract/settling";
import { type Wallet, walletOfId } from "#contract/wallet";
import { X402_HEADERS } from "#contract/x402";
import type { Order } from "../../durable/orders.ts";
import { answer, type Call, type Outcome, readArguments } from "./call.ts";
import { readKey } from "./key.ts";
import { askOf, notNow, orderPaid, pay } from "./pay.ts";
import { payStatement } from "./pay-statement.ts";
import type { Ports } from "./ports.ts";
import { renew } from "./renew.ts";
import { settledReply } from "./settled.ts";
import { proven, type Who } from "./who.ts";

export async function settle(ports: Ports, call: Call): Promise<Outcome> {
  const asked = readArguments(SettleRequest, call);
  if (!asked.ok) return asked;
  const { value } = asked;
  const who = await proven(ports, call, value.wallet_address);
  if (!who.ok) return who;
  const paying = paidInBody(call, value.payment ?? value.payment_authorization);
  if (value.renewal) return renew(ports, paying, value, who);
  if (value.statement_id !== undefined) return payStatement(ports, paying, value.statement_id, who);
  return settleQuote(ports, paying, value.quote_id ?? "", who);
}

/** The published API takes a payment in the body too, as its header's text or as the object in it; a header is the stronger word. */
function paidInBody(call: Call, payment: string | object | undefined): Call {
  const { payment: v2, paymentV1: v1 } = X402_HEADERS;
  if (payment === undefined || call.header(v2) !== null || call.header(v1) !== null) return call;
  const header = typeof payment === "string" ? payment : jsonToBase64(payment);
  return { ...call, header: (name) => (name === v2 ? header : call.header(name)) };
}

async function settleQuote(ports: Ports, call: Call, quoteId: string, who: Who): Promise<Outcome> {
  const own = ownQuote(quoteId, who.wallet);
  if (!own.ok) return own;
  const fields = { quote_id: quoteId };
  const key = readKey(call, fields);
  if (!key.ok) return key;
  const held = await ports.wallet(who.wallet).readQuote(who.proof, quoteId);
  if (!held.ok) return held;
  const { quote } = held;
  const paid = await pay(ports, call, {
    wallet: who.wallet,
    proof: who.proof,
    proofVersion: who.version,
    ask: askOf(ports, call, BigInt(quote.amount), quote.objectKey),
    newIn: quote.region,
    purchase: { quoteId: quote.quoteId, objectKey: quote.objectKey },
    key: key.use,
    fields,
  });
  if (paid.paid)
    return answer(settledReply(ports, who.wallet, quote.quoteId, { ...paid, order: orderPaid(paid) }), paid.headers);
  // Nothing to pay any more: somebody asks about a settled quote without a payment.
  if (!paid.outcome.ok && notNow(paid.outcome.code) && held.order)
    return settledBefore(ports, who.wallet, quote.quoteId, held.order);
  return paid.outcome;
}

async function settledBefore(ports: Ports, wallet: Wallet, quoteId: string, order: Order): Promise<Outcome> {
  const found = await ports.wallet(wallet).readOrder(undefined, { quoteId });
  if (!found.ok) return found;
  if (order.state === "paying" || !found.payment)
    return refuse("payment_pending", "a payment for this quote is open; wait for its outcome, do not pay again", {
      retryAfterS: 3,
    });
  return answer(settledReply(ports, wallet, quoteId, { order: found.order, payment: found.payment, fresh: false }));
}

/** A foreign id reads as absent: whose it is, is nobody's business. */
export function ownQuote(quoteId: string, wallet: Wallet): { ok: true } | Refusal {
  return walletOfId("quote", quoteId) === wallet
    ? { ok: true }
    : refuse("quote_not_found", "no such quote of this wallet");
}
