/** 4. The bytes are there and are the announced ones; from now on the object counts as stored. Idempotent. */
import { type ConfirmReply, ConfirmRequest } from "#contract/api";
import { type Refusal, refuse } from "#contract/errors";
import { type Wallet, walletOfId } from "#contract/wallet";
import type { Order } from "../../durable/orders.ts";
import type { Plan } from "../../durable/plans.ts";
import type { Looked, ObjectPlace } from "../../durable/ports.ts";
import type { OrderRef, ToConfirm } from "../../durable/wallet.ts";
import { storageReceipt } from "./artefacts.ts";
import { answer, type Call, type Outcome, readArguments } from "./call.ts";
import { identified } from "./identity.ts";
import type { Ports } from "./ports.ts";
import { orderFacts } from "./presign.ts";

export async function confirm(ports: Ports, call: Call): Promise<Outcome> {
  const asked = readArguments(ConfirmRequest, call);
  if (!asked.ok) return asked;
  const { value } = asked;
  const who = await identified(ports, call, value.wallet_address, ["siwx", "ticket"]);
  if (!who.ok) return who;
  const named = value.order_id ?? value.quote_id ?? "";
  // A purchase without a quote shows its order's id as `quote_id`, and may be called by it.
  const kind = walletOfId("quote", named) === undefined ? "order" : "quote";
  const absent = refuse("not_found", `no such ${value.order_id === undefined ? "quote" : "order"} of this wallet`);
  if (walletOfId(kind, named) !== who.wallet) return absent;
  const ref = kind === "quote" ? { quoteId: named } : { orderId: named };
  const begun = await ports.wallet(who.wallet).beginConfirm(who.proof, ref);
  if (!begun.ok) return begun;
  const { order } = begun;
  if (who.ticketOrder !== undefined && who.ticketOrder !== order.orderId) return absent;
  if (value.object_key !== undefined && value.object_key !== order.objectKey)
    return refuse(
      "quote_mismatch",
      `the order is for ${JSON.stringify(order.objectKey)}, the request for ${JSON.stringify(value.object_key)}`,
    );
  const confirmed = await electAndReply(ports, who.wallet, begun, value.plan);
  return confirmed.ok ? answer(confirmed.reply) : confirmed;
}

/** For who has just put the bytes himself and was identified doing it. */
export async function confirmPlans(ports: Ports, wallet: Wallet, ref: OrderRef, plan: number) {
  const begun = await ports.wallet(wallet).beginConfirm(undefined, ref);
  return begun.ok ? electAndReply(ports, wallet, begun, plan) : begun;
}

async function electAndReply(
  ports: Ports,
  owner: Wallet,
  { order, payment, plans: all }: ToConfirm,
  only: number | undefined,
): Promise<{ ok: true; reply: ConfirmReply } | Refusal> {
  const wallet = ports.wallet(owner);
  const plans = all.filter(({ plan }) => only === undefined || plan.plan === only);
  const elected = await newestComplete(ports, order, plans);
  if (!elected.ok) return elected;
  const stored = await wallet.finishConfirm(order.orderId, elected.plan.plan);
  if (!stored.ok) return stored;
  const receipt = await storageReceipt(ports, {
    order_id: stored.order.orderId,
    wallet: owner,
    object_key: stored.order.objectKey,
    content_sha256: elected.plan.sha256,
    size_bytes: elected.plan.lengthBytes,
    paidThroughMs: stored.order.paidThroughMs ?? 0,
    transaction: payment?.txHash ?? "",
  });
  const reply: ConfirmReply = {
    ...orderFacts(ports, owner, stored.order, payment?.txHash),
    bucket_name: stored.order.bucket ?? "",
    confirmation_required: false,
    already_stored: true,
    state: "stored",
    size_bytes: elected.plan.lengthBytes,
    content_sha256: elected.plan.sha256,
    s3_key: elected.plan.s3Key,
    ...(receipt === undefined ? {} : { receipt }),
  };
  return { ok: true, reply };
}

/** S3 is asked about each plan, newest first, until one is complete. What S3 does not say is not assumed. */
async function newestComplete(ports: Ports, order: Order, plans: readonly { plan: Plan; place: ObjectPlace }[]) {
  for (const { plan, place } of plans) {
    const seen = await ports.store.look(place);
    if (seen.end === "unknown")
      return refuse("storage_unavailable", `S3 cannot be asked now (${seen.detail}); the upload is not lost`, {
        retryAfterS: 5,
      });
    if (seen.end === "absent") continue;
    const differs = difference(plan, seen);
    if (differs === undefined) return { ok: true as const, plan };
    await ports.wallet(walletOf(order)).discardPlan(order.orderId, plan.plan);
    return refuse("bytes_mismatch", `${differs}; the object was removed, the order stays paid`);
  }
  return refuse("bytes_not_found", "S3 object not found. Upload the file using the presigned URL first.", {
    retryAfterS: 1,
  });
}

function difference(plan: Plan, seen: Extract<Looked, { end: "found" }>): string | undefined {
  if (seen.lengthBytes !== plan.lengthBytes)
    return `S3 holds ${seen.lengthBytes} bytes; ${plan.lengthBytes} were announced`;
  // A store that keeps no checksum bound it into the URL all the same: the signed header is what was checked then.
  if (seen.sha256Hex !== undefined && seen.sha256Hex !== plan.sha256)
    return `S3 holds SHA-256 ${seen.sha256Hex}; ${plan.sha256} was announced`;
  return undefined;
}

function walletOf(order: Order) {
  const wallet = walletOfId("order", order.orderId);
  if (!wallet) throw new Error("invariant: an order id carries its wallet");
  return wallet;
}
