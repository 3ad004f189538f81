/** The price of a statement: the sum of its lines, by forecast or by card, with one minimum for all. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { priceOfPeriod } from "#rules/pricing";
import { priceOfStatement } from "#rules/statement";

const rates = {
  storageGbMonth: [{ usd: "0.023" }],
  writePer1000: "0.005",
  readPer1000: "0.0004",
  egressGb: [{ usd: "0.09" }],
};
const policy = { markupPercent: 20n, minimum: 20_000n };
const free = { ...policy, minimum: 0n };
const GB = 1n << 30n;
const line = (sizeBytes: bigint) => ({ sizeBytes, rates });
const sum = (amounts: readonly bigint[]) => amounts.reduce((total, amount) => total + amount, 0n);
const sizes = fc.array(fc.bigInt(1n, 50n * GB), { minLength: 1, maxLength: 40 });

describe("a statement's price", () => {
  test("is its lines' prices by card, each as a renewal's without the minimum, and adds up", () => {
    fc.assert(
      fc.property(sizes, fc.option(fc.bigInt(1n, 10n ** 12n), { nil: undefined }), (bytes, forecast) => {
        const shared = forecast === undefined ? undefined : { amount: forecast, ofBytes: sum(bytes) };
        const price = priceOfStatement(bytes.map(line), policy, shared);
        expect(sum(price.amounts)).toBe(price.total);
        expect(price.total).toBeGreaterThanOrEqual(policy.minimum);
        if (price.basis === "forecast" || price.minimumApplied) return;
        expect(price.amounts).toEqual(bytes.map((each) => priceOfPeriod(each, rates, free).total));
      }),
    );
  });

  test("has one minimum, borne by all lines alike", () => {
    const price = priceOfStatement([line(1n), line(1n), line(1n)], policy, undefined);
    expect(price).toMatchObject({ total: 20_000n, minimumApplied: true });
    expect(price.amounts.map(Number)).toEqual([6_667, 6_667, 6_666]);
  });

  test("by forecast shares AWS's figure out by bytes, marked up, within a micro-USDC a line", () => {
    // 30 GB-months by card are 0.69 dollars; AWS expects 0.60.
    const price = priceOfStatement([line(10n * GB), line(20n * GB)], policy, { amount: 600_000n, ofBytes: 30n * GB });
    expect(price.basis).toBe("forecast");
    const beside = (bytes: bigint) => {
      const { requests, egress } = priceOfPeriod(bytes, rates, free);
      return ((requests + egress) * 120n) / 100n;
    };
    const [first = 0n, second = 0n] = price.amounts;
    for (const [amount, storage, bytes] of [
      [first, 240_000n, 10n * GB],
      [second, 480_000n, 20n * GB],
    ] as const) {
      expect(amount - storage - beside(bytes)).toBeGreaterThanOrEqual(0n);
      expect(amount - storage - beside(bytes)).toBeLessThanOrEqual(4n);
    }
  });

  test("charges the covered share alone: what another object costs is not on this statement", () => {
    const half = priceOfStatement([line(10n * GB)], policy, { amount: 460_000n, ofBytes: 20n * GB });
    const whole = priceOfStatement([line(10n * GB)], policy, { amount: 230_000n, ofBytes: 10n * GB });
    expect(half).toEqual(whole);
    expect(half.basis).toBe("forecast");
  });

  test("does not believe a forecast that is more than a factor of two from the card", () => {
    // 10 GB by card: 230,000.
    const by = (amount: bigint) => priceOfStatement([line(10n * GB)], policy, { amount, ofBytes: 10n * GB }).basis;
    expect([100_000n, 115_000n, 230_000n, 460_000n, 470_000n].map(by)).toEqual([
      "card",
      "forecast",
      "forecast",
      "forecast",
      "card",
    ]);
  });
});
