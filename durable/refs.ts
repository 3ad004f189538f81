/** How a request names an order: by its id, or by the quote that became it. */
import { type Refusal, refuse } from "#contract/errors";
import { findLive, findOrder, type Order } from "./orders.ts";
import { findQuote, linkQuote } from "./quotes.ts";
import type { Tx } from "./tx.ts";

export type OrderRef = { readonly orderId: string } | { readonly quoteId: string };

export function resolveOrder(tx: Tx, ref: OrderRef): { ok: true; order: Order } | Refusal {
  if ("orderId" in ref) {
    const order = findOrder(tx, ref.orderId);
    return order ? { ok: true, order } : refuse("not_found", "no such order of this wallet");
  }
  const quote = findQuote(tx, ref.quoteId);
  if (!quote) return refuse("quote_not_found", "no such quote of this wallet");
  const order =
    quote.orderId === undefined ? findLive(tx, quote.agentId, quote.objectKey) : findOrder(tx, quote.orderId);
  if (!order) return refuse("not_paid", "the quote has not been paid");
  if (quote.sizeMax > order.sizeMax)
    return refuse(
      "object_key_exists",
      `${JSON.stringify(quote.objectKey)} is in use with room for ${order.sizeMax} bytes`,
    );
  if (quote.orderId === undefined && order.state !== "paying") linkQuote(tx, quote.quoteId, order.orderId);
  return { ok: true, order };
}
