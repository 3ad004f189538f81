/**
 * What we ask against what AWS charges: prices by a card that was taken from the stand-ins, compared with the calculator's own
 * arithmetic for the very same amounts (plain doubles, written apart from ours).
 */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ESTIMATE_BYTES_MAX, INCLUDED_DOWNLOADS, INCLUDED_LISTS, OBJECT_BYTES_MAX } from "#contract/limits";
import type { RegionRates } from "#contract/rates";
import { priceOfEgress, priceOfPeriod, priceOfStorage } from "#rules/pricing";
import { openCalculator } from "../../worker/adapters/aws/calculator.ts";
import { openPriceList } from "../../worker/adapters/aws/price-list.ts";
import { costOf } from "../stack/pricing/calculator.ts";
import { CATALOGUE } from "../stack/pricing/catalogue.ts";
import { type PricingServer, startPricing } from "../stack/pricing/server.ts";
import { REGIONS } from "./cards.ts";

const credentials = { accessKeyId: "AKIALOCALEXAMPLE", secretAccessKey: "local/secret+access/key" };
const NOW = Date.parse("2026-11-22T15:30:00Z");
const GIB = 2 ** 30;

let server: PricingServer;
const cards: Record<string, Readonly<Record<string, RegionRates>>> = {};
beforeAll(async () => {
  server = await startPricing({ port: 0, credentials });
  const common = { endpoint: server.url, credentials, pause: async () => {} };
  const sources = [
    openCalculator({ ...common, accountId: "000000000001", newToken: () => crypto.randomUUID() }),
    openPriceList(common),
  ];
  for (const source of sources) {
    const taken = await source.take(REGIONS, NOW);
    if (taken.end !== "done") throw new Error(taken.detail);
    cards[source.label] = taken.regions;
  }
});
afterAll(() => server.stop());

/** AWS's own figure, in dollars: of the product a region's bill would name. */
function awsCost(region: string, usage: string, amount: number): number {
  const product = CATALOGUE.find(
    ({ attributes }) =>
      (attributes["regionCode"] ?? attributes["fromRegionCode"]) === region &&
      attributes["operation"] === "" &&
      new RegExp(`^([A-Z0-9]+-)?${usage}$`).test(attributes["usagetype"] ?? ""),
  );
  if (!product) throw new Error(`${usage} is not sold in ${region}`);
  return costOf(product, amount);
}

const label = fc.constantFrom("calculator", "price-list");
const region = fc.constantFrom(...REGIONS);
/** Small and large alike, and around where tiers end. */
const bytesUpTo = (max: number) =>
  fc
    .oneof(
      fc.integer({ min: 1, max: 5_000 }),
      fc.double({ min: 0, max: Math.log2(max), noNaN: true }).map((power) => Math.min(max, Math.floor(2 ** power))),
      fc
        .tuple(fc.constantFrom(10_240, 51_200, 153_600, 512_000), fc.integer({ min: -3, max: 3 }))
        .map(([gib, off]) => Math.min(max, gib * GIB + off)),
    )
    .map((bytes) => Math.max(1, bytes));
const markup = fc.integer({ min: 0, max: 500 });
const ratesOf = (source: string, where: string) => cards[source]?.[where] as RegionRates;
/** Within a micro-USDC of a double, and of the double's own grain where the sum is large. */
const near = (micro: bigint, usd: number) => Math.abs(Number(micro) - usd * 1e6) <= 1 + usd * 1e6 * 1e-12;

describe("prices by a card taken from AWS", () => {
  test("of storage and of egress are AWS's own cost times the markup, up to a petabyte", () => {
    fc.assert(
      fc.property(label, region, bytesUpTo(ESTIMATE_BYTES_MAX), markup, (source, where, bytes, percent) => {
        const rates = ratesOf(source, where);
        const stored = awsCost(where, "TimedStorage-ByteHrs", bytes / GIB);
        const sent = awsCost(where, "DataTransfer-Out-Bytes", bytes / GIB);
        const storage = priceOfStorage(BigInt(bytes), rates, BigInt(percent));
        const egress = priceOfEgress(BigInt(bytes), rates, BigInt(percent));
        expect(near(storage.cost, stored) && near(storage.price, (stored * (100 + percent)) / 100)).toBe(true);
        expect(near(egress.cost, sent) && near(egress.price, (sent * (100 + percent)) / 100)).toBe(true);
        // Up, and never down: no part is sold under its cost.
        expect(Number(storage.cost) >= stored * 1e6 * (1 - 1e-12)).toBe(true);
        expect(Number(egress.cost) >= sent * 1e6 * (1 - 1e-12)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  test("of an object are the cost of its parts times the markup, never under the minimum, within a micro-USDC", () => {
    fc.assert(
      fc.property(
        label,
        region,
        bytesUpTo(OBJECT_BYTES_MAX),
        markup,
        fc.bigInt({ min: 0n, max: 50_000n }),
        (...drawn) => {
          const [source, where, bytes, percent, minimum] = drawn;
          const usd =
            awsCost(where, "TimedStorage-ByteHrs", bytes / GIB) +
            awsCost(where, "DataTransfer-Out-Bytes", (bytes * INCLUDED_DOWNLOADS) / GIB) +
            awsCost(where, "Requests-Tier1", 1 + INCLUDED_LISTS) +
            awsCost(where, "Requests-Tier2", INCLUDED_DOWNLOADS + 2);
          const marked = (usd * (100 + percent)) / 100;
          const { total } = priceOfPeriod(BigInt(bytes), ratesOf(source, where), {
            markupPercent: BigInt(percent),
            minimum,
          });
          expect(total >= minimum).toBe(true);
          expect(total === minimum || near(total, marked)).toBe(true);
          expect(total > minimum || marked * 1e6 <= Number(minimum) + 1).toBe(true);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test("never fall when the bytes rise", () => {
    const two = fc.tuple(bytesUpTo(ESTIMATE_BYTES_MAX), bytesUpTo(ESTIMATE_BYTES_MAX));
    fc.assert(
      fc.property(label, region, two, markup, (source, where, [a, b], percent) => {
        const [less, more] = a < b ? [BigInt(a), BigInt(b)] : [BigInt(b), BigInt(a)];
        const rates = ratesOf(source, where);
        for (const price of [priceOfStorage, priceOfEgress]) {
          const [low, high] = [price(less, rates, BigInt(percent)), price(more, rates, BigInt(percent))];
          if (low.cost > high.cost || low.price > high.price || low.price < low.cost) return false;
        }
        return true;
      }),
      { numRuns: 1_000 },
    );
  });

  test("are the same whichever source they were taken from", () => {
    expect(cards["calculator"]).toEqual(cards["price-list"]);
  });
});
