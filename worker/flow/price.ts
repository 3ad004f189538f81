/** What something costs now: region and size in, price and its parts out. Reads the card, writes nothing. */
import type { PriceParts } from "#contract/api";
import { type Refusal, refuse } from "#contract/errors";
import { formatMicroUsdc } from "#contract/money";
import { type Price, priceOfPeriod } from "#rules/pricing";
import type { Ports } from "./ports.ts";

export interface Priced {
  readonly price: Price;
  readonly card: string;
}

export function priceNow(ports: Ports, region: string, sizeBytes: number): ({ ok: true } & Priced) | Refusal {
  const { policy } = ports;
  if (!policy.regions.includes(region))
    return refuse("region_unknown", `${region} is not sold here; sold are ${policy.regions.join(", ")}`, {
      facts: { regions: policy.regions.join(",") },
    });
  const current = ports.rates.current(ports.clock.nowMs());
  if (!current.ok) return current;
  const rates = current.card.regions[region];
  if (!rates)
    return refuse("quote_unavailable", `the rate card ${current.card.version} has no prices for ${region}`, {
      retryAfterS: 3600,
    });
  const price = priceOfPeriod(BigInt(sizeBytes), rates, {
    markupPercent: policy.markupPercent,
    minimum: policy.priceMinimum,
  });
  return { ok: true, price, card: current.card.version };
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
