/**
 * What storage and transfer cost, asked by anybody: `POST /estimate/storage`, `POST /estimate/transfer`, `GET /rates`. Field names are
 * the published API's where it had them (`estimatedCost`, `storageGbMonth`, `dataGb`, `rateType`, …); what is new stands beside them.
 */
import * as z from "zod";
import { PriceParts } from "./api.ts";
import { gigabytesToBytes, Region } from "./fields.ts";
import { ESTIMATE_BYTES_MAX } from "./limits.ts";
import { RegionRates } from "./rates.ts";

const Amount = z.union([z.number(), z.string()]).transform((raw, context) => {
  const bytes = gigabytesToBytes(String(raw));
  if (bytes !== undefined && bytes <= BigInt(ESTIMATE_BYTES_MAX)) return Number(bytes);
  const message =
    bytes === undefined
      ? `wanted a number from 1e-9 up, got ${JSON.stringify(raw)}`
      : `at most ${ESTIMATE_BYTES_MAX} bytes are estimated`;
  context.addIssue({ code: "custom", message });
  return z.NEVER;
});
/** Bytes, also as the text a query carries. */
const Bytes = z
  .union([z.number(), z.string().regex(/^\d{1,16}$/, "wanted a whole number of bytes")])
  .transform(Number)
  .pipe(z.number().int().min(1).max(ESTIMATE_BYTES_MAX));
/** AWS's public prices; no others are known here. */
const RateType = z
  .string()
  .transform((name) => name.toUpperCase())
  .pipe(z.literal("BEFORE_DISCOUNTS"))
  .default("BEFORE_DISCOUNTS");

/** Size by `gb` (10^9 bytes, as everywhere here) or `storageGbMonth`, its older name, or `size_bytes`. */
export const StorageEstimateRequest = z
  .strictObject({
    gb: Amount.optional(),
    storageGbMonth: Amount.optional(),
    size_bytes: Bytes.optional(),
    region: Region.optional(),
    rateType: RateType,
  })
  .superRefine(({ gb, storageGbMonth, size_bytes }, context) => {
    if ([gb, storageGbMonth, size_bytes].filter((each) => each !== undefined).length !== 1)
      context.addIssue({ code: "custom", path: ["gb"], message: "give either gb or size_bytes" });
  });

/** The old API's defaults: 100 GB, inwards. What comes in is free at AWS. */
export const TransferEstimateRequest = z
  .strictObject({
    gb: Amount.optional(),
    size_bytes: Bytes.optional(),
    direction: z
      .string()
      .transform((name) => name.toLowerCase())
      .pipe(z.enum(["in", "out"]))
      .default("in"),
    region: Region.optional(),
    rateType: RateType,
  })
  .superRefine(({ gb, size_bytes }, context) => {
    if (gb !== undefined && size_bytes !== undefined)
      context.addIssue({ code: "custom", path: ["gb"], message: "give either gb or size_bytes" });
  });

const Estimate = z.object({
  /** AWS's own cost in dollars, rounded up to a cent; to look at, not to compute with. */
  estimatedCost: z.number(),
  currency: z.literal("USD"),
  region: z.string(),
  rateType: z.literal("BEFORE_DISCOUNTS"),
  size_bytes: z.number(),
  /** AWS's own cost, and that with our markup: micro-USDC, each rounded up. */
  cost: z.string(),
  price: z.string(),
  markup_percent: z.number(),
  rate_card: z.string(),
  rate_card_date: z.string(),
  rate_card_source: z.string(),
});

export const StorageEstimateReply = Estimate.extend({
  storageGbMonth: z.number(),
  /** What 30 days of one object of this size are sold for, all included; absent where no object may be so large. */
  object: PriceParts.optional(),
});
export type StorageEstimateReply = z.infer<typeof StorageEstimateReply>;

export const TransferEstimateReply = Estimate.extend({ dataGb: z.number(), direction: z.enum(["in", "out"]) });
export type TransferEstimateReply = z.infer<typeof TransferEstimateReply>;

/** GET /rates: the card that prices are made from. Prices are AWS's own, in dollars; the markup comes on top. */
export const RatesReply = z.object({
  rate_card: z.string(),
  date: z.string(),
  source: z.string(),
  currency: z.literal("USD"),
  markup_percent: z.number(),
  /** No price is below this, micro-USDC. */
  price_minimum: z.string(),
  regions: z.record(z.string(), RegionRates),
  /** Superseded cards that are honoured for the rest of their hour. */
  honoured: z.array(z.string()),
});
export type RatesReply = z.infer<typeof RatesReply>;
