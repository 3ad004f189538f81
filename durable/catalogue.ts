/** Everything that can be paid for, by purpose (purposes.ts). */
import type { Refusal } from "#contract/errors";
import { buyingOffer, ORDER_RULES, type OrderAsk } from "./buying.ts";
import type { Purpose } from "./ledger.ts";
import type { Order } from "./orders.ts";
import { PACK_RULES, type PackAsk, packOffer } from "./packs.ts";
import type { Offer, PurposeRules } from "./purposes.ts";
import type { Wanted } from "./quotes.ts";
import { RENEWAL_RULES, type RenewalAsk, renewalOffer } from "./renewals.ts";
import { STATEMENT_RULES, statementOffer } from "./statements.ts";
import type { Tx } from "./tx.ts";

/** What somebody wants to buy: an order, by quote or at the price the edge has just computed; a renewal; a statement; or a pack of reads. */
export type Purchase =
  | OrderAsk
  | { readonly renewal: RenewalAsk }
  | { readonly statementId: string }
  | { readonly pack: PackAsk };

export function offerOf(tx: Tx, purchase: Purchase): Offer | Refusal {
  if ("pack" in purchase) return packOffer(tx, purchase.pack);
  if ("statementId" in purchase) return statementOffer(tx, purchase.statementId);
  return "renewal" in purchase ? renewalOffer(tx, purchase.renewal) : buyingOffer(tx, purchase);
}

/** The order that a purchase would be an alias of, if there is one. */
export function boughtBefore(tx: Tx, wanted: Wanted): { ok: true; order: Order | undefined } | Refusal {
  const offer = offerOf(tx, { wanted });
  const bought = offer.ok ? offer.standing() : offer;
  if (bought && !bought.ok) return bought;
  return { ok: true, order: bought?.order };
}

export const RULES: Readonly<Record<Purpose, PurposeRules>> = {
  order: ORDER_RULES,
  renewal: RENEWAL_RULES,
  statement: STATEMENT_RULES,
  pack: PACK_RULES,
};
