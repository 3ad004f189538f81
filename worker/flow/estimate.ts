/**
 * What things cost, for whoever asks: the card, and the price of so many bytes by it. Nobody has to say who he is, nothing is held
 * and nothing is written; a price that is held is a quote.
 */
import {
  type RatesReply,
  type StorageEstimateReply,
  StorageEstimateRequest,
  type TransferEstimateReply,
  TransferEstimateRequest,
} from "#contract/estimates";
import { OBJECT_BYTES_MAX } from "#contract/limits";
import { formatMicroUsdc, toDisplayDollars } from "#contract/money";
import type { RateCard } from "#contract/rates";
import { type PartPrice, priceOfEgress, priceOfStorage } from "#rules/pricing";
import { answer, type Call, type Outcome, readArguments } from "./call.ts";
import type { Ports } from "./ports.ts";
import { partsOf, priceNow, ratesFor } from "./price.ts";

/** The same for everybody, and a card changes once a day. */
const SHARED = { "cache-control": "public, max-age=60" };
/** What the old API estimated a transfer of when no size came. */
const TRANSFER_DEFAULT_BYTES = 100e9;

export async function rates(ports: Ports): Promise<Outcome> {
  const current = await ports.rates.current(ports.clock.nowMs());
  if (!current.ok) return current;
  const { card, honoured } = current;
  const sold = Object.entries(card.regions).filter(([region]) => ports.policy.regions.includes(region));
  const reply: RatesReply = {
    rate_card: card.version,
    date: card.date,
    source: card.source,
    currency: "USD",
    markup_percent: Number(ports.policy.markupPercent),
    price_minimum: formatMicroUsdc(ports.policy.priceMinimum),
    regions: Object.fromEntries(sold),
    honoured: honoured.map(({ version }) => version),
  };
  return answer(reply, SHARED);
}

export async function estimateStorage(ports: Ports, call: Call): Promise<Outcome> {
  const asked = readArguments(StorageEstimateRequest, call);
  if (!asked.ok) return asked;
  const { value } = asked;
  const sizeBytes = value.size_bytes ?? value.gb ?? value.storageGbMonth ?? 0;
  const region = value.region ?? ports.policy.defaultRegion;
  const by = await ratesFor(ports, region);
  if (!by.ok) return by;
  const part = priceOfStorage(BigInt(sizeBytes), by.rates, ports.policy.markupPercent);
  const object = sizeBytes <= OBJECT_BYTES_MAX ? await priceNow(ports, region, sizeBytes) : undefined;
  const reply: StorageEstimateReply = {
    ...common(ports, region, by.card, sizeBytes, part),
    storageGbMonth: sizeBytes / 1e9,
    ...(object?.ok ? { object: partsOf(object.price) } : {}),
  };
  return answer(reply, SHARED);
}

export async function estimateTransfer(ports: Ports, call: Call): Promise<Outcome> {
  const asked = readArguments(TransferEstimateRequest, call);
  if (!asked.ok) return asked;
  const { value } = asked;
  const sizeBytes = value.size_bytes ?? value.gb ?? TRANSFER_DEFAULT_BYTES;
  const region = value.region ?? ports.policy.defaultRegion;
  const by = await ratesFor(ports, region);
  if (!by.ok) return by;
  const part =
    value.direction === "in"
      ? { cost: 0n, price: 0n }
      : priceOfEgress(BigInt(sizeBytes), by.rates, ports.policy.markupPercent);
  const reply: TransferEstimateReply = {
    ...common(ports, region, by.card, sizeBytes, part),
    dataGb: sizeBytes / 1e9,
    direction: value.direction,
  };
  return answer(reply, SHARED);
}

function common({ policy }: Ports, region: string, card: RateCard, sizeBytes: number, part: PartPrice) {
  return {
    estimatedCost: toDisplayDollars(part.cost),
    currency: "USD" as const,
    region,
    rateType: "BEFORE_DISCOUNTS" as const,
    size_bytes: sizeBytes,
    cost: formatMicroUsdc(part.cost),
    price: formatMicroUsdc(part.price),
    markup_percent: Number(policy.markupPercent),
    rate_card: card.version,
    rate_card_date: card.date,
    rate_card_source: card.source,
  };
}
