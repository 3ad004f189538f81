/** 1. A wallet names an object and a size; a price is held for one hour. */
import { type PriceReply, PriceRequest } from "#contract/api";
import { INCLUDED_DOWNLOADS, INCLUDED_LISTS, OLD_ENVELOPE_BYTES, PERIOD_DAYS } from "#contract/limits";
import { formatMicroUsdc, toDisplayDollars } from "#contract/money";
import { answer, type Call, type Outcome, readArguments } from "./call.ts";
import { identified } from "./identity.ts";
import type { Ports } from "./ports.ts";
import { partsOf, priceNow } from "./price.ts";

export async function quote(ports: Ports, call: Call): Promise<Outcome> {
  const asked = readArguments(PriceRequest, call);
  if (!asked.ok) return asked;
  const { value } = asked;
  const who = await identified(ports, call, value.wallet_address, ["siwx"]);
  if (!who.ok) return who;
  // `gb` is the plaintext the old client weighed; its envelope adds a known few bytes. `size_bytes` is exact.
  const sizeMax = value.size_bytes ?? (value.gb ?? 0) + OLD_ENVELOPE_BYTES;
  const priced = await priceNow(ports, value.region, value.size_bytes ?? value.gb ?? 0);
  if (!priced.ok) return priced;
  const quoted = await ports.wallet(who.wallet).quote(who.proof, {
    agentId: value.agent_id,
    objectKey: value.object_key ?? value.object_id,
    objectId: value.object_id,
    objectIdHash: value.object_id_hash ?? "",
    region: value.region,
    sizeMax,
    amount: formatMicroUsdc(priced.price.total),
    card: priced.card,
  });
  if (!quoted.ok) return quoted;
  const held = quoted.quote;
  const reply: PriceReply = {
    timestamp: new Date(ports.clock.nowMs()).toISOString().slice(0, 19).replace("T", " "),
    quote_id: held.quoteId,
    storage_price: toDisplayDollars(priced.price.total),
    addr: who.wallet,
    object_id: held.objectId,
    object_id_hash: held.objectIdHash,
    object_size_gb: (value.size_bytes ?? value.gb ?? 0) / 1e9,
    provider: value.provider,
    location: held.region,
    object_key: held.objectKey,
    agent_id: held.agentId,
    amount: held.amount,
    size_bytes_max: held.sizeMax,
    parts: partsOf(priced.price),
    included: { days: PERIOD_DAYS, downloads: INCLUDED_DOWNLOADS, lists: INCLUDED_LISTS },
    rate_card: held.card,
    expires_at: new Date(held.expiresMs).toISOString(),
  };
  return answer(reply);
}
