/** From AWS's tiers to a card's. Prices are pico-dollars (10^-12) here, the finest a card can say. */
import type { RegionRates } from "#contract/rates";
import { NotTaken } from "./patience.ts";

export interface Step {
  /** Units; undefined: without end. */
  readonly upTo: number | undefined;
  readonly pico: bigint;
}

/**
 * Neighbours of one price become one. A free beginning is an allowance of the whole account, once a month: sold per object it would be
 * given away with every object, so the first price above it holds from zero.
 */
export function tidy(steps: readonly Step[]): Step[] {
  const paid = steps.filter(({ pico }) => pico > 0n);
  if (paid.length === 0) throw new NotTaken("a price of nothing is no price");
  return paid.filter(({ pico }, index) => paid[index + 1]?.pico !== pico);
}

export function cardTiers(steps: readonly Step[]): RegionRates["storageGbMonth"] {
  return tidy(steps).map(({ upTo, pico }) => ({ ...(upTo === undefined ? {} : { upToGb: upTo }), usd: dollars(pico) }));
}

/** Requests have one price whatever their number; cards say it per thousand, as AWS's page does. */
export function per1000(steps: readonly Step[]): string {
  const [step, more] = tidy(steps);
  if (step === undefined || more !== undefined) throw new NotTaken("requests have tiers now");
  return dollars(step.pico * 1_000n);
}

/** 23_000_000_000 -> "0.023" */
export function dollars(pico: bigint): string {
  const digits = pico.toString().padStart(13, "0");
  const fraction = digits.slice(-12).replace(/0+$/, "");
  return fraction === "" ? digits.slice(0, -12) : `${digits.slice(0, -12)}.${fraction}`;
}
