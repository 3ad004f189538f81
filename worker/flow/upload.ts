/**
 * `POST /storage/upload`: room for bytes, and the URL to put them.
 *
 * With a quote or an order it uses what was bought (paying the quote if a payment comes along); bare, it buys by x402 in two calls
 * and the payer is the wallet. What is bought already is never paid again.
 */
import { UploadRequest } from "#contract/api";
import { type Refusal, refuse } from "#contract/errors";
import { formatMicroUsdc } from "#contract/money";
import { PROOF_HEADER } from "#contract/proof";
import { SIWX_HEADER } from "#contract/siwx";
import { type Wallet, walletOfId } from "#contract/wallet";
import { checkPartBytes, needsParts, partBytesFor } from "#rules/parts";
import type { KeyUse } from "../../durable/keys.ts";
import type { Asker, Content } from "../../durable/plans.ts";
import type { Quote, Wanted } from "../../durable/quotes.ts";
import { answer, type Call, type Outcome, type RefusedAnswer, readArguments } from "./call.ts";
import { identified } from "./identity.ts";
import { type SizedUpload, sized, storeInline } from "./inline.ts";
import { readKey } from "./key.ts";
import { askOf, notNow, orderPaid, pay, priceTold } from "./pay.ts";
import type { Ports } from "./ports.ts";
import { type PlanAsk, presign } from "./presign.ts";
import { priceNow } from "./price.ts";
import { isProbe, probed } from "./probe.ts";
import { ownQuote } from "./settle.ts";
import { TICKET_HEADER, type Who } from "./who.ts";

export async function upload(ports: Ports, call: Call): Promise<Outcome> {
  if (isProbe(call)) return probed(ports, call);
  const asked = readArguments(UploadRequest, call);
  if (!asked.ok) return asked;
  const whole = await sized(asked.value);
  if (!whole.ok) return whole;
  const { value } = whole;
  if (value.content_md5 !== undefined && value.bytes === undefined && needsParts(value.content_length_bytes))
    return refuse("malformed", "content_md5: so large a content goes up in parts, which have an md5 of their own");
  const parts = value.part_bytes && checkPartBytes(value.content_length_bytes, value.part_bytes);
  if (parts && !parts.ok) return parts;
  const key = readKey(call, keyFields(value));
  if (!key.ok) return key;
  if (value.order_id !== undefined) return uploadToOrder(ports, call, value, value.order_id, key.use);
  // A purchase without a quote shows its order's id as `quote_id`, and may be called by it.
  if (value.quote_id !== undefined && walletOfId("order", value.quote_id) !== undefined)
    return uploadToOrder(ports, call, value, value.quote_id, key.use);
  if (value.quote_id !== undefined) return uploadOnQuote(ports, call, value, value.quote_id, key.use);
  return buyAndUpload(ports, call, value, key.use);
}

function contentOf(value: SizedUpload): Content {
  const { content_length_bytes: lengthBytes, content_sha256: sha256, wrapped_dek: wrappedDek, part_bytes } = value;
  const content = { lengthBytes, sha256, wrappedDek };
  if (value.mode !== "multipart" && !needsParts(lengthBytes)) return content;
  return { ...content, partBytes: part_bytes ?? partBytesFor(lengthBytes), anyPartBytes: part_bytes === undefined };
}

function keyFields(value: SizedUpload): Record<string, string> {
  const { quote_id, order_id, object_key, object_id, agent_id, content_sha256, content_length_bytes, wrapped_dek } =
    value;
  const fields = {
    quote_id,
    order_id,
    object_key,
    object_id,
    agent_id,
    content_sha256,
    content_length_bytes,
    wrapped_dek,
  };
  return Object.fromEntries(
    Object.entries(fields).flatMap(([name, of]) => (of === undefined ? [] : [[name, String(of)]])),
  );
}

async function uploadToOrder(
  ports: Ports,
  call: Call,
  value: SizedUpload,
  orderId: string,
  key: KeyUse | undefined,
): Promise<Outcome> {
  const who = await identified(ports, call, value.wallet_address, ["siwx", "ticket"]);
  if (!who.ok) return who;
  if (walletOfId("order", orderId) !== who.wallet || (who.ticketOrder ?? orderId) !== orderId)
    return refuse("not_found", "no such order of this wallet");
  return plan(ports, {
    wallet: who.wallet,
    proof: who.proof,
    ref: { orderId },
    content: contentOf(value),
    bytes: value.bytes,
    md5: value.content_md5,
    asker: askerOf(who),
    key,
    objectKey: value.object_key,
  });
}

async function uploadOnQuote(
  ports: Ports,
  call: Call,
  value: SizedUpload,
  quoteId: string,
  key: KeyUse | undefined,
): Promise<Outcome> {
  if (value.mode === "presigned" && key === undefined)
    return refuse("malformed", "Idempotency-Key header is required for presigned mode");
  const who = await identified(ports, call, value.wallet_address, ["siwx", "ticket"]);
  if (!who.ok) return who;
  const own = ownQuote(quoteId, who.wallet);
  if (!own.ok) return own;
  const held = await ports.wallet(who.wallet).readQuote(who.proof, quoteId);
  if (!held.ok) return held;
  const { quote, order } = held;
  const differs = differenceFrom(quote, value);
  if (differs) return differs;
  if (who.ticketOrder !== undefined && order?.orderId !== who.ticketOrder)
    return refuse("quote_not_found", "the ticket is not of this quote's order");
  if (who.by === "siwx" && order === undefined)
    return refuse("not_paid", "a sign-in uses what was bought; paying this quote takes a wallet proof");
  let headers: Record<string, string> = {};
  if (order === undefined || order.state === "paying") {
    const paid = await pay(ports, call, {
      wallet: who.wallet,
      proof: who.proof,
      proofVersion: who.version,
      ask: askOf(ports, call, BigInt(quote.amount), quote.objectKey),
      newIn: quote.region,
      purchase: { quoteId, objectKey: value.object_key ?? quote.objectKey },
      key,
      fields: keyFields(value),
    });
    if (!paid.paid) {
      const waiting = order?.state === "paying" && !paid.outcome.ok && notNow(paid.outcome.code);
      return waiting
        ? refuse("payment_pending", "a payment for this quote is open; wait for its outcome, do not pay again", {
            retryAfterS: 3,
          })
        : unpaid(paid.outcome);
    }
    headers = paid.headers;
  }
  const ask: PlanAsk = {
    wallet: who.wallet,
    proof: who.proof,
    ref: { quoteId },
    content: contentOf(value),
    bytes: value.bytes,
    md5: value.content_md5,
    asker: askerOf(who),
    key,
    objectKey: value.object_key,
  };
  return plan(ports, ask, headers);
}

/** The old client reads these two where it did not settle first. */
function unpaid(outcome: Outcome): Outcome {
  if (outcome.ok || outcome.code !== "payment_required") return outcome;
  return { ...outcome, facts: { ...outcome.facts, reason: "payment_record_missing", settle_path: "/payment/settle" } };
}

function differenceFrom(quote: Quote, value: SizedUpload): Refusal | undefined {
  if (value.object_id !== undefined && value.object_id !== quote.objectId)
    return refuse(
      "quote_mismatch",
      `object_id ${JSON.stringify(value.object_id)} does not match the quote's ${JSON.stringify(quote.objectId)}`,
    );
  if (value.object_id_hash !== undefined && quote.objectIdHash !== "" && value.object_id_hash !== quote.objectIdHash)
    return refuse("quote_mismatch", "object_id_hash does not match the quote");
  const region = value.region ?? value.location;
  if (region !== undefined && region !== quote.region)
    return refuse("quote_mismatch", `region ${region} does not match the quote's ${quote.region}`);
  if (value.content_length_bytes > quote.sizeMax)
    return refuse(
      "size_out_of_range",
      `content_length_bytes is ${value.content_length_bytes}; the quote is for at most ${quote.sizeMax}`,
    );
  return undefined;
}

async function buyAndUpload(ports: Ports, call: Call, value: SizedUpload, key: KeyUse | undefined): Promise<Outcome> {
  const who = await bareWho(ports, call, value.wallet_address);
  if (who && !who.ok) return who;
  const region = value.region ?? value.location ?? ports.policy.defaultRegion;
  const now = await priceNow(ports, region, value.content_length_bytes);
  if (!now.ok) return now;
  const priced = priceTold(now, call);
  const objectKey = value.object_key ?? value.object_id ?? "";
  const wanted: Wanted = {
    agentId: value.agent_id,
    objectKey,
    objectId: value.object_id ?? objectKey,
    objectIdHash: value.object_id_hash ?? "",
    region,
    sizeMax: value.content_length_bytes,
    amount: formatMicroUsdc(priced.price.total),
    card: priced.card,
  };
  const content = contentOf(value);
  if (who) {
    // Proven, so the ledger may be asked before the purse.
    const known = await ports.wallet(who.wallet).bought(who.proof, wanted);
    if (!known.ok) return known;
    if (known.order)
      return plan(ports, {
        wallet: who.wallet,
        proof: who.proof,
        ref: { orderId: known.order.orderId },
        content,
        bytes: value.bytes,
        md5: value.content_md5,
        asker: askerOf(who),
        key,
        objectKey,
      });
  }
  const paid = await pay(ports, call, {
    wallet: who?.wallet ?? value.wallet_address,
    // A sign-in was used up by the ledger's answer above, and never spends credit.
    proof: who?.by === "proof" ? who.proof : undefined,
    proofVersion: who?.version,
    ask: askOf(ports, call, priced.price.total, `${objectKey} (${value.content_length_bytes} bytes, ${region})`),
    newIn: region,
    purchase: { wanted },
    key,
    fields: keyFields(value),
  });
  if (!paid.paid) return paid.outcome;
  const asker = who ? askerOf(who) : "payment";
  const { bytes } = value;
  const ref = { orderId: orderPaid(paid).orderId };
  return plan(
    ports,
    { wallet: paid.wallet, proof: who?.proof, ref, content, bytes, md5: value.content_md5, asker, key, objectKey },
    paid.headers,
  );
}

function askerOf(who: Who): Asker {
  return who.by === "proof" ? "wallet" : "holder";
}

/** A bare purchase needs no proof, but one that comes along must be good. */
async function bareWho(
  ports: Ports,
  call: Call,
  named: Wallet | undefined,
): Promise<({ ok: true } & Who) | RefusedAnswer | undefined> {
  const known = call.header(PROOF_HEADER) !== null || call.header(SIWX_HEADER) !== null;
  if (call.header(TICKET_HEADER) !== null && !known)
    return refuse("malformed", "a ticket opens its order: send order_id with it");
  return known ? identified(ports, call, named, ["siwx"]) : undefined;
}

async function plan(ports: Ports, ask: PlanAsk, headers: Record<string, string> = {}): Promise<Outcome> {
  if (ask.bytes !== undefined) return storeInline(ports, ask, ask.bytes, headers);
  const planned = await presign(ports, ask);
  // What was paid stays paid and the receipt is still theirs to have.
  return planned.ok ? answer(planned.reply, headers) : { ...planned, headers };
}
