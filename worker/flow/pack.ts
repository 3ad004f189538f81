/**
 * Reads beyond the allowance. Whoever asks with a version-2 wallet proof is told in a 402 what a pack costs, pays by repeating the
 * request with a payment, and is served at once. Others get 429: the published client cannot pay here, a session or a sign-in is not
 * the wallet's own word. A payment never identifies a reader.
 */
import { type Refusal, refuse } from "#contract/errors";
import { PACK_HOURS } from "#contract/limits";
import { formatMicroUsdc } from "#contract/money";
import type { RegionRates } from "#contract/rates";
import type { Price, PricePolicy } from "#rules/pricing";
import type { PaymentRecord } from "../../durable/ledger.ts";
import type { PackAsk } from "../../durable/packs.ts";
import type { Call, Outcome } from "./call.ts";
import { readKey } from "./key.ts";
import { askOf, claimShown, pay, priceTold, receiptAgain } from "./pay.ts";
import type { Ports } from "./ports.ts";
import { pricedBy } from "./price.ts";
import type { Who } from "./who.ts";

/** What is for sale, as the read that found the allowance used up knows it. */
export interface Sale {
  readonly pack: Omit<PackAsk, "amount">;
  readonly region: string;
  price(rates: RegionRates, policy: PricePolicy): Price;
  /** For people: what the pack is. */
  readonly what: string;
  /** What the purchase is, for keys and identifiers. */
  readonly fields: Readonly<Record<string, string>>;
}

interface Taken {
  readonly ok: true;
  readonly paidBy: PaymentRecord | undefined;
}

/** Takes, or buys what is missing and takes then. */
export async function withPack<T extends Taken, B>(
  ports: Ports,
  call: Call,
  who: Who,
  read: {
    take(claimKey: string | undefined): Promise<T | (Refusal & { readonly beyond: B }) | Refusal>;
    sale(beyond: B): Sale;
  },
): Promise<
  | { readonly ok: true; readonly taken: T; readonly headers: Readonly<Record<string, string>> }
  | { readonly ok: false; readonly outcome: Outcome }
> {
  const taken = await read.take(claimShown(ports, call)?.claimKey);
  if (taken.ok) return { ok: true, taken, headers: await receiptOf(ports, call, taken.paidBy) };
  if (!("beyond" in taken)) return { ok: false, outcome: taken };
  const { beyond, ...refusal } = taken;
  if (who.by !== "proof" || who.version !== "2") return { ok: false, outcome: refusal };
  const bought = await buy(ports, call, who, read.sale(beyond), refusal);
  if (!bought.ok) return bought;
  const { payment, headers } = bought;
  const again = await read.take(payment.claimKey);
  if (again.ok) return { ok: true, taken: again, headers };
  if (!("beyond" in again)) return { ok: false, outcome: { ...again, headers } };
  const detail = `what this payment bought is used up (${payment.paymentId}); ask again without it to buy more`;
  return { ok: false, outcome: { ...refuse("allowance_used", detail, { facts: { reason: "pack_used" } }), headers } };
}

async function buy(ports: Ports, call: Call, who: Who, sale: Sale, refusal: Refusal) {
  const key = readKey(call, sale.fields);
  if (!key.ok) return { ok: false as const, outcome: key };
  const now = await pricedBy(ports, sale.region, sale.price);
  if (!now.ok) return { ok: false as const, outcome: now };
  const { total } = priceTold(now, call).price;
  const amount = formatMicroUsdc(total);
  const paid = await pay(ports, call, {
    wallet: who.wallet,
    proof: who.proof,
    proofVersion: who.version,
    ask: packAsk(ports, call, total, sale.what),
    newIn: undefined,
    purchase: { pack: { ...sale.pack, amount } },
    key: key.use,
    fields: sale.fields,
  });
  if (paid.paid) return { ok: true as const, payment: paid.payment, headers: paid.headers };
  const { outcome } = paid;
  if (outcome.ok) return { ok: false as const, outcome };
  // Why there is something to pay at all, beside what to pay.
  return { ok: false as const, outcome: { ...outcome, facts: { ...refusal.facts, ...outcome.facts } } };
}

function packAsk(ports: Ports, call: Call, amount: bigint, what: string) {
  const text = `mnemospark: ${what}, within ${PACK_HOURS} hours, ${formatMicroUsdc(amount)} micro-USDC`;
  return { ...askOf(ports, call, amount, what), description: text };
}

async function receiptOf(ports: Ports, call: Call, payment: PaymentRecord | undefined) {
  if (!payment) return {};
  return receiptAgain(ports, call, packAsk(ports, call, BigInt(payment.amount), "reads"), payment);
}
