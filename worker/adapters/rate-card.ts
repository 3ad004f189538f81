/**
 * The cards to sell by. They are kept in one object, far from most of the edge: each isolate remembers for seconds what it read there,
 * and goes on with it for a while when the object does not answer, which the hour of honour allows for.
 *
 * Where no card was taken from AWS, the checked-in one serves, as long as it is not too old to promise a price from.
 */
import { refuse } from "#contract/errors";
import { CARDS_FRESH_S, CARDS_STALE_MAX_S, RATE_CARD_AGE_MAX_S } from "#contract/limits";
import { RateCard } from "#contract/rates";
import type { CardShelf, Rates, ShelvedCard } from "../../durable/ports.ts";
import checkedIn from "./rate-card.json" with { type: "json" };

export interface RatesConfig {
  /** The local stack and self-hosted stores quote from a card however old it is; with AWS as the store none may be over a week old. */
  readonly anyAge: boolean;
  /** Regions that no card from AWS can know (R2's): always priced by the checked-in one. */
  readonly notAws?: readonly string[];
  /** Absent where nobody takes cards. */
  readonly shelf?: CardShelf;
}

/** An object that is being moved answers late or never; a quote does not wait for it. */
const SHELF_WAIT_MS = 3_000;

export function openRates({ anyAge, notAws = [], shelf }: RatesConfig): Rates {
  const own = RateCard.parse(checkedIn);
  const fixed = Object.fromEntries(Object.entries(own.regions).filter(([region]) => notAws.includes(region)));
  const whole = (card: RateCard): RateCard => ({ ...card, regions: { ...card.regions, ...fixed } });
  // The values, not the promise: a Worker's request may not wait for what another one has begun.
  let read: { readonly cards: readonly ShelvedCard[]; readonly atMs: number } = { cards: [], atMs: 0 };
  let askAtMs = 0;

  const onShelf = async (nowMs: number): Promise<readonly ShelvedCard[]> => {
    if (shelf === undefined || nowMs < askAtMs) return read.cards;
    // One asks; who comes meanwhile takes what is there.
    if (read.cards.length > 0) askAtMs = nowMs + CARDS_FRESH_S * 1000;
    try {
      read = { cards: await inTime(shelf.cards()), atMs: nowMs };
      askAtMs = nowMs + CARDS_FRESH_S * 1000;
    } catch (error) {
      console.error(JSON.stringify({ code: "rates_shelf_silent", detail: String(error) }));
      if (nowMs - read.atMs > CARDS_STALE_MAX_S * 1000) {
        read = { cards: [], atMs: 0 };
        askAtMs = 0;
      }
    }
    return read.cards;
  };

  return {
    async current(nowMs) {
      const cards = await onShelf(nowMs);
      const current = cards.find(({ honouredUntilMs }) => honouredUntilMs === undefined)?.card;
      const card = [current, own].find((each) => each !== undefined && (anyAge || !isOld(each, nowMs)));
      if (card === undefined)
        return refuse(
          "quote_unavailable",
          `the newest rate card is of ${(current ?? own).date}, too old to promise a price from`,
          // Nothing on the shelf yet: a card takes a minute or two to come.
          { retryAfterS: current === undefined && shelf !== undefined ? 60 : 3600 },
        );
      const honoured = cards.filter(({ honouredUntilMs }) => honouredUntilMs !== undefined && nowMs < honouredUntilMs);
      return { ok: true, card: whole(card), honoured: honoured.map((each) => whole(each.card)) };
    },
  };
}

function inTime<T>(asked: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = () => reject(new Error(`no answer within ${SHELF_WAIT_MS} ms`));
    const timer = setTimeout(late, SHELF_WAIT_MS);
    asked.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

function isOld({ date }: RateCard, nowMs: number): boolean {
  return nowMs - Date.parse(`${date}T00:00:00Z`) > RATE_CARD_AGE_MAX_S * 1000;
}
