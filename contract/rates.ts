/**
 * A rate card: AWS unit prices per region on one day. Prices are decimal US dollars as AWS prints them; they become integers
 * (pico-dollars) only inside the price rule, so the card can be compared with AWS's page by eye.
 */
import * as z from "zod";

const Dollars = z.string().regex(/^[0-9]{1,9}(?:\.[0-9]{1,12})?$/);
/** AWS bills tiers cumulatively; `upToGb` of the last tier is absent. A closed last tier would give away what lies above it. */
const Tiers = z
  .array(z.object({ upToGb: z.number().int().positive().optional(), usd: Dollars }))
  .min(1)
  .refine(
    (tiers) => tiers.every(({ upToGb }, index) => (upToGb === undefined) === (index === tiers.length - 1)),
    "wanted upToGb in every tier but the last",
  )
  .refine(
    (tiers) =>
      tiers.every(({ upToGb }, index) => index === 0 || (upToGb ?? Infinity) > (tiers[index - 1]?.upToGb ?? 0)),
    "wanted tiers that rise",
  );

export const RegionRates = z.object({
  /** Per GB-month; AWS's GB is 2^30 bytes. */
  storageGbMonth: Tiers,
  /** Per GB to the internet. */
  egressGb: Tiers,
  /** Per 1,000 PUT, COPY, POST, LIST. */
  writePer1000: Dollars,
  /** Per 1,000 GET, HEAD. */
  readPer1000: Dollars,
});
export type RegionRates = z.infer<typeof RegionRates>;

export const RateCard = z.object({
  version: z.string(),
  /** Day the prices were taken, `YYYY-MM-DD`. */
  date: z.string().regex(/^\d{4}-\d{2}-\d{2}$/),
  source: z.string(),
  regions: z.record(z.string(), RegionRates),
});
export type RateCard = z.infer<typeof RateCard>;
