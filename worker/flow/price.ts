/** What something costs now: region and size in, price and its parts out. Reads the card, writes nothing. */
import type { PriceParts } from "#contract/api";
import { type Refusal, refuse } from "#contract/errors";
import { formatMicroUsdc } from "#contract/money";
import type { RateCard, RegionRates } from "#contract/rates";
import { type Price, type PricePolicy, priceOfPeriod } from "#rules/pricing";
import type { CardsNow } from "../../durable/ports.ts";
import type { Ports } from "./ports.ts";

export interface Priced {
  readonly price: Price;
  readonly card: string;
}

/** The price now, and what was told for the same less than an hour ago, by cards that were superseded since. */
export interface PricedNow extends Priced {
  readonly ok: true;
  readonly honoured: readonly Priced[];
}

export function priceNow(ports: Ports, region: string, sizeBytes: number): Promise<PricedNow | Refusal> {
  return pricedBy(ports, region, (rates, policy) => priceOfPeriod(BigInt(sizeBytes), rates, policy));
}

/** By any rule: the same cards are honoured for whatever is sold. */
export async function pricedBy(
  ports: Ports,
  region: string,
  rule: (rates: RegionRates, policy: PricePolicy) => Price,
): Promise<PricedNow | Refusal> {
  const by = await ratesFor(ports, region);
  if (!by.ok) return by;
  const priced = (rates: RegionRates, card: RateCard): Priced => {
    const { markupPercent, priceMinimum: minimum } = ports.policy;
    return { price: rule(rates, { markupPercent, minimum }), card: card.version };
  };
  const honoured = by.honoured.flatMap((card) => {
    const rates = card.regions[region];
    return rates ? [priced(rates, card)] : [];
  });
  return { ok: true, ...priced(by.rates, by.card), honoured };
}

/** What AWS asks in a region, by the newest card; with it those that are honoured still. */
export interface RatesFor extends CardsNow {
  readonly rates: RegionRates;
}

export async function ratesFor(ports: Ports, region: string): Promise<RatesFor | Refusal> {
  const { regions } = ports.policy;
  if (!regions.includes(region))
    return refuse("region_unknown", `${region} is not sold here; sold are ${regions.join(", ")}`, {
      facts: { regions: regions.join(",") },
    });
  const current = await ports.rates.current(ports.clock.nowMs());
  if (!current.ok) return current;
  const rates = current.card.regions[region];
  return rates
    ? { ...current, rates }
    : refuse("quote_unavailable", `the rate card ${current.card.version} has no prices for ${region}`, {
        retryAfterS: 3600,
      });
}

export function partsOf(price: Price): PriceParts {
  return {
    storage: formatMicroUsdc(price.storage),
    requests: formatMicroUsdc(price.requests),
    egress: formatMicroUsdc(price.egress),
    markup: formatMicroUsdc(price.markup),
    minimum_applied: price.minimumApplied,
    total: formatMicroUsdc(price.total),
  };
}
