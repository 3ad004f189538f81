/**
 * The browser view: a wallet proof mints a one-use code, the page trades it for a session, the session lists and downloads.
 * The names of the mint's reply are the published client's (`ls-web`).
 */
import * as z from "zod";
import { AgentId, KeyPrefix, ObjectKey, Region, WalletAddress, WholeNumber } from "./fields.ts";
import { LIST_KEYS_MAX } from "./limits.ts";
import { ListReply } from "./objects.ts";

/** POST /storage/ls-web/session. What the session may see: every agent's objects, or one agent's; of these, or those whose names begin so. */
export const BrowserCodeRequest = z.strictObject({
  wallet_address: WalletAddress.optional(),
  location: Region.optional(),
  region: Region.optional(),
  agent_id: z.union([z.literal("*"), AgentId]).default("*"),
  prefix: KeyPrefix.optional(),
});

export const BrowserCodeReply = z.object({
  success: z.literal(true),
  code: z.string(),
  /** Where to open it. The code is in the fragment, which no browser sends and no log keeps. */
  app: z.string(),
  /** Of the code; what it is traded for lives longer. */
  expires_at: z.string(),
});
export type BrowserCodeReply = z.infer<typeof BrowserCodeReply>;

/** POST /storage/ls-web/revoke: every code and every session of the wallet. */
export const BrowserRevokeRequest = z.strictObject({ wallet_address: WalletAddress.optional() });
export const BrowserRevokeReply = z.object({ success: z.literal(true), closed: z.number() });
export type BrowserRevokeReply = z.infer<typeof BrowserRevokeReply>;

/** POST /app/session. The cookie that comes with the reply is the session; the page never sees it. */
export const BrowserTradeRequest = z.strictObject({ code: z.string().max(256) });

/** Whose objects the page shows, and until when. */
export const BrowserSession = z.object({
  wallet_address: z.string(),
  /** Of the proofs the page asks a browser wallet for, and of the context objects are sealed under. */
  chain_id: z.number(),
  agent_id: z.string(),
  prefix: z.string().optional(),
  region: z.string().optional(),
  expires_at: z.string(),
});
export type BrowserSession = z.infer<typeof BrowserSession>;

/** POST /app/list. */
export const BrowserListRequest = z.strictObject({
  max_keys: WholeNumber(1, LIST_KEYS_MAX).default(LIST_KEYS_MAX),
  continuation_token: z.string().max(4096).optional(),
});

export const BrowserListReply = ListReply.extend({ session: BrowserSession });
export type BrowserListReply = z.infer<typeof BrowserListReply>;

/** POST /app/download: answers what POST /storage/download answers. */
export const BrowserDownloadRequest = z.strictObject({ object_key: ObjectKey, agent_id: AgentId });

/** POST /app/sign-out. */
export const BrowserSignOutRequest = z.strictObject({});
export const BrowserSignOutReply = z.object({ success: z.literal(true) });
