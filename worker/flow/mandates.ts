/**
 * Renewals signed beforehand: what to sign, handing it over, what waits, taking it back. Nothing moves here; the wallet's alarm
 * settles each mandate on its day.
 */

import { type Refusal, refuse } from "#contract/errors";
import {
  MandateAddRequest,
  MandateListRequest,
  MandateRevokeRequest,
  type MandatesReply,
  type MandateTermsReply,
  MandateTermsRequest,
  type Mandate as MandateView,
  type SignedMandate,
} from "#contract/mandates";
import { formatMicroUsdc } from "#contract/money";
import { type Authorization, transferTypedData } from "#contract/x402";
import { mandateWindow } from "#rules/mandate";
import type { Mandate, NewMandate } from "../../durable/mandates.ts";
import type { Mandatable, MandateStepped } from "../../durable/mandating.ts";
import { claimKeyOf } from "../../durable/ports.ts";
import { answer, type Call, type Outcome, readArguments } from "./call.ts";
import { identified, READERS } from "./identity.ts";
import type { Ports } from "./ports.ts";
import { type PricedNow, priceNow } from "./price.ts";
import { signedBy } from "./signed.ts";
import { proven, type Who } from "./who.ts";

export async function mandateTerms(ports: Ports, call: Call): Promise<Outcome> {
  const asked = readArguments(MandateTermsRequest, call);
  if (!asked.ok) return asked;
  const { value } = asked;
  const who = await identified(ports, call, value.wallet_address, READERS);
  if (!who.ok) return who;
  const found = await find(ports, who, value);
  if (!found.ok) return found;
  const priced = await priceOf(ports, found);
  if (!priced.ok) return priced;
  const { order, lease, taken } = found;
  const indices = Array.from({ length: value.periods }, (_, at) => lease.lastIndex + 1 + at);
  const reply: MandateTermsReply = {
    order_id: order.orderId,
    agent_id: order.agentId,
    object_key: order.objectKey,
    network: ports.network.caip2,
    asset: ports.network.usdc,
    pay_to: ports.policy.payTo,
    size_bytes: priced.sizeBytes,
    rate_card: priced.now.card,
    terms: indices
      .filter((index) => !taken.includes(index))
      .map((index) => {
        const { validAfterS, validBeforeS } = mandateWindow(lease, index);
        return {
          period_index: index,
          amount: formatMicroUsdc(priced.now.price.total),
          valid_after: validAfterS.toString(),
          valid_before: validBeforeS.toString(),
        };
      }),
  };
  return answer(reply);
}

export async function addMandates(ports: Ports, call: Call): Promise<Outcome> {
  const asked = readArguments(MandateAddRequest, call);
  if (!asked.ok) return asked;
  const { value } = asked;
  const who = await proven(ports, call, value.wallet_address);
  if (!who.ok) return who;
  const found = await find(ports, who, value);
  if (!found.ok) return found;
  const priced = await priceOf(ports, found);
  if (!priced.ok) return priced;
  const checked: NewMandate[] = [];
  for (const signed of value.mandates) {
    const mandate = await check(ports, signed, priced);
    if (!mandate.ok) return mandate;
    if (mandate.value.authorization.from !== who.wallet)
      return refuse("mandate_invalid", `${mandate.value.authorization.from} would pay; ${who.wallet} asks`);
    checked.push(mandate.value);
  }
  const wallet = ports.wallet(who.wallet);
  const added = await wallet.mandates(undefined, { step: "add", orderId: found.order.orderId, mandates: checked });
  if (!added.ok) return added;
  const { agent_id: agentId, object_key: objectKey } = value;
  return listed(await wallet.mandates(undefined, { step: "list", agentId, objectKey }));
}

export async function listMandates(ports: Ports, call: Call): Promise<Outcome> {
  const asked = readArguments(MandateListRequest, call);
  if (!asked.ok) return asked;
  const { value } = asked;
  const who = await identified(ports, call, value.wallet_address, READERS);
  if (!who.ok) return who;
  const agentId = value.agent_id === "*" ? undefined : value.agent_id;
  const asking = { step: "list", agentId, objectKey: value.object_key } as const;
  return listed(await ports.wallet(who.wallet).mandates(who.proof, asking));
}

export async function revokeMandates(ports: Ports, call: Call): Promise<Outcome> {
  const asked = readArguments(MandateRevokeRequest, call);
  if (!asked.ok) return asked;
  const { value } = asked;
  const who = await proven(ports, call, value.wallet_address);
  if (!who.ok) return who;
  const { agent_id: agentId, object_key: objectKey, period_index: period } = value;
  return listed(await ports.wallet(who.wallet).mandates(who.proof, { step: "revoke", agentId, objectKey, period }));
}

async function find(ports: Ports, who: Who, { agent_id, object_key }: { agent_id: string; object_key: string }) {
  const asking = { step: "look", agentId: agent_id, objectKey: object_key } as const;
  const found = await ports.wallet(who.wallet).mandates(who.proof, asking);
  if (found.ok && found.step !== "found") throw new Error(`invariant: a look was answered by ${found.step}`);
  return found;
}

function listed(said: MandateStepped): Outcome {
  if (!said.ok) return said;
  if (said.step !== "listed") throw new Error(`invariant: a list was answered by ${said.step}`);
  return answer({ mandates: said.mandates.map(viewOf) } satisfies MandatesReply);
}

interface Offered {
  readonly now: PricedNow;
  readonly sizeBytes: number;
}

/** At the current card, for the bytes S3 reports: what a renewal would cost now. */
async function priceOf(ports: Ports, { order, place }: Mandatable): Promise<({ ok: true } & Offered) | Refusal> {
  const seen = await ports.store.look(place);
  if (seen.end === "unknown")
    return refuse("storage_unavailable", `S3 cannot be asked now how much is stored (${seen.detail})`, {
      retryAfterS: 5,
    });
  if (seen.end === "absent") return refuse("object_not_in_storage", "the lease is there, the bytes are not");
  const now = await priceNow(ports, order.region, seen.lengthBytes);
  return now.ok ? { ok: true, now, sizeBytes: seen.lengthBytes } : now;
}

/** Payee, amount and signature; the window is judged where the lease is. */
async function check(ports: Ports, signed: SignedMandate, { now, sizeBytes }: Offered) {
  const { period_index: period, signature } = signed;
  const raw = signed.authorization;
  const authorization: Authorization = {
    from: raw.from,
    to: raw.to,
    value: BigInt(raw.value),
    validAfterS: BigInt(raw.validAfter),
    validBeforeS: BigInt(raw.validBefore),
    nonce: raw.nonce,
  };
  if (authorization.to !== ports.policy.payTo)
    return refuse("mandate_invalid", `period ${period} pays ${authorization.to}; wanted ${ports.policy.payTo}`);
  // What was told within the hour is honoured, as for every price.
  const price = [now, ...now.honoured].find((each) => each.price.total === authorization.value);
  if (!price)
    return refuse(
      "mandate_invalid",
      `period ${period} pays ${authorization.value}; the price now is ${now.price.total} micro-USDC. Ask for the terms again`,
    );
  const signing = await signedBy(ports, authorization.from, signature, [
    transferTypedData(ports.network, authorization),
  ]);
  if (signing === "not_known")
    return refuse("settlement_unavailable", `the contract wallet ${authorization.from} cannot be asked now`, {
      retryAfterS: 2,
    });
  if (signing !== "signed")
    return refuse("mandate_invalid", `the signature for period ${period} is not ${authorization.from}'s over it`);
  const mandate: NewMandate = {
    period,
    claimKey: claimKeyOf(ports.network.caip2, ports.network.usdc, authorization),
    authorization,
    signature,
    amount: formatMicroUsdc(price.price.total),
    card: price.card,
    sizeBytes,
  };
  return { ok: true as const, value: mandate };
}

type Named = Mandate & { readonly agentId: string; readonly objectKey: string };

function viewOf(mandate: Named): MandateView {
  return {
    order_id: mandate.orderId,
    agent_id: mandate.agentId,
    object_key: mandate.objectKey,
    period_index: mandate.period,
    amount: mandate.amount,
    due: new Date(mandate.validAfterMs).toISOString(),
    valid_until: new Date(mandate.validBeforeMs).toISOString(),
    nonce: mandate.claimKey.split("|").at(-1) ?? "",
    state: mandate.state,
    ...(mandate.reason === undefined ? {} : { reason: mandate.reason }),
    attempts: mandate.attempts,
  };
}
