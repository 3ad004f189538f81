import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { INCLUDED_DOWNLOADS, INCLUDED_LISTS, OBJECT_BYTES_MAX } from "#contract/limits";
import type { RegionRates } from "#contract/rates";
import { pico, priceOfPeriod } from "#rules/pricing";

const GB = 2n ** 30n;

const RATES: RegionRates = {
  storageGbMonth: [{ upToGb: 51_200, usd: "0.023" }, { upToGb: 512_000, usd: "0.022" }, { usd: "0.021" }],
  egressGb: [{ upToGb: 10_240, usd: "0.09" }, { upToGb: 51_200, usd: "0.085" }, { usd: "0.05" }],
  writePer1000: "0.005",
  readPer1000: "0.0004",
};

const dollars = fc
  .tuple(fc.nat(99), fc.integer({ min: 0, max: 12 }), fc.bigInt({ min: 0n, max: 10n ** 12n - 1n }))
  .map(([whole, places, digits]) =>
    places === 0 ? String(whole) : `${whole}.${digits.toString().padStart(12, "0").slice(-places)}`,
  );
const tiers = fc
  .tuple(
    fc.uniqueArray(fc.integer({ min: 1, max: 40 }), { maxLength: 3 }),
    fc.array(dollars, { minLength: 4, maxLength: 4 }),
  )
  .map(([ends, prices]) => {
    const sorted = ends.toSorted((a, b) => a - b);
    const price = (index: number) => prices[index] ?? "0";
    return [...sorted.map((upToGb, index) => ({ upToGb, usd: price(index) })), { usd: price(sorted.length) }];
  });
const cards: fc.Arbitrary<RegionRates> = fc.record({
  storageGbMonth: tiers,
  egressGb: tiers,
  writePer1000: dollars,
  readPer1000: dollars,
});
const sizes = fc.bigInt({ min: 1n, max: 60n * GB });
const policies = fc.record({
  markupPercent: fc.bigInt({ min: 0n, max: 500n }),
  minimum: fc.bigInt({ min: 0n, max: 100_000n }),
});

/** The price once more, by nothing but fractions: a numerator over one denominator, in dollars. */
function byFractions(bytes: bigint, rates: RegionRates, markupPercent: bigint): { top: bigint; bottom: bigint } {
  const bottom = 10n ** 12n * GB * 1000n * 100n;
  const decimal = (usd: string) => {
    const [whole = "", fraction = ""] = usd.split(".");
    return BigInt(whole) * 10n ** 12n + BigInt(fraction.padEnd(12, "0"));
  };
  const stepped = (amount: bigint, steps: RegionRates["egressGb"]) =>
    steps.reduce((sum, { upToGb, usd }, index) => {
      const lower = BigInt(steps[index - 1]?.upToGb ?? 0) * GB;
      const upper = upToGb === undefined ? amount : BigInt(upToGb) * GB;
      const inside = (amount < upper ? amount : upper) - lower;
      return inside > 0n ? sum + inside * decimal(usd) : sum;
    }, 0n);
  const writes = 1n + BigInt(INCLUDED_LISTS);
  const reads = BigInt(INCLUDED_DOWNLOADS) + 2n;
  const top =
    stepped(bytes, rates.storageGbMonth) * 1000n +
    stepped(bytes * BigInt(INCLUDED_DOWNLOADS), rates.egressGb) * 1000n +
    (writes * decimal(rates.writePer1000) + reads * decimal(rates.readPer1000)) * GB;
  return { top: top * (100n + markupPercent), bottom };
}

describe("the price of a period", () => {
  it("is the exact price, rounded up to the next micro-USDC and no further", () => {
    fc.assert(
      fc.property(sizes, cards, policies, (bytes, rates, policy) => {
        const { total, minimumApplied } = priceOfPeriod(bytes, rates, policy);
        const { top, bottom } = byFractions(bytes, rates, policy.markupPercent);
        const exact = top * 1_000_000n;
        const rounded = (exact + bottom - 1n) / bottom;
        expect(total).toBe(rounded > policy.minimum ? rounded : policy.minimum);
        expect(minimumApplied).toBe(rounded < policy.minimum);
      }),
      { numRuns: 500 },
    );
  });

  it("is rounded up by whatever lies above a micro-USDC, be it one request's share of a pico-dollar", () => {
    // One byte whose storage falls 5,368,709.12 short of a micro-USDC (in pico-dollars by bytes of a GB), and reads that cost that.
    const rates: RegionRates = {
      storageGbMonth: [{ usd: "1073.741818631291" }],
      egressGb: [{ usd: "0" }],
      writePer1000: "0",
      readPer1000: "0.000000000001",
    };
    expect(priceOfPeriod(1n, rates, { markupPercent: 0n, minimum: 0n }).total).toBe(2n);
  });

  it("never falls when there is more to keep", () => {
    fc.assert(
      fc.property(sizes, sizes, cards, policies, (a, b, rates, policy) => {
        const [less, more] = a < b ? [a, b] : [b, a];
        return priceOfPeriod(less, rates, policy).total <= priceOfPeriod(more, rates, policy).total;
      }),
    );
  });

  it("never lies below the minimum, and its parts add up to it", () => {
    fc.assert(
      fc.property(sizes, cards, policies, (bytes, rates, policy) => {
        const { total, storage, egress, requests, markup } = priceOfPeriod(bytes, rates, policy);
        expect(total).toBeGreaterThanOrEqual(policy.minimum);
        expect(storage + egress + requests + markup).toBe(total);
        for (const part of [storage, egress, requests, markup]) expect(part).toBeGreaterThanOrEqual(0n);
      }),
    );
  });

  it("is payable for one byte and for one megabyte", () => {
    const policy = { markupPercent: 20n, minimum: 20_000n };
    expect(priceOfPeriod(1n, RATES, policy)).toMatchObject({ total: 20_000n, minimumApplied: true });
    expect(priceOfPeriod(1_000_000n, RATES, policy).total).toBeGreaterThanOrEqual(20_000n);
    expect(priceOfPeriod(BigInt(OBJECT_BYTES_MAX), RATES, policy).minimumApplied).toBe(false);
  });

  it("of a gigabyte is the sum a person would write down", () => {
    const { storage, egress, requests, markup, total } = priceOfPeriod(GB, RATES, { markupPercent: 0n, minimum: 0n });
    // 0.023; 3 x 0.09; 201 writes at 0.005 and 5 reads at 0.0004 the thousand.
    expect([storage, egress, requests]).toEqual([23_000n, 270_000n, 1_007n]);
    expect([markup, total]).toEqual([0n, 294_007n]);
    expect(priceOfPeriod(GB, RATES, { markupPercent: 20n, minimum: 0n }).total).toBe(352_809n);
  });
});

describe("tiers", () => {
  const only = (storageGbMonth: RegionRates["storageGbMonth"]): RegionRates => ({
    storageGbMonth,
    egressGb: [{ usd: "0" }],
    writePer1000: "0",
    readPer1000: "0",
  });
  const price = (bytes: bigint) =>
    priceOfPeriod(bytes, only([{ upToGb: 10, usd: "1" }, { upToGb: 20, usd: "0.5" }, { usd: "0.25" }]), {
      markupPercent: 0n,
      minimum: 0n,
    }).total;

  it("are cumulative: each byte at its own tier's price, to the byte at the border", () => {
    expect(price(10n * GB)).toBe(10_000_000n);
    expect(price(11n * GB)).toBe(10_500_000n);
    expect(price(20n * GB)).toBe(15_000_000n);
    expect(price(24n * GB)).toBe(16_000_000n);
    expect(price(10n * GB + 1n) - price(10n * GB)).toBe(1n);
    expect(price(10n * GB + GB / 2n)).toBe(10_250_000n);
  });
});

describe("pico-dollars", () => {
  it("are exact to the twelfth decimal", () => {
    expect(pico("0.023")).toBe(23_000_000_000n);
    expect(pico("12")).toBe(12_000_000_000_000n);
    expect(pico("0.000000000001")).toBe(1n);
    expect(pico("0")).toBe(0n);
  });
});
