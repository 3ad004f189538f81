/**
 * The wire of uploads: targets to PUT to, the shape of a content in parts, and which hash is promised of it.
 *
 * One PUT: S3 verified the SHA-256 of the whole (`FULL_OBJECT`). Parts: S3 verified the SHA-256 of each part and knows of the whole
 * the composite, the SHA-256 over the parts' digests in order (it offers no SHA-256 of the whole for parts: "Checking object
 * integrity", checksum types). `content_sha256` is then the client's own word about the whole, kept and given back, and what is
 * promised, in `checksum` and in the receipt, is the composite with the part size it was made by.
 */
import * as z from "zod";
import { ContentMd5, Id, Sha256, WalletAddress } from "./fields.ts";
import { PART_BYTES_MAX, PART_BYTES_MIN, PARTS_MAX, PARTS_PER_ASK_MAX } from "./limits.ts";

/** One thing to send: `method` to `url` with exactly `headers`, bytes [offset, offset + length) of the sealed object. */
export const UploadTarget = z.object({
  part: z.number().int(),
  method: z.literal("PUT"),
  url: z.string(),
  headers: z.record(z.string(), z.string()),
  offset: z.number().int(),
  length: z.number().int(),
});
export type UploadTarget = z.infer<typeof UploadTarget>;

/** A client may choose its parts: all of this length, the last one shorter. */
export const PartBytes = z.number().int().min(PART_BYTES_MIN).max(PART_BYTES_MAX);

/** How a content goes up in parts. Targets are asked for, as the parts' hashes are known, at `POST /storage/upload/parts`. */
export const PartsPlan = z.object({
  part_bytes: z.number().int(),
  parts: z.number().int(),
  /** Numbers of the parts S3 holds as announced: not to be sent again. */
  stored: z.array(z.number().int()),
});
export type PartsPlan = z.infer<typeof PartsPlan>;

export const UploadPlan = z.object({
  plan: z.number().int(),
  s3_key: z.string(),
  expires_at: z.string(),
  /** One for one PUT; none yet where `multipart` says how to ask for them. */
  targets: z.array(UploadTarget),
  multipart: PartsPlan.optional(),
});
export type UploadPlan = z.infer<typeof UploadPlan>;

/** POST /storage/upload/parts. */
export const PartsRequest = z
  .strictObject({
    wallet_address: WalletAddress.optional(),
    order_id: Id,
    plan: z.number().int().min(1),
    /** Once announced, a part keeps its hash: other bytes are another content and need another plan. */
    parts: z
      .array(
        z.strictObject({ part: z.number().int().min(1).max(PARTS_MAX), sha256: Sha256, md5: ContentMd5.optional() }),
      )
      .min(1)
      .max(PARTS_PER_ASK_MAX),
  })
  .superRefine((request, context) => {
    if (new Set(request.parts.map(({ part }) => part)).size < request.parts.length)
      context.addIssue({ code: "custom", path: ["parts"], message: "a part is named twice" });
  });
export type PartsRequest = z.infer<typeof PartsRequest>;

export const PartsReply = z.object({
  order_id: z.string(),
  plan: z.number().int(),
  expires_at: z.string(),
  targets: z.array(UploadTarget),
});
export type PartsReply = z.infer<typeof PartsReply>;

/** What S3 verified of the stored bytes; hex. */
export const Checksum = z.discriminatedUnion("type", [
  z.object({ type: z.literal("FULL_OBJECT"), sha256: z.string() }),
  z.object({ type: z.literal("COMPOSITE"), sha256: z.string(), part_bytes: z.number().int(), parts: z.number().int() }),
]);
export type Checksum = z.infer<typeof Checksum>;
