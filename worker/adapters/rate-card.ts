/** Rates from the checked-in card. Dated: the operator sees its day in every quote, and a policy may refuse it for its age. */

import { refuse } from "#contract/errors";
import { RATE_CARD_AGE_MAX_S } from "#contract/limits";
import { RateCard } from "#contract/rates";
import type { Rates } from "../../durable/ports.ts";
import checkedIn from "./rate-card.json" with { type: "json" };

/** `anyAge`: the local stack and self-hosted stores quote from the checked-in card however old it is; production must not. */
export function openRates(anyAge: boolean): Rates {
  const card = RateCard.parse(checkedIn);
  const takenMs = Date.parse(`${card.date}T00:00:00Z`);
  return {
    current: async (nowMs) =>
      anyAge || nowMs - takenMs <= RATE_CARD_AGE_MAX_S * 1000
        ? { ok: true, card, honoured: [] }
        : refuse("quote_unavailable", `the newest rate card is of ${card.date}, too old to promise a price from`, {
            retryAfterS: 3600,
          }),
  };
}
