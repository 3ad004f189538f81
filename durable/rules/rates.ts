/** Whether prices can be AWS's at all: a card that mistakes bytes for gigabytes, or one for a thousand, must never be sold by. */
import type { RegionRates } from "#contract/rates";
import { pico } from "./pricing.ts";

/**
 * Least and most, in dollars: each a few times beyond what AWS asks in any region (2026: storage 0.021 to 0.0405, egress 0.05 to
 * 0.154, writes 0.0047 to 0.009 and reads 0.00035 to 0.0007 per thousand).
 */
const BANDS = {
  storageGbMonth: ["0.005", "0.2"],
  egressGb: ["0.01", "0.8"],
  writePer1000: ["0.001", "0.05"],
  readPer1000: ["0.0001", "0.005"],
} as const satisfies Record<keyof RegionRates, readonly [string, string]>;

/** What is wrong with prices of these regions; undefined when nothing is. */
export function ratesFault(
  taken: Readonly<Record<string, RegionRates>>,
  regions: readonly string[],
): string | undefined {
  for (const region of regions) {
    const rates = taken[region];
    if (!rates) return `no prices of ${region}`;
    for (const kind of Object.keys(BANDS) as (keyof RegionRates)[]) {
      const [least, most] = BANDS[kind];
      const price = rates[kind];
      const prices = typeof price === "string" ? [price] : price.map(({ usd }) => usd);
      const odd = prices.find((usd) => pico(usd) < pico(least) || pico(usd) > pico(most));
      if (odd !== undefined) return `${kind} in ${region} is ${odd} dollars, believable are ${least} to ${most}`;
    }
  }
  return undefined;
}
