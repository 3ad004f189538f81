/** 3. A paid order becomes an upload plan: its bucket exists, and one URL admits exactly the announced bytes. */
import type { UploadReply } from "#contract/api";
import { type Refusal, refuse } from "#contract/errors";
import { UPLOAD_URL_TTL_S } from "#contract/limits";
import { toDisplayDollars } from "#contract/money";
import { addrHash, type Wallet } from "#contract/wallet";
import type { KeyUse } from "../../durable/keys.ts";
import type { Order } from "../../durable/orders.ts";
import type { Asker, Content, Plan } from "../../durable/plans.ts";
import type { ObjectPlace } from "../../durable/ports.ts";
import type { ProofUse } from "../../durable/proofs.ts";
import type { OrderRef, Planned } from "../../durable/wallet.ts";
import type { Ports } from "./ports.ts";

export interface PlanAsk {
  readonly wallet: Wallet;
  readonly proof: ProofUse | undefined;
  readonly ref: OrderRef;
  readonly content: Content;
  /** The content itself, where it came along. */
  readonly bytes: Uint8Array | undefined;
  readonly asker: Asker;
  readonly key: KeyUse | undefined;
  readonly objectKey: string | undefined;
}

/** Names of a squatted bucket are passed over; so many in a row is somebody's attack and ours to look at. */
const BUCKET_NAMES_MAX = 5;

export async function presign(ports: Ports, ask: PlanAsk): Promise<{ ok: true; reply: UploadReply } | Refusal> {
  const step = await planned(ports, ask);
  return step.ok ? { ok: true, reply: await replyOf(ports, ask.wallet, step) } : step;
}

/** Asks for the plan until the bucket it needs is there. */
export async function planned(
  ports: Ports,
  ask: PlanAsk,
): Promise<Extract<Planned, { readonly step: "put" }> | Refusal> {
  const wallet = ports.wallet(ask.wallet);
  for (let tries = 0; tries <= BUCKET_NAMES_MAX; tries++) {
    const step = await wallet.plan(ask.proof, ask.ref, ask.content, ask.asker, ask.key, ask.objectKey);
    if (!step.ok) return step;
    if (step.step === "put") return step;
    const { bucket } = step;
    const end = await ports.store.ensureBucket({ ...bucket, wallet: ask.wallet });
    if (end.end === "unknown")
      return refuse("storage_unavailable", `the bucket cannot be made now (${end.detail}); what was paid stays paid`, {
        retryAfterS: 5,
      });
    await wallet.finishBucket(bucket, end.end);
  }
  return refuse("storage_unavailable", "no bucket name is free for this wallet; the operator was told", {
    retryAfterS: 600,
  });
}

async function replyOf(
  ports: Ports,
  wallet: Wallet,
  { order, plan, place, txHash }: { order: Order; plan: Plan; place: ObjectPlace; txHash: string | undefined },
): Promise<UploadReply> {
  const { url, headers } = await ports.store.signPut({
    ...place,
    lengthBytes: plan.lengthBytes,
    sha256Hex: plan.sha256,
    wrappedDek: plan.wrappedDek,
    expiresInS: UPLOAD_URL_TTL_S,
  });
  return {
    ...orderFacts(ports, wallet, order, txHash),
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
