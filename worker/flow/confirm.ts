/** 4. The bytes are there and are the announced ones; from now on the object counts as stored. Idempotent. */
import { type ConfirmReply, ConfirmRequest } from "#contract/api";
import { type Refusal, refuse } from "#contract/errors";
import { type Wallet, walletOfId } from "#contract/wallet";
import type { ToConfirm } from "../../durable/confirm.ts";
import type { Order } from "../../durable/orders.ts";
import type { OrderRef } from "../../durable/refs.ts";
import { type Sent, seek } from "../../durable/seek.ts";
import { storageReceipt } from "./artefacts.ts";
import { answer, type Call, type Outcome, readArguments } from "./call.ts";
import { identified } from "./identity.ts";
import type { Ports } from "./ports.ts";
import { checksumOf, orderFacts } from "./presign.ts";

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
  const checksum = checksumOf(stored.plan);
  const receipt = await storageReceipt(ports, {
    order_id: stored.order.orderId,
    wallet: owner,
    object_key: stored.order.objectKey,
    content_sha256: checksum.sha256,
    size_bytes: elected.plan.lengthBytes,
    ...(checksum.type === "COMPOSITE" ? { part_bytes: checksum.part_bytes } : {}),
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
    checksum,
    s3_key: elected.plan.s3Key,
    ...(receipt === undefined ? {} : { receipt }),
  };
  return { ok: true, reply };
}

/** S3 is asked about each plan, newest first, until one is complete. What S3 does not say is not assumed. */
async function newestComplete(ports: Ports, order: Order, plans: readonly Sent[]) {
  let missing: readonly number[] = [];
  for (const sent of plans) {
    const { plan } = sent;
    const sought = await seek(ports.store, sent);
    switch (sought.end) {
      case "complete":
        return { ok: true as const, plan };
      case "unknown":
        return refuse("storage_unavailable", `S3 cannot be asked now (${sought.detail}); the upload is not lost`, {
          retryAfterS: 5,
        });
      case "different":
        await ports.wallet(walletOf(order)).discardPlan(order.orderId, plan.plan);
        return refuse("bytes_mismatch", `${sought.detail}; the object was removed, the order stays paid`);
      case "incomplete":
        if (missing.length === 0) missing = sought.missing;
        break;
      case "absent":
        break;
    }
  }
  if (missing.length > 0)
    return refuse("bytes_not_found", `S3 lacks ${missing.length} parts as announced, the first is ${missing[0]}`, {
      facts: { parts_missing: missing.length },
      retryAfterS: 1,
    });
  return refuse("bytes_not_found", "S3 object not found. Upload the file using the presigned URL first.", {
    retryAfterS: 1,
  });
}

function walletOf(order: Order) {
  const wallet = walletOfId("order", order.orderId);
  if (!wallet) throw new Error("invariant: an order id carries its wallet");
  return wallet;
}
