/**
 * The next 30 days of one object (`POST /payment/settle` with `renewal`), at the current card for the bytes S3 reports. What was paid
 * before is answered before S3 is asked, so that a lost reply is found again whatever has become of the object.
 */

import { bytesToBase64 } from "#contract/base64";
import { utf8ToBytes } from "#contract/bytes";
import { refuse } from "#contract/errors";
import { formatMicroUsdc } from "#contract/money";
import type { SettleReply, SettleRequest } from "#contract/settling";
import type { Wallet } from "#contract/wallet";
import type { ProofUse } from "../../durable/proofs.ts";
import type { RenewalStep, RenewalWanted } from "../../durable/renewing.ts";
import { answer, type Call, type Outcome } from "./call.ts";
import { readKey } from "./key.ts";
import { askOf, claimShown, orderPaid, pay, priceTold, receiptAgain } from "./pay.ts";
import type { Ports } from "./ports.ts";
import { priceNow } from "./price.ts";
import { type Settled, settledReply } from "./settled.ts";
import type { Who } from "./who.ts";

export async function renew(ports: Ports, call: Call, value: SettleRequest, who: Who): Promise<Outcome> {
  const { agent_id: agentId, object_key: objectKey = "", period_index: index } = value;
  const fields = {
    renewal: "true",
    agent_id: agentId,
    object_key: objectKey,
    ...(index === undefined ? {} : { period_index: String(index) }),
  };
  const key = readKey(call, fields);
  if (!key.ok) return key;
  if (!who.proof) throw new Error("invariant: a renewal without a wallet proof");
  const shown = claimShown(ports, call);
  const wanted = { agentId, objectKey, index, key: key.use, identifier: shown?.identifier, claimKey: shown?.claimKey };
  const begun = await begin(ports, who.wallet, who.proof, wanted);
  if (!begun.ok) return begun;
  if (begun.step === "settled") {
    const ask = askOf(ports, call, BigInt(begun.payment.amount), objectKey);
    const headers = await receiptAgain(ports, call, ask, begun.payment);
    return answer(replyOf(ports, who, begun.index, { ...begun, fresh: false }), headers);
  }
  const priced = await priceOf(ports, call, begun);
  if (!priced.ok) return priced;
  const { renewal } = priced;
  const paid = await pay(ports, call, {
    wallet: who.wallet,
    proof: who.proof,
    proofVersion: who.version,
    ask: askOf(ports, call, BigInt(renewal.amount), `${objectKey}, period ${renewal.index}`),
    newIn: undefined,
    purchase: { renewal },
    key: key.use,
    fields,
  });
  if (!paid.paid) return paid.outcome;
  return answer(replyOf(ports, who, renewal.index, { ...paid, order: orderPaid(paid) }), paid.headers);
}

type Step = Exclude<RenewalStep, { step: "late" }>;

/** Grace is time in which one could have paid: who comes after the calendar's deadline is judged with the outages added. */
async function begin(ports: Ports, wallet: Wallet, proof: ProofUse, wanted: RenewalWanted): Promise<Step> {
  const first = await ports.wallet(wallet).beginRenewal(proof, wanted);
  if (!first.ok || first.step !== "late") return first;
  try {
    const { gaps } = await ports.pulse.read();
    const again = await ports.wallet(wallet).beginRenewal(proof, { ...wanted, gaps });
    if (!again.ok || again.step !== "late") return again;
    throw new Error("invariant: late with the outages known");
  } catch (error) {
    if (String(error).includes("invariant")) throw error;
    return refuse("settlement_unavailable", "the deadline cannot be told now; nothing was charged", { retryAfterS: 5 });
  }
}

/** A claim that is known costs what it cost; else S3 says how much is stored. */
async function priceOf(ports: Ports, call: Call, step: Exclude<Extract<Step, { ok: true }>, { step: "settled" }>) {
  if (step.step === "claimed") {
    const { orderId, amount } = step.payment;
    return { ok: true as const, renewal: { orderId, index: step.index, amount, card: "", sizeBytes: 0 } };
  }
  const seen = await ports.store.look(step.place);
  if (seen.end === "unknown")
    return refuse("storage_unavailable", `S3 cannot be asked now how much is stored (${seen.detail})`, {
      retryAfterS: 5,
    });
  if (seen.end === "absent")
    return refuse("object_not_in_storage", "the lease is there, the bytes are not; nothing was charged");
  const now = await priceNow(ports, step.order.region, seen.lengthBytes);
  if (!now.ok) return now;
  const priced = priceTold(now, call);
  const renewal = {
    orderId: step.order.orderId,
    index: step.index,
    amount: formatMicroUsdc(priced.price.total),
    card: priced.card,
    sizeBytes: seen.lengthBytes,
    deadlineMs: step.deadlineMs,
  };
  return { ok: true as const, renewal };
}

function replyOf(ports: Ports, { wallet }: Who, index: number, settled: Settled): SettleReply {
  const { order, payment } = settled;
  const month = new Date(payment.blockMs ?? payment.claimedMs).toISOString().slice(0, 7);
  return {
    ...settledReply(ports, wallet, `renewal#${month}#${base64Url(order.objectKey)}`, settled),
    renewal: true,
    object_key: order.objectKey,
    agent_id: order.agentId,
    billing_period: month,
    period_index: index,
  };
}

function base64Url(text: string): string {
  return bytesToBase64(utf8ToBytes(text)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}
