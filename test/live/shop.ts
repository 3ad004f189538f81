/** The ordinary steps of a purchase, by hand: what the refusals are tried against and the money facts are counted on. */
import { createHash } from "node:crypto";
import type { PrivateKeyAccount } from "viem/accounts";
import { ConfirmReply, PriceReply, UploadReply } from "#contract/api";
import { base64ToJson, jsonToBase64 } from "#contract/base64";
import { type Ask, ask, read, type Said } from "./door.ts";
import { type PaymentLie, required, type Signed, sign } from "./purse.ts";

export const REGION = "us-east-1";

export interface Content {
  readonly bytes: Buffer;
  readonly sha256: string;
}

export const sha256Of = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

export function contentOf(text: string): Content {
  const bytes = Buffer.from(text);
  return { bytes, sha256: sha256Of(bytes) };
}

export function uploadBody(name: string, content: Content, more: object = {}) {
  const { bytes, sha256 } = content;
  return { object_key: name, content_length_bytes: bytes.length, content_sha256: sha256, region: REGION, ...more };
}

/** Asks without paying, and signs what the 402 says. */
export async function offerFor(edge: string, buyer: PrivateKeyAccount, asked: Ask, lie?: PaymentLie): Promise<Signed> {
  const said = await ask(edge, asked);
  if (said.status !== 402) throw new Error(`wanted a 402, got ${said.status}: ${JSON.stringify(said.json)}`);
  return sign(buyer, required(said.headers), lie);
}

export interface Bought {
  readonly asked: Ask;
  readonly signed: Signed;
  readonly said: Said;
}

/** A bare purchase in two calls, by a payer who shows nothing but the payment. */
export async function buy(
  edge: string,
  buyer: PrivateKeyAccount,
  name: string,
  content: Content,
  more: object = {},
): Promise<Bought> {
  const asked = { path: "/storage/upload", body: uploadBody(name, content, more) };
  const signed = await offerFor(edge, buyer, asked);
  const paid = paying(asked, signed);
  return { asked: paid, signed, said: await untilAnswered(edge, paid) };
}

/** As a client does that was told to wait: the very same request again. */
export async function untilAnswered(edge: string, asked: Ask, withinMs = 20_000): Promise<Said> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const said = await ask(edge, asked);
    const waiting = said.status === 202 || said.json["code"] === "payment_pending";
    if (!waiting || Date.now() > deadline) return said;
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}

export function paying(asked: Ask, signed: Signed): Ask {
  return { ...asked, headers: { ...asked.headers, "payment-signature": signed.header } };
}

export function priceOf(edge: string, buyer: PrivateKeyAccount, name: string, sizeBytes: number, more: object = {}) {
  const body = { wallet_address: buyer.address, object_id: name, size_bytes: sizeBytes, region: REGION, ...more };
  return ask(edge, { path: "/price-storage", by: buyer, body }).then((said) => read(PriceReply, said));
}

export async function put(plan: UploadReply, bytes: Buffer, lie: Record<string, string> = {}): Promise<Response> {
  // fetch writes the length of its body by itself and refuses to be told.
  const { "content-length": _, ...headers } = plan.upload_headers;
  return fetch(plan.upload_url, { method: "PUT", headers: { ...headers, ...lie }, body: new Uint8Array(bytes) });
}

/** S3's own word for what it refused. */
export async function refusedBy(response: Response): Promise<string> {
  return `${response.status} ${/<Code>([^<]*)</.exec(await response.text())?.[1] ?? ""}`;
}

export function confirm(edge: string, plan: UploadReply): Promise<Said> {
  const headers = { "x-mnemospark-ticket": plan.ticket };
  return ask(edge, { path: "/storage/upload/confirm", body: { order_id: plan.order_id }, headers });
}

/** Bought, sent and confirmed. */
export async function storeBytes(edge: string, buyer: PrivateKeyAccount, name: string, content: Content) {
  const { said } = await buy(edge, buyer, name, content);
  const plan = read(UploadReply, said);
  const sent = await put(plan, content.bytes);
  if (!sent.ok) throw new Error(`S3 refused: ${await refusedBy(sent)}`);
  return { plan, confirmed: read(ConfirmReply, await confirm(edge, plan)) };
}

/** The same payment with a payment identifier written in, as a client's extension does it. */
export function identified(asked: Ask, id: string): Ask {
  const payload = base64ToJson(asked.headers?.["payment-signature"] ?? "") as Record<string, unknown>;
  const extensions = { "payment-identifier": { info: { required: false, id }, schema: { type: "object" } } };
  return { ...asked, headers: { ...asked.headers, "payment-signature": jsonToBase64({ ...payload, extensions }) } };
}

export async function paidUnder(edge: string, account: PrivateKeyAccount, asked: Ask, id: string): Promise<Ask> {
  return identified(paying(asked, await offerFor(edge, account, asked)), id);
}
