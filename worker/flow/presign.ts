/** 3. A paid order becomes an upload plan: its bucket exists, and URLs admit exactly the announced bytes, whole or in parts. */
import type { UploadReply } from "#contract/api";
import { type Refusal, refuse } from "#contract/errors";
import { UPLOAD_URL_TTL_S } from "#contract/limits";
import { toDisplayDollars } from "#contract/money";
import { partCount, partSpan } from "#contract/parts";
import type { Checksum } from "#contract/upload";
import { addrHash, type Wallet } from "#contract/wallet";
import type { Announced } from "#rules/content";
import type { KeyUse } from "../../durable/keys.ts";
import type { Order } from "../../durable/orders.ts";
import type { Planned, Sending } from "../../durable/planning.ts";
import type { Asker, BucketTry, Content, Plan } from "../../durable/plans.ts";
import type { ObjectPlace, StoredPart } from "../../durable/ports.ts";
import type { ProofUse } from "../../durable/proofs.ts";
import type { OrderRef } from "../../durable/refs.ts";
import type { Ports } from "./ports.ts";

export interface PlanAsk {
  readonly wallet: Wallet;
  readonly proof: ProofUse | undefined;
  readonly ref: OrderRef;
  readonly content: Content;
  /** The content itself, where it came along. */
  readonly bytes: Uint8Array | undefined;
  /** For this URL alone: the content is named by its SHA-256. */
  readonly md5: string | undefined;
  readonly asker: Asker;
  readonly key: KeyUse | undefined;
  readonly objectKey: string | undefined;
}

/** Names of a squatted bucket are passed over, an upload is opened; so many steps in a row are somebody's attack and ours to look at. */
const STEPS_MAX = 7;

export async function presign(ports: Ports, ask: PlanAsk): Promise<{ ok: true; reply: UploadReply } | Refusal> {
  for (let tries = 0; tries <= STEPS_MAX; tries++) {
    const step = await planned(ports, ask);
    if (!step.ok) return step;
    const { plan } = step;
    if (plan.partBytes === undefined) return { ok: true, reply: await replyOf(ports, ask, step) };
    const stored = await storedParts(ports, step);
    if (stored.end === "unknown") return unavailable("S3 cannot be asked which parts it holds", stored.detail);
    if (stored.end === "done")
      return { ok: true, reply: partsReplyOf(ports, ask.wallet, step, plan.partBytes, stored.parts) };
    await ports.wallet(ask.wallet).forgetParts(step.order.orderId, plan.plan, plan.uploadId ?? "");
  }
  return unavailable("an upload for parts vanishes as soon as it is opened", "see the bucket's lifecycle");
}

/** Asks for the plan until the bucket it needs is there, and the upload for its parts if it has any. */
export async function planned(
  ports: Ports,
  ask: PlanAsk,
): Promise<Extract<Planned, { readonly step: "put" }> | Refusal> {
  const wallet = ports.wallet(ask.wallet);
  for (let tries = 0; tries <= STEPS_MAX; tries++) {
    const step = await wallet.plan(ask.proof, ask.ref, ask.content, ask.asker, ask.key, ask.objectKey);
    if (!step.ok) return step;
    if (step.step === "put") return step;
    const refused = await (step.step === "bucket"
      ? makeBucket(ports, ask.wallet, step)
      : openParts(ports, ask.wallet, step));
    if (refused) return refused;
  }
  return refuse("storage_unavailable", "no bucket name is free for this wallet; the operator was told", {
    retryAfterS: 600,
  });
}

async function makeBucket(
  ports: Ports,
  wallet: Wallet,
  { bucket }: { readonly bucket: BucketTry },
): Promise<Refusal | undefined> {
  const end = await ports.store.ensureBucket({ ...bucket, wallet });
  if (end.end === "unknown") return unavailable("the bucket cannot be made now", end.detail);
  await ports.wallet(wallet).finishBucket(bucket, end.end);
  return undefined;
}

async function openParts(
  ports: Ports,
  wallet: Wallet,
  { order, plan, place }: { readonly order: Order; readonly plan: Plan; readonly place: ObjectPlace },
): Promise<Refusal | undefined> {
  const opened = await ports.store.beginParts({ ...place, wrappedDek: plan.wrappedDek });
  if (opened.end === "unknown") return unavailable("an upload for parts cannot be opened now", opened.detail);
  const { uploadId } = await ports.wallet(wallet).finishParts(order.orderId, plan.plan, opened.uploadId);
  // Two asked at once and both opened one. A failed abort costs nothing: it has no parts, and the bucket's lifecycle ends it.
  if (uploadId !== opened.uploadId) await ports.store.abortParts({ ...place, uploadId: opened.uploadId });
  return undefined;
}

function unavailable(what: string, detail: string): Refusal {
  return refuse("storage_unavailable", `${what} (${detail}); what was paid stays paid`, { retryAfterS: 5 });
}

/** Which parts need not be sent: as S3 lists them, or all of them when they are an object already. */
async function storedParts(ports: Ports, { plan, place, pins }: Sending) {
  const all = Array.from(
    { length: partCount(plan.lengthBytes, plan.partBytes ?? plan.lengthBytes) },
    (_, at) => at + 1,
  );
  if (plan.state === "stored" || plan.uploadId === undefined) return { end: "done" as const, parts: all };
  const listed = await ports.store.listParts({ ...place, uploadId: plan.uploadId });
  if (listed.end === "unknown") return listed;
  if (listed.end === "done") {
    const held = new Map(listed.parts.map((part) => [part.part, part]));
    return { end: "done" as const, parts: all.filter((part) => isHeld(held.get(part), plan, pins[part - 1] ?? "")) };
  }
  // Put together already, by a confirm whose answer was lost: only the confirming is left. Else it was aborted.
  const seen = await ports.store.look(place);
  if (seen.end === "unknown") return seen;
  return seen.end === "found" ? { end: "done" as const, parts: all } : { end: "vanished" as const };
}

function isHeld(stored: StoredPart | undefined, plan: Plan, pin: string): boolean {
  const span = stored && partSpan(plan.lengthBytes, plan.partBytes ?? plan.lengthBytes, stored.part);
  return (
    span !== undefined && pin !== "" && stored?.lengthBytes === span.lengthBytes && (stored.sha256Hex ?? pin) === pin
  );
}

function partsReplyOf(
  ports: Ports,
  wallet: Wallet,
  { order, plan, place, txHash }: Sending,
  partBytes: number,
  stored: number[],
): UploadReply {
  return {
    ...orderFacts(ports, wallet, order, txHash),
    bucket_name: place.bucket,
    confirmation_required: true,
    already_stored: plan.state === "stored",
    upload_url: "",
    upload_headers: {},
    plan: {
      plan: plan.plan,
      s3_key: plan.s3Key,
      expires_at: new Date(plan.urlUntilMs).toISOString(),
      targets: [],
      multipart: { part_bytes: partBytes, parts: partCount(plan.lengthBytes, partBytes), stored },
    },
  };
}

async function replyOf(ports: Ports, ask: PlanAsk, { order, plan, place, txHash }: Sending): Promise<UploadReply> {
  const { url, headers } = await ports.store.signPut({
    ...place,
    lengthBytes: plan.lengthBytes,
    sha256Hex: plan.sha256,
    wrappedDek: plan.wrappedDek,
    md5Base64: ask.md5,
    expiresInS: UPLOAD_URL_TTL_S,
  });
  return {
    ...orderFacts(ports, ask.wallet, order, txHash),
    bucket_name: place.bucket,
    confirmation_required: true,
    already_stored: plan.state === "stored",
    upload_url: url,
    upload_headers: headers,
    plan: {
      plan: plan.plan,
      s3_key: plan.s3Key,
      expires_at: new Date(plan.urlUntilMs).toISOString(),
      targets: [{ part: 1, method: "PUT", url, headers, offset: 0, length: plan.lengthBytes }],
    },
  };
}

/** What S3 vouches for of stored bytes. */
export function checksumOf({ sha256, lengthBytes, partBytes, composite }: Announced): Checksum {
  if (partBytes === undefined || composite === undefined) return { type: "FULL_OBJECT", sha256 };
  return { type: "COMPOSITE", sha256: composite, part_bytes: partBytes, parts: partCount(lengthBytes, partBytes) };
}

/** What every answer about an order says, in the old names and the new. */
export function orderFacts(ports: Ports, wallet: Wallet, order: Order, txHash: string | undefined) {
  return {
    quote_id: order.quoteId ?? order.orderId,
    order_id: order.orderId,
    addr: wallet,
    addr_hash: addrHash(wallet),
    trans_id: txHash ?? "",
    storage_price: toDisplayDollars(BigInt(order.amount)),
    amount: order.amount,
    object_id: order.objectId,
    object_key: order.objectKey,
    agent_id: order.agentId,
    provider: "aws",
    location: order.region,
    paid_through: new Date(order.paidThroughMs ?? 0).toISOString(),
    ticket: ports.tickets.issue(order.orderId),
  };
}
