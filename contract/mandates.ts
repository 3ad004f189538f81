/**
 * Mandates: renewals signed beforehand (contract section 5.5 c). An EIP-3009 authorization for each coming period, with a window that
 * opens when the period is due; the wallet's alarm settles it then, so the object lives on with its owner's machine switched off. No
 * custody and no subscription: what was not handed over cannot be charged, and each can be revoked here or on chain
 * (`cancelAuthorization`).
 */
import * as z from "zod";
import { AgentId, ObjectKey, WalletAddress, WholeNumber } from "./fields.ts";
import { PERIODS_AHEAD_MAX } from "./limits.ts";

const named = { wallet_address: WalletAddress, agent_id: AgentId.default("main"), object_key: ObjectKey };

/** GET|POST /mandates/terms: what to sign for the next periods of a stored object. */
export const MandateTermsRequest = z.strictObject({
  ...named,
  periods: WholeNumber(1, PERIODS_AHEAD_MAX).default(PERIODS_AHEAD_MAX),
});
export type MandateTermsRequest = z.infer<typeof MandateTermsRequest>;

export const MandateTerms = z.object({
  period_index: z.number().int(),
  /** Decimal micro-USDC; the price is locked when the signed mandate is handed over. */
  amount: z.string(),
  /** Unix seconds, as in the authorization. */
  valid_after: z.string(),
  valid_before: z.string(),
});
export type MandateTerms = z.infer<typeof MandateTerms>;

export const MandateTermsReply = z.object({
  order_id: z.string(),
  agent_id: z.string(),
  object_key: z.string(),
  network: z.string(),
  asset: z.string(),
  pay_to: z.string(),
  /** Bytes that S3 reports, which the price is for. */
  size_bytes: z.number(),
  rate_card: z.string(),
  /** In the order of their periods; periods that have a mandate already are left out. */
  terms: z.array(MandateTerms),
});
export type MandateTermsReply = z.infer<typeof MandateTermsReply>;

const Uint = z.string().regex(/^(?:0|[1-9][0-9]{0,30})$/, "wanted a decimal integer");
export const SignedMandate = z.strictObject({
  period_index: WholeNumber(1, 100_000),
  authorization: z.strictObject({
    from: WalletAddress,
    to: WalletAddress,
    value: Uint,
    validAfter: Uint,
    validBefore: Uint,
    nonce: z
      .string()
      .regex(/^0x[0-9a-fA-F]{64}$/, "wanted 0x and 64 hex digits")
      .transform((hex) => hex.toLowerCase() as `0x${string}`),
  }),
  signature: z
    .string()
    .regex(/^0x(?:[0-9a-fA-F]{2}){1,2048}$/, "wanted 0x and hex digits")
    .transform((hex) => hex as `0x${string}`),
});
export type SignedMandate = z.infer<typeof SignedMandate>;

/** POST /mandates/add: all are taken, or none. */
export const MandateAddRequest = z.strictObject({
  ...named,
  mandates: z.array(SignedMandate).min(1).max(PERIODS_AHEAD_MAX),
});
export type MandateAddRequest = z.infer<typeof MandateAddRequest>;

/** POST|DELETE /mandates/revoke: one period's mandate, or all of the object's. */
export const MandateRevokeRequest = z.strictObject({ ...named, period_index: WholeNumber(1, 100_000).optional() });
export type MandateRevokeRequest = z.infer<typeof MandateRevokeRequest>;

/** GET|POST /mandates/ls. */
export const MandateListRequest = z.strictObject({
  wallet_address: WalletAddress,
  agent_id: z.union([z.literal("*"), AgentId]).default("*"),
  object_key: ObjectKey.optional(),
});
export type MandateListRequest = z.infer<typeof MandateListRequest>;

export const Mandate = z.object({
  order_id: z.string(),
  agent_id: z.string(),
  object_key: z.string(),
  period_index: z.number().int(),
  amount: z.string(),
  /** When it is settled at the earliest, and until when it can be. */
  due: z.string(),
  valid_until: z.string(),
  nonce: z.string(),
  /**
   * `waiting` for its day, `settling`, `settled`; `retired`: its period was paid otherwise, or the object is gone; `revoked` by its
   * owner; `failed` for good (cancelled on chain, its window over). What waits no more has been erased here.
   */
  state: z.enum(["waiting", "settling", "settled", "retired", "revoked", "failed"]),
  /** Why the last attempt did not pay; it is tried again every hour while `waiting`. */
  reason: z.string().optional(),
  attempts: z.number().int(),
});
export type Mandate = z.infer<typeof Mandate>;

export const MandatesReply = z.object({ mandates: z.array(Mandate) });
export type MandatesReply = z.infer<typeof MandatesReply>;
