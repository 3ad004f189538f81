/** Who is there when something is refused, and what an honest request looks like. */
import type { PrivateKeyAccount } from "viem/accounts";
import { UploadReply } from "#contract/api";
import { type Ask, read } from "../../door.ts";
import { buy, contentOf, priceOf, REGION, storeBytes, uploadBody } from "../../shop.ts";
import type { Live } from "../../stack.ts";

/** A wallet with a quote, an object and an unsent order; and another wallet with a quote and an order. */
export interface Scene {
  readonly edge: string;
  readonly owner: PrivateKeyAccount;
  readonly other: PrivateKeyAccount;
  readonly quoteId: string;
  readonly unsent: UploadReply;
  readonly foreignQuoteId: string;
  readonly foreign: UploadReply;
}

export const kept = contentOf("kept by the owner");
export const wanted = contentOf("wanted, never bought");
/** Nobody buys this name. */
export const NAME = "never-bought";
export const DAY_S = 86_400n;

export async function open(live: Live): Promise<Scene> {
  const { edge } = live;
  const [owner, other] = [live.wallet(), live.wallet()];
  const [quote, foreignQuote] = await Promise.all([
    priceOf(edge, owner, NAME, 1_000),
    priceOf(edge, other, NAME, 1_000),
    storeBytes(edge, owner, "kept", kept),
  ]);
  const [unsent, foreign] = await Promise.all([buy(edge, owner, "unsent", wanted), buy(edge, other, "unsent", wanted)]);
  return {
    edge,
    owner,
    other,
    quoteId: quote.quote_id,
    unsent: read(UploadReply, unsent.said),
    foreignQuoteId: foreignQuote.quote_id,
    foreign: read(UploadReply, foreign.said),
  };
}

export interface Case {
  readonly what: string;
  readonly ask: (scene: Scene) => Ask | Promise<Ask>;
  readonly is: readonly [status: number, code: string];
  readonly says: RegExp;
}

export const price = (more: object): Case["ask"] => pricing((owner) => ({ ...honest(owner), ...more }));
export const pricing =
  (body: (owner: PrivateKeyAccount) => object | string, more: Partial<Ask> = {}): Case["ask"] =>
  ({ owner }) => ({ path: "/price-storage", by: owner, body: body(owner), ...more });
export const honest = (owner: PrivateKeyAccount) => ({
  wallet_address: owner.address,
  object_id: NAME,
  size_bytes: 10,
  region: REGION,
});
export const sized = (gb: unknown) =>
  pricing((owner) => ({ wallet_address: owner.address, object_id: NAME, region: REGION, gb }));
export const bare =
  (more: object): Case["ask"] =>
  () => ({ path: "/storage/upload", body: uploadBody(NAME, wanted, more) });

export const malformed = [400, "malformed"] as const;
export const invalid = [402, "payment_invalid"] as const;
export const payload = [400, "invalid_payload"] as const;
export const proofless = [401, "proof_invalid"] as const;
