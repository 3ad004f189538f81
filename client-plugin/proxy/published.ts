/**
 * The published proxy's routes, for callers that know them (and present the token): they sign and pay through this machine's
 * wallet. What comes is checked against the wallet, and what is paid is what this machine was quoted.
 */
import { createHash } from "node:crypto";
import * as z from "zod";
import { Sha256, WalletAddress, WrappedDek } from "#contract/fields";
import { parseMicroUsdc } from "#contract/money";
import type { SettleReply } from "#contract/settling";
import type { Core } from "../core.ts";
import { Fault } from "../faults.ts";
import type { Session } from "../session.ts";
import { purchaseOf } from "../state/operations.ts";

const Named = z.looseObject({ wallet_address: WalletAddress, object_key: z.string() });
const Price = z.looseObject({
  wallet_address: WalletAddress,
  object_id: z.string(),
  object_id_hash: z.string(),
  gb: z.union([z.number(), z.string()]),
  provider: z.string().optional(),
  region: z.string(),
});
const Settle = z.looseObject({ wallet_address: WalletAddress, quote_id: z.string() });
const Upload = z.looseObject({
  wallet_address: WalletAddress,
  quote_id: z.string(),
  object_id: z.string(),
  object_id_hash: z.string(),
  object_key: z.string().optional(),
  payload: z.looseObject({
    mode: z.enum(["inline", "presigned"]).default("inline"),
    content_base64: z.base64().optional(),
    content_sha256: Sha256,
    content_length_bytes: z.number().int().positive(),
    wrapped_dek: WrappedDek,
  }),
});
const Confirm = z.looseObject({
  wallet_address: WalletAddress,
  quote_id: z.string(),
  object_key: z.string().optional(),
  idempotency_key: z.string().optional(),
});
const Listing = z.looseObject({ wallet_address: WalletAddress, object_key: z.string().optional() });

type Route = (session: Session, body: unknown, core: Core) => Promise<unknown>;

export const PUBLISHED_ROUTES: Readonly<Record<string, Route>> = {
  "/mnemospark/price-storage": async (session, body) => {
    const { object_id, object_id_hash, gb, region } = read(session, Price, body);
    const price = await session.api.price({ object_id, object_id_hash, gb, region });
    session.catalogue.keepQuote({
      quoteId: price.quote_id,
      agentId: price.agent_id,
      objectKey: price.object_key,
      path: undefined,
      amount: price.amount,
      sizeBytesMax: price.size_bytes_max,
      region,
      expiresMs: Date.parse(price.expires_at),
    });
    return price;
  },

  "/mnemospark/payment/settle": async (session, body) => settle(session, read(session, Settle, body).quote_id),

  "/mnemospark/upload": async (session, body) => {
    const asked = read(session, Upload, body);
    const { payload } = asked;
    const content = payload.mode === "inline" ? contentOf(payload) : undefined;
    await settle(session, asked.quote_id);
    const upload = await session.api.upload({
      quote_id: asked.quote_id,
      object_id: asked.object_id,
      object_id_hash: asked.object_id_hash,
      ...(asked.object_key === undefined ? {} : { object_key: asked.object_key }),
      content_length_bytes: payload.content_length_bytes,
      content_sha256: payload.content_sha256,
      wrapped_dek: payload.wrapped_dek,
    });
    if (content === undefined || upload.already_stored) return upload;
    const { "content-length": _, ...headers } = upload.upload_headers;
    const sent = await fetch(upload.upload_url, { method: "PUT", headers, body: content, redirect: "error" });
    if (!sent.ok && sent.status !== 412)
      throw new Fault("transfer", `S3 refused the upload: ${sent.status}.`, { retryable: true });
    return session.api.confirm({ order_id: upload.order_id, plan: upload.plan.plan });
  },

  "/mnemospark/upload/confirm": async (session, body) => {
    const { quote_id, object_key, idempotency_key } = read(session, Confirm, body);
    return session.api.confirm({
      quote_id,
      ...(object_key === undefined ? {} : { object_key }),
      ...(idempotency_key === undefined ? {} : { idempotency_key }),
    });
  },

  "/mnemospark/storage/ls": async (session, body) => {
    const { object_key } = read(session, Listing, body);
    return object_key === undefined ? session.api.list() : session.api.stat({ object_key });
  },

  "/mnemospark/storage/ls-web/session": async (session, body) => {
    read(session, Listing, body);
    return session.api.browserCode();
  },

  "/mnemospark/storage/download": async (session, body, core) => {
    const { object_key } = read(session, Named, body);
    const file = await core.fetch({ objectKey: object_key });
    return { success: true, key: object_key, file_path: file.path, bytes_written: file.contentBytes };
  },

  "/mnemospark/storage/delete": async (session, body, core) => {
    const { object_key } = read(session, Named, body);
    const done = await core.remove({ objectKey: object_key });
    return { success: true, key: object_key, bucket_deleted: done.bucketDeleted };
  },
};

/** Pays a quote that this machine asked for: its amount is in the journal, and nothing above it is signed. */
async function settle(session: Session, quoteId: string): Promise<SettleReply> {
  const held = session.catalogue.quote(quoteId);
  const amountMax = held === undefined ? undefined : parseMicroUsdc(held.amount);
  if (held === undefined || amountMax === undefined)
    throw new Fault("quote_not_found", `This machine asked for no quote ${quoteId}.`, {
      next: "Ask for a price here first.",
    });
  const purchase = purchaseOf({ kind: "store", agentId: held.agentId, objectKey: held.objectKey });
  await session.clearToPay(purchase, amountMax);
  const reply = await session.api.settle({ quote_id: quoteId }, { held: { amountMax, purchase } });
  session.paid(purchase, reply.trans_id);
  return reply;
}

function read<T extends z.ZodType<{ wallet_address: string }>>(
  session: Session,
  schema: T,
  body: unknown,
): z.output<T> {
  const parsed = schema.safeParse(body);
  if (!parsed.success) {
    const issues = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
    throw new Fault("bad_arguments", issues.join("; "));
  }
  if (parsed.data.wallet_address !== session.wallet.address)
    throw new Fault("wallet_proof_invalid", `wallet_address is not this machine's wallet, ${session.wallet.address}.`);
  return parsed.data;
}

/** Looked at before anything is paid for it. */
function contentOf(payload: z.output<typeof Upload>["payload"]): Buffer<ArrayBuffer> {
  const content = Buffer.from(payload.content_base64 ?? "", "base64");
  const sum = createHash("sha256").update(content).digest("hex");
  if (content.length === payload.content_length_bytes && sum === payload.content_sha256) return content;
  throw new Fault("content_mismatch", "content_base64 is not what content_length_bytes and content_sha256 say.");
}
