/**
 * What only the operator (setting OPERATORS) may ask: what the sweep is about to do, and that AWS be asked for its prices now. Amounts
 * and times as everywhere (contract/api.ts).
 */
import * as z from "zod";
import { WalletAddress, WholeNumber } from "./fields.ts";
import { DRY_RUN_ERRANDS_MAX, DRY_RUN_HOURS_MAX, DRY_RUN_WALLETS_MAX } from "./limits.ts";

/** GET /operator/sweep: a dry run. Nothing is changed by asking. */
export const DryRunRequest = z.strictObject({
  /** Of one wallet; without it of all, page by page. */
  wallet_address: WalletAddress.optional(),
  /** What is due within so many hours from now. */
  within_hours: WholeNumber(0, DRY_RUN_HOURS_MAX).default(24),
  /** Where an earlier answer left off. */
  after: z.string().max(64).optional(),
  /** Wallets on a page. */
  max: WholeNumber(1, DRY_RUN_WALLETS_MAX).default(DRY_RUN_WALLETS_MAX),
  /** Errands of each wallet. */
  max_errands: WholeNumber(1, DRY_RUN_ERRANDS_MAX).default(DRY_RUN_ERRANDS_MAX),
});
export type DryRunRequest = z.infer<typeof DryRunRequest>;

export const DryErrand = z.object({
  /**
   * `lapse`: the object ends and its bytes go. `erase`, `abort`: bytes, or parts never put together, of what has ended go.
   * `complete`: S3 is looked at for bytes nobody confirmed. `settle`: the chain is asked about a payment. `recheck`: one that landed is
   * watched until its block is final. `mandate`: a renewal signed beforehand is settled. `serve`: the bucket is tried once more, else
   * the amount becomes credit. `empty`: a bucket nothing is left in is removed. `forecast`: AWS is asked what storage will cost.
   */
  errand: z.enum(["lapse", "erase", "abort", "complete", "settle", "recheck", "mandate", "serve", "empty", "forecast"]),
  /** The order, payment, S3 key or bucket it is about. */
  subject: z.string(),
  /** Not before this. */
  at: z.string(),
  /** How often it was tried. */
  tries: z.number().int().optional(),
  /** Its time has come, and this is why it is not done. */
  waits_for: z.string().optional(),
  bucket: z.string().optional(),
  /** Of a lapse: what would end. */
  object: z
    .object({
      agent_id: z.string(),
      object_key: z.string(),
      state: z.enum(["paid", "stored"]),
      region: z.string(),
      size_bytes: z.number(),
      paid_through: z.string(),
      /** The wallet is owed something: that renews first, if it is enough. */
      credit_first: z.boolean(),
    })
    .optional(),
});
export type DryErrand = z.infer<typeof DryErrand>;

export const DryRunReply = z.object({
  now: z.string(),
  until: z.string(),
  /** Newest beat of each kind; a kind that is missing or old keeps everything from lapsing. */
  heartbeat: z.object({
    alive: z.boolean(),
    edge: z.string().optional(),
    rpc: z.string().optional(),
    relayer: z.string().optional(),
  }),
  /** Time of the newest block that cannot be taken back; absent while nobody says, and then nothing lapses. */
  chain_time: z.string().optional(),
  /** Only those that have something due. */
  wallets: z.array(
    z.object({
      wallet_address: z.string(),
      errands: z.array(DryErrand),
      /** There are more errands than were asked for. */
      more: z.boolean(),
    }),
  ),
  /** Wallets whose object did not answer: ask for them again. */
  silent: z.array(z.string()),
  /** Ask again with `after` this; a page may show few wallets and have more behind it. */
  next_after: z.string().nullable(),
});
export type DryRunReply = z.infer<typeof DryRunReply>;

/** GET /operator/rates, and POST /operator/rates/refresh. */
export const RatesStateRequest = z.strictObject({});

export const RatesStateReply = z.object({
  /** In the order they are asked; none where the checked-in card serves. */
  sources: z.array(z.string()),
  /** The card that is sold by now. */
  rate_card: z.string().nullable(),
  date: z.string().nullable(),
  source: z.string().nullable(),
  /** `due`: in a moment. `asking`: AWS has not told all so far. `waiting`: until `due_at`. `no_source`: nobody is asked. */
  state: z.enum(["due", "asking", "waiting", "no_source"]),
  due_at: z.string().nullable(),
  /** The last time AWS was asked, and what came of it; absent before the first time. */
  last: z
    .object({
      at: z.string(),
      /** Of the card that was taken; absent when none was. */
      rate_card: z.string().optional(),
      /** What each source said that told no price to be believed. */
      faults: z.array(z.object({ source: z.string(), detail: z.string() })),
    })
    .optional(),
});
export type RatesStateReply = z.infer<typeof RatesStateReply>;
