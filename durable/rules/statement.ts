/**
 * The price of a statement: whole periods of many objects, paid by one settlement. A line costs what a renewal by itself would, but for
 * the minimum: that covers the gas of a settlement, and here there is one for all lines.
 *
 * Basis `forecast`: what AWS expects to charge for the wallet's storage, shared out by bytes; requests and egress by card. A forecast is
 * made of the past: one that differs from the card by more than a factor of two tells of other bytes than are stored now, and is not used.
 */
import type { MicroUsdc } from "#contract/money";
import type { RegionRates } from "#contract/rates";
import { type PricePolicy, priceByForecast, priceOfPeriod } from "./pricing.ts";

export interface Weighed {
  readonly sizeBytes: bigint;
  readonly rates: RegionRates;
}

export interface SharedForecast {
  /** Of the storage of all the wallet's objects for 30 days, no markup. */
  readonly amount: MicroUsdc;
  /** How much all of them are. */
  readonly ofBytes: bigint;
}

export interface StatementPrice {
  readonly basis: "forecast" | "card";
  readonly total: MicroUsdc;
  readonly minimumApplied: boolean;
  /** One for each line, in their order; they add up to the total. */
  readonly amounts: readonly MicroUsdc[];
}

/** How far a forecast may be from the card. */
const APART_MAX = 2n;

export function priceOfStatement(
  lines: readonly Weighed[],
  policy: PricePolicy,
  forecast: SharedForecast | undefined,
): StatementPrice {
  const unbounded = { ...policy, minimum: 0n };
  const byCard = lines.map(({ sizeBytes, rates }) => priceOfPeriod(sizeBytes, rates, unbounded));
  const byForecast =
    forecast && lines.map(({ sizeBytes, rates }) => priceByForecast(sizeBytes, forecast, rates, unbounded));
  const storageOf = (prices: readonly { storage: MicroUsdc }[]) => sum(prices.map(({ storage }) => storage));
  const used = byForecast && isNear(storageOf(byForecast), storageOf(byCard)) ? byForecast : undefined;
  const exact = (used ?? byCard).map(({ total }) => total);
  const total = sum(exact);
  const minimumApplied = lines.length > 0 && total < policy.minimum;
  return {
    basis: used ? "forecast" : "card",
    total: minimumApplied ? policy.minimum : total,
    minimumApplied,
    amounts: minimumApplied ? lifted(exact, policy.minimum - total) : exact,
  };
}

function isNear(one: MicroUsdc, other: MicroUsdc): boolean {
  return one <= other * APART_MAX && other <= one * APART_MAX;
}

/** What is missing to the minimum, on all lines alike; the first ones bear the micro-USDC that do not divide. */
function lifted(amounts: readonly MicroUsdc[], missing: MicroUsdc): MicroUsdc[] {
  const count = BigInt(amounts.length);
  return amounts.map((amount, at) => amount + missing / count + (BigInt(at) < missing % count ? 1n : 0n));
}

function sum(amounts: readonly MicroUsdc[]): MicroUsdc {
  return amounts.reduce((total, amount) => total + amount, 0n);
}
