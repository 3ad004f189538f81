/**
 * Request and reply of every route, once. The edge parses requests with these, the client parses replies with these, and the
 * types are inferred, never written a second time. Field names are the published API's where it had one; what is new stands
 * beside it. Sizes are bytes, amounts decimal strings of micro-USDC, times ISO 8601 unless the field says seconds.
 */
import * as z from "zod";
import { StorageReceipt } from "./artefacts.ts";
import {
  AgentId,
  Ciphertext,
  ContentMd5,
  Gigabytes,
  Id,
  IdempotencyKey,
  ObjectId,
  ObjectKey,
  Region,
  Sha256,
  SizeBytes,
  WalletAddress,
  WrappedDek,
} from "./fields.ts";
import { SiwxChallenge } from "./siwx.ts";
import { Checksum, PartBytes, UploadPlan } from "./upload.ts";
import { objectKeyFault } from "./wallet.ts";

/** POST /price-storage. Size by `size_bytes` (exact length of what will be PUT) or by the old `gb` (plaintext size). */
export const PriceRequest = z
  .strictObject({
    wallet_address: WalletAddress,
    object_id: ObjectId,
    object_id_hash: z.string().min(1).max(256).optional(),
    object_key: ObjectKey.optional(),
    agent_id: AgentId.default("main"),
    gb: Gigabytes.optional(),
    size_bytes: SizeBytes.optional(),
    provider: z
      .string()
      .transform((name) => name.toLowerCase())
      .pipe(z.literal("aws"))
      .default("aws"),
    region: Region,
  })
  .superRefine((request, context) => {
    if ((request.gb === undefined) === (request.size_bytes === undefined))
      context.addIssue({ code: "custom", path: ["size_bytes"], message: "give either size_bytes or gb" });
    const fault = request.object_key === undefined ? objectKeyFault(request.object_id) : undefined;
    if (fault) context.addIssue({ code: "custom", path: ["object_id"], message: `as object_key it ${fault}` });
  });
export type PriceRequest = z.infer<typeof PriceRequest>;

/** What a price is made of, micro-USDC; `total` is what will be asked, the parts explain it. */
export const PriceParts = z.object({
  storage: z.string(),
  requests: z.string(),
  egress: z.string(),
  markup: z.string(),
  minimum_applied: z.boolean(),
  total: z.string(),
});
export type PriceParts = z.infer<typeof PriceParts>;

export const PriceReply = z.object({
  timestamp: z.string(),
  quote_id: z.string(),
  storage_price: z.number(),
  addr: z.string(),
  object_id: z.string(),
  object_id_hash: z.string(),
  object_size_gb: z.number(),
  provider: z.string(),
  location: z.string(),
  object_key: z.string(),
  agent_id: z.string(),
  amount: z.string(),
  size_bytes_max: z.number(),
  parts: PriceParts,
  included: z.object({ days: z.number(), downloads: z.number(), lists: z.number() }),
  rate_card: z.string(),
  expires_at: z.string(),
});
export type PriceReply = z.infer<typeof PriceReply>;

/**
 * POST /storage/upload. With `quote_id` or `order_id`: use what was bought. Without: buy by x402 in two calls.
 * `ciphertext` makes it `inline`: the bytes come along and are stored at once. Anything else is `presigned`.
 */
export const UploadRequest = z
  .strictObject({
    wallet_address: WalletAddress.optional(),
    quote_id: Id.optional(),
    order_id: Id.optional(),
    object_id: ObjectId.optional(),
    object_id_hash: z.string().min(1).max(256).optional(),
    object_key: ObjectKey.optional(),
    agent_id: AgentId.default("main"),
    region: Region.optional(),
    location: Region.optional(),
    provider: z.string().optional(),
    /** `multipart`: in parts, resumable; more than S3 takes in one PUT goes up in parts unasked. */
    mode: z.enum(["inline", "presigned", "multipart"]).optional(),
    part_bytes: PartBytes.optional(),
    ciphertext: Ciphertext.optional(),
    /** Exact length and SHA-256 of the bytes that will be PUT: the URLs admit nothing else. Inline they are checked if given. */
    content_length_bytes: SizeBytes.optional(),
    content_sha256: Sha256.optional(),
    /** Signed into the URL as well, for senders whose library writes the header anyway; S3 then checks both. */
    content_md5: ContentMd5.optional(),
    wrapped_dek: WrappedDek.optional(),
  })
  .superRefine((request, context) => {
    if (request.quote_id !== undefined && request.order_id !== undefined)
      context.addIssue({ code: "custom", path: ["order_id"], message: "give quote_id or order_id, not both" });
    const inline = request.ciphertext !== undefined;
    const missing = (name: string, message: string) => context.addIssue({ code: "custom", path: [name], message });
    if (request.mode !== undefined && (request.mode === "inline") !== inline)
      missing(
        "ciphertext",
        inline ? `mode ${request.mode} takes no bytes here` : "mode inline wants the bytes in base64",
      );
    else if (!inline && request.content_length_bytes === undefined)
      missing("content_length_bytes", "wanted: the URL admits exactly that");
    else if (!inline && request.content_sha256 === undefined)
      missing("content_sha256", "wanted: the URL admits exactly that");
    // Never taken and then not checked.
    if (request.content_md5 !== undefined && (inline || request.mode === "multipart"))
      missing("content_md5", inline ? "is for a URL; inline send content_sha256" : "parts have an md5 of their own");
    const bare = request.quote_id === undefined && request.order_id === undefined;
    if (request.part_bytes !== undefined && request.mode !== "multipart")
      context.addIssue({ code: "custom", path: ["part_bytes"], message: "parts are for mode multipart" });
    if (bare && request.object_key === undefined && request.object_id === undefined)
      context.addIssue({ code: "custom", path: ["object_key"], message: "a purchase needs a name" });
    const fault = bare && request.object_key === undefined ? objectKeyFault(request.object_id ?? "") : undefined;
    if (fault) context.addIssue({ code: "custom", path: ["object_id"], message: `as object_key it ${fault}` });
  });
export type UploadRequest = z.infer<typeof UploadRequest>;

export const UploadReply = z.object({
  quote_id: z.string(),
  order_id: z.string(),
  addr: z.string(),
  addr_hash: z.string(),
  trans_id: z.string(),
  storage_price: z.number(),
  amount: z.string(),
  object_id: z.string(),
  object_key: z.string(),
  agent_id: z.string(),
  provider: z.string(),
  bucket_name: z.string(),
  location: z.string(),
  paid_through: z.string(),
  ticket: z.string(),
  confirmation_required: z.boolean(),
  /** These very bytes are stored already: nothing to PUT. */
  already_stored: z.boolean(),
  /** The only target of one PUT; empty where the plan has parts. */
  upload_url: z.string(),
  upload_headers: z.record(z.string(), z.string()),
  plan: UploadPlan,
});
export type UploadReply = z.infer<typeof UploadReply>;

/** POST /storage/upload/confirm. */
export const ConfirmRequest = z
  .strictObject({
    wallet_address: WalletAddress.optional(),
    order_id: Id.optional(),
    quote_id: Id.optional(),
    object_key: ObjectKey.optional(),
    idempotency_key: IdempotencyKey.optional(),
    plan: z.number().int().min(1).optional(),
  })
  .superRefine((request, context) => {
    if ((request.order_id === undefined) === (request.quote_id === undefined))
      context.addIssue({ code: "custom", path: ["order_id"], message: "give either order_id or quote_id" });
  });
export type ConfirmRequest = z.infer<typeof ConfirmRequest>;

export const ConfirmReply = UploadReply.omit({ plan: true, upload_url: true, upload_headers: true }).extend({
  state: z.literal("stored"),
  size_bytes: z.number(),
  content_sha256: z.string(),
  checksum: Checksum,
  s3_key: z.string(),
  confirmation_required: z.literal(false),
  /** Signed by the service, where it has a receipt key. */
  receipt: StorageReceipt.optional(),
});
export type ConfirmReply = z.infer<typeof ConfirmReply>;

/** 207: paid, and the bytes sent inline could not be stored now. The same request again finishes it; nothing is paid again. */
export const UploadFailedReply = UploadReply.omit({ plan: true, upload_url: true, upload_headers: true })
  .omit({ bucket_name: true, confirmation_required: true, already_stored: true })
  .extend({ upload_failed: z.literal(true), error: z.string(), message: z.string() });
export type UploadFailedReply = z.infer<typeof UploadFailedReply>;

/** GET /auth/challenge: for which request the sign-in will be. */
export const ChallengeRequest = z.strictObject({
  method: z.enum(["GET", "POST"]).default("POST"),
  path: z.string().max(512).default("/auth/session"),
});

export const ChallengeReply = z.object({ extensions: z.object({ "sign-in-with-x": SiwxChallenge }) });
export type ChallengeReply = z.infer<typeof ChallengeReply>;

/** POST /auth/session. */
export const SessionRequest = z.strictObject({ wallet_address: WalletAddress.optional() });
export const SessionReply = z.object({
  token: z.string(),
  token_type: z.literal("Bearer"),
  scope: z.literal("read"),
  wallet_address: z.string(),
  expires_at: z.string(),
});
export type SessionReply = z.infer<typeof SessionReply>;

export const Problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number(),
  detail: z.string(),
  instance: z.string(),
  error: z.string(),
  message: z.string(),
  code: z.string(),
  retryable: z.boolean(),
  next_action: z.string(),
  request_id: z.string(),
});
export type Problem = z.infer<typeof Problem>;

export const HealthReply = z.object({
  ok: z.boolean(),
  chain_id: z.number(),
  network: z.string(),
  asset: z.string(),
  pay_to: z.string(),
  regions: z.array(z.string()),
  rate_card: z.string(),
  /** Whose signature is on offers and receipts, where they are given. */
  receipt_signer: z.string().optional(),
});
export type HealthReply = z.infer<typeof HealthReply>;
