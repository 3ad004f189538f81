/**
 * What a wallet keeps: requests and replies of list, look, download and delete. Their field names are the published API's; what is
 * new stands beside it. Sizes are bytes, amounts decimal strings of micro-USDC, times ISO 8601 unless the field says seconds.
 */
import * as z from "zod";
import {
  AgentId,
  ByteRange,
  DownloadId,
  KeyPrefix,
  ObjectKey,
  Region,
  WalletAddress,
  WholeNumber,
  WrappedDek,
} from "./fields.ts";
import { DOWNLOAD_URL_TTL_MAX_S, LIST_KEYS_MAX } from "./limits.ts";
import { Checksum } from "./upload.ts";

/** GET|POST /storage/ls: with `object_key` one object, without it a page of them. */
export const ListRequest = z.strictObject({
  wallet_address: WalletAddress,
  object_key: ObjectKey.optional(),
  /** `*` for all agents. */
  agent_id: z.union([z.literal("*"), AgentId]).default("main"),
  location: Region.optional(),
  region: Region.optional(),
  prefix: KeyPrefix.optional(),
  max_keys: WholeNumber(1, LIST_KEYS_MAX).default(LIST_KEYS_MAX),
  continuation_token: z.string().max(4096).optional(),
});
export type ListRequest = z.infer<typeof ListRequest>;

export const ListedObject = z.object({
  key: z.string(),
  /** What S3 holds; 0 while nothing was uploaded. */
  size_bytes: z.number(),
  /** The same for people: 1 KB is 1,000 bytes. */
  size: z.string(),
  /** As S3 says; of an object without bytes, when it was paid. */
  last_modified: z.string(),
  agent_id: z.string(),
  order_id: z.string(),
  state: z.enum(["paid", "stored"]),
  /** What a paid object waits for: `confirm` when its bytes are there already. `operator`: bytes that were stored are not found. */
  awaiting: z.enum(["upload", "confirm", "operator"]).optional(),
  region: z.string(),
  bucket: z.string(),
  /** Empty while nothing is stored. */
  content_sha256: z.string(),
  /** What S3 verified; absent while nothing is stored. */
  checksum: Checksum.optional(),
  wrapped_dek: z.string().optional(),
  /** Room that was paid for. */
  size_bytes_max: z.number(),
  /** The next period is due when this one ends. */
  paid_through: z.string(),
  /** Ends after this, if nobody pays (or, while it is `paid`, sends its bytes); outages of ours are added. */
  delete_after: z.string(),
  /** Paid for this period. */
  amount: z.string(),
  /** What another period costs by today's card; absent where there is none. */
  next_amount: z.string().optional(),
  downloads_left: z.number(),
  download_bytes_left: z.number(),
  trans_id: z.string(),
});
export type ListedObject = z.infer<typeof ListedObject>;

export const ListReply = z.object({
  success: z.literal(true),
  list_mode: z.literal(true),
  bucket: z.string(),
  objects: z.array(ListedObject),
  /** More may follow: ask again with the token. A page may hold fewer than were asked for, and none. */
  is_truncated: z.boolean(),
  next_continuation_token: z.string().nullable(),
  /** List calls left, and until when; absent where the answer was free. */
  lists_left: z.number().optional(),
  allowance_until: z.string().optional(),
  /** What is left of a pack that was bought beyond the allowance. */
  pack_lists_left: z.number().optional(),
  pack_until: z.string().optional(),
});
export type ListReply = z.infer<typeof ListReply>;

export const StatReply = ListedObject.extend({ success: z.literal(true) });
export type StatReply = z.infer<typeof StatReply>;

/** GET|POST /storage/download. */
export const DownloadRequest = z.strictObject({
  wallet_address: WalletAddress,
  object_key: ObjectKey,
  agent_id: AgentId.default("main"),
  location: Region.optional(),
  region: Region.optional(),
  expires_in_seconds: WholeNumber(1, DOWNLOAD_URL_TTL_MAX_S).optional(),
  /** As in HTTP: `bytes=0-99`, `bytes=100-` or `bytes=-100`. The URL admits these bytes and debits no others. */
  range: ByteRange.optional(),
  /** The reader's own name for this download. Asked again under it within an hour, bytes that it was debited for are not debited again. */
  download_id: DownloadId.optional(),
});
export type DownloadRequest = z.infer<typeof DownloadRequest>;

export const DownloadReply = z.object({
  download_url: z.string(),
  /** What the GET must send; empty unless a range was asked for. */
  download_headers: z.record(z.string(), z.string()),
  object_key: z.string(),
  agent_id: z.string(),
  expires_in_seconds: z.number(),
  expires_at: z.string(),
  order_id: z.string(),
  /** Of the whole object. */
  size_bytes: z.number(),
  /** The bytes this URL can fetch, where it is for a part: first and last, as HTTP counts. */
  range: z.object({ first: z.number(), last: z.number() }).optional(),
  content_sha256: z.string(),
  checksum: Checksum,
  wrapped_dek: z.string().optional(),
  /** The next period is due when this one ends. */
  paid_through: z.string(),
  /** Erased after this, if nobody pays; outages of ours are added. */
  delete_after: z.string(),
  /** What another period costs by today's card; absent where there is none. */
  next_amount: z.string().optional(),
  /** Whole downloads that are left of this paid period, and the bytes they are made of. */
  downloads_left: z.number(),
  download_bytes_left: z.number(),
  /** When the next paid period begins, with an allowance of its own. */
  allowance_until: z.string(),
  /** What is left of a pack that was bought beyond the allowance. */
  pack_bytes_left: z.number().optional(),
  pack_until: z.string().optional(),
});
export type DownloadReply = z.infer<typeof DownloadReply>;

/** POST|DELETE /storage/delete. */
export const DeleteRequest = z.strictObject({
  wallet_address: WalletAddress,
  object_key: ObjectKey,
  agent_id: AgentId.default("main"),
  location: Region.optional(),
  region: Region.optional(),
});
export type DeleteRequest = z.infer<typeof DeleteRequest>;

export const DeleteReply = z.object({
  success: z.literal(true),
  key: z.string(),
  bucket: z.string(),
  /** Always false: an emptied bucket is removed later, when nothing names it any more. */
  bucket_deleted: z.boolean(),
  order_id: z.string(),
});
export type DeleteReply = z.infer<typeof DeleteReply>;

/**
 * POST /storage/rewrap: the object's key under another key of the wallet's, after a rotation. The bytes stay; from now on downloads
 * and lists answer this one. `replaces` is the one in force, so that nobody undoes what he has not seen.
 */
export const RewrapRequest = z.strictObject({
  wallet_address: WalletAddress,
  object_key: ObjectKey,
  agent_id: AgentId.default("main"),
  replaces: WrappedDek,
  wrapped_dek: WrappedDek.min(1),
});
export type RewrapRequest = z.infer<typeof RewrapRequest>;

export const RewrapReply = z.object({
  success: z.literal(true),
  object_key: z.string(),
  agent_id: z.string(),
  order_id: z.string(),
  /** Of the bytes that the wrapped key is for. */
  content_sha256: z.string(),
  wrapped_dek: z.string(),
});
export type RewrapReply = z.infer<typeof RewrapReply>;
