import { describe, expect, it } from "vitest";
import { RateCard, RegionRates } from "#contract/rates";
import checkedIn from "../../worker/adapters/rate-card.json" with { type: "json" };

describe("a rate card", () => {
  const flat = [{ usd: "0.02" }];
  const rates = { storageGbMonth: flat, egressGb: flat, writePer1000: "0.005", readPer1000: "0.0004" };

  it("as it is checked in, is one", () => {
    expect(RateCard.safeParse(checkedIn).error).toBeUndefined();
    expect(RegionRates.safeParse(rates).success).toBe(true);
  });

  it("has an open last tier: above a closed one bytes would cost nothing", () => {
    for (const tiers of [[{ upToGb: 10, usd: "0.02" }], [{ usd: "0.02" }, { upToGb: 10, usd: "0.01" }], []])
      expect(RegionRates.safeParse({ ...rates, egressGb: tiers }).success, JSON.stringify(tiers)).toBe(false);
  });

  it("has tiers that rise", () => {
    const tiers = (...ends: number[]) => [...ends.map((upToGb) => ({ upToGb, usd: "0.02" })), { usd: "0.01" }];
    expect(RegionRates.safeParse({ ...rates, storageGbMonth: tiers(10, 20) }).success).toBe(true);
    for (const ends of [[20, 10], [10, 10], [0], [-1], [1.5]])
      expect(RegionRates.safeParse({ ...rates, storageGbMonth: tiers(...ends) }).success, String(ends)).toBe(false);
  });

  it("has prices in plain decimal dollars", () => {
    for (const usd of ["-0.01", "1e-3", ".5", "0.", "0,5", "", "0.0000000000001", "1".repeat(10)])
      expect(RegionRates.safeParse({ ...rates, readPer1000: usd }).success, usd).toBe(false);
  });
});
