/**
 * The price of keeping one object for one period: a pure function of (bytes, rate card, policy).
 *
 * (30 days of storage + requests + the included egress) x (1 + markup), rounded up once, at the end, to a micro-USDC, and never
 * under the minimum, which lies above the gas of a settlement so that a one-byte object is payable.
 * Unit prices become pico-dollars (10^-12), so every product below is exact.
 */
import { INCLUDED_DOWNLOADS, INCLUDED_LISTS } from "#contract/limits";
import { divCeil, type MicroUsdc } from "#contract/money";
import type { RegionRates } from "#contract/rates";

/** AWS bills storage and transfer by the binary gigabyte ("1 GB = 2^30 bytes", S3 billing reports). */
const GB = 1n << 30n;
const PICO_PER_MICRO = 1_000_000n;
/** Requests are priced by the thousand. */
const THOUSAND = 1000n;
/** All parts are kept over this common denominator, in pico-dollars, until the one rounding. */
const UNIT = GB * THOUSAND;

/** Writes and reads that belong to one period of one object: PUT, and per download GET, confirm's HEAD and one renewal's HEAD. */
const WRITES = 1n + BigInt(INCLUDED_LISTS);
const READS = BigInt(INCLUDED_DOWNLOADS) + 2n;

export interface PricePolicy {
  /** Whole percent on top of AWS's own price. */
  readonly markupPercent: bigint;
  readonly minimum: MicroUsdc;
}

export interface Price {
  readonly total: MicroUsdc;
  readonly storage: MicroUsdc;
  readonly requests: MicroUsdc;
  readonly egress: MicroUsdc;
  readonly markup: MicroUsdc;
  readonly minimumApplied: boolean;
}

/** One part by itself: AWS's own cost, and that with the markup, each rounded up to a micro-USDC. */
export interface PartPrice {
  readonly cost: MicroUsdc;
  readonly price: MicroUsdc;
}

export function priceOfStorage(sizeBytes: bigint, rates: RegionRates, markupPercent: bigint): PartPrice {
  return priceOfPart(tiered(sizeBytes, rates.storageGbMonth), markupPercent);
}

/** Out to the internet; what comes in is free. */
export function priceOfEgress(sizeBytes: bigint, rates: RegionRates, markupPercent: bigint): PartPrice {
  return priceOfPart(tiered(sizeBytes, rates.egressGb), markupPercent);
}

function priceOfPart(picoGb: bigint, markupPercent: bigint): PartPrice {
  return {
    cost: divCeil(picoGb, GB * PICO_PER_MICRO),
    price: divCeil(picoGb * (100n + markupPercent), 100n * GB * PICO_PER_MICRO),
  };
}

export function priceOfPeriod(sizeBytes: bigint, rates: RegionRates, policy: PricePolicy): Price {
  const storage = tiered(sizeBytes, rates.storageGbMonth) * THOUSAND;
  return marked({ storage, ...besideStorage(sizeBytes, rates) }, policy);
}

/** The same, but the storage costs this object's share, by bytes, of what AWS expects to charge for `ofBytes`. */
export function priceByForecast(
  sizeBytes: bigint,
  forecast: { readonly amount: MicroUsdc; readonly ofBytes: bigint },
  rates: RegionRates,
  policy: PricePolicy,
): Price {
  const storage = divCeil(forecast.amount * PICO_PER_MICRO * UNIT * sizeBytes, forecast.ofBytes);
  return marked({ storage, ...besideStorage(sizeBytes, rates) }, policy);
}

/** Requests and the included egress of one period. */
function besideStorage(sizeBytes: bigint, rates: RegionRates): Omit<Cost, "storage"> {
  return {
    egress: tiered(sizeBytes * BigInt(INCLUDED_DOWNLOADS), rates.egressGb) * THOUSAND,
    requests: (WRITES * pico(rates.writePer1000) + READS * pico(rates.readPer1000)) * GB,
  };
}

/** One more download of so many bytes. */
export function priceOfDownload(sizeBytes: bigint, rates: RegionRates, policy: PricePolicy): Price {
  const egress = tiered(sizeBytes, rates.egressGb) * THOUSAND;
  return marked({ storage: 0n, egress, requests: pico(rates.readPer1000) * GB }, policy);
}

/** So many list calls more; S3 asks a write's price for a list. */
export function priceOfLists(calls: bigint, rates: RegionRates, policy: PricePolicy): Price {
  return marked({ storage: 0n, egress: 0n, requests: calls * pico(rates.writePer1000) * GB }, policy);
}

/** Pico-dollars over the common denominator. */
type Cost = { readonly storage: bigint; readonly egress: bigint; readonly requests: bigint };

function marked({ storage, egress, requests }: Cost, policy: PricePolicy): Price {
  const cost = storage + egress + requests;
  const price = divCeil(cost * (100n + policy.markupPercent), 100n * UNIT * PICO_PER_MICRO);
  const total = price > policy.minimum ? price : policy.minimum;
  const parts = { storage: toMicro(storage), egress: toMicro(egress), requests: toMicro(requests) };
  return {
    ...parts,
    // The remainder, so that the parts always add up to the total a person is asked for.
    markup: total - parts.storage - parts.egress - parts.requests,
    total,
    minimumApplied: price < policy.minimum,
  };
}

/** Cumulative tiers, as AWS bills them: each slice of bytes at its own tier's price. Result in pico-dollar x GB. */
function tiered(bytes: bigint, tiers: RegionRates["storageGbMonth"]): bigint {
  let sum = 0n;
  let from = 0n;
  for (const tier of tiers) {
    if (bytes <= from) break;
    const end = tier.upToGb === undefined ? bytes : min(bytes, BigInt(tier.upToGb) * GB);
    if (end > from) sum += (end - from) * pico(tier.usd);
    from = end > from ? end : from;
  }
  return sum;
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

/** Parts are shown rounded down; the rounding up of the total lands in the markup line. */
function toMicro(picoUnits: bigint): MicroUsdc {
  return picoUnits / (UNIT * PICO_PER_MICRO);
}

/** "0.023" -> 23_000_000_000 pico-dollars; the card's schema admits at most twelve decimals. */
export function pico(dollars: string): bigint {
  const [whole = "0", fraction = ""] = dollars.split(".");
  return BigInt(whole + fraction.padEnd(12, "0"));
}
