/**
 * Signs mandates: renewals for coming periods, handed over before their day. Only what the owner agreed to: the pinned payee and
 * chain, at most the agreed amount a period, windows that open one after the other, about a period apart.
 */
import { bytesToHex } from "#contract/bytes";
import { MANDATE_WINDOW_DAYS, PERIOD_DAYS } from "#contract/limits";
import type { MandateAddRequest, MandateTermsReply } from "#contract/mandates";
import { type MicroUsdc, parseMicroUsdc } from "#contract/money";
import { parseWallet, type Wallet } from "#contract/wallet";
import { type Authorization, type Network, transferTypedData } from "#contract/x402";
import { PaymentRefused } from "./pay.ts";
import type { Signer } from "./signer.ts";

export interface MandateAgreement {
  readonly signer: Signer;
  readonly network: Network;
  readonly payTo: Wallet | readonly Wallet[];
  /** For each period. */
  readonly amountMax: MicroUsdc;
  /** The end of what is paid, as the owner knows it: the first mandate opens then, not before. */
  readonly paidThroughMs: number;
  readonly periodsMax: number;
}

const DAY_S = 86_400n;
/** Between what a reply says in ISO time and an authorization's seconds, and what a late settlement shifts. */
const SLACK_S = 2n * DAY_S;

export type MandatesToAdd = Pick<MandateAddRequest, "agent_id" | "object_key"> & {
  readonly mandates: readonly { period_index: number; authorization: Record<string, string>; signature: string }[];
};

/** @throws PaymentRefused when the terms ask for more than was agreed; nothing is signed then */
export async function signMandates(terms: MandateTermsReply, agreed: MandateAgreement): Promise<MandatesToAdd> {
  const authorizations = terms.terms.map((each, at) => ({
    period: each.period_index,
    authorization: agree(terms, each, at, agreed),
  }));
  if (authorizations.length > agreed.periodsMax)
    throw new PaymentRefused(
      "amount",
      `${authorizations.length} periods were asked for; agreed are ${agreed.periodsMax}.`,
    );
  const mandates = [];
  for (const { period, authorization } of authorizations) {
    const data = transferTypedData(agreed.network, authorization);
    const signature = await agreed.signer.signTypedData(data as unknown as Parameters<Signer["signTypedData"]>[0]);
    mandates.push({ period_index: period, authorization: wireOf(authorization), signature });
  }
  return { agent_id: terms.agent_id, object_key: terms.object_key, mandates };
}

function agree(
  terms: MandateTermsReply,
  each: MandateTermsReply["terms"][number],
  at: number,
  { signer, network, payTo, amountMax, paidThroughMs }: MandateAgreement,
): Authorization {
  const from = parseWallet(signer.address);
  const to = parseWallet(terms.pay_to);
  const value = parseMicroUsdc(each.amount);
  const [after, before] = [secondsOf(each.valid_after), secondsOf(each.valid_before)];
  if (!from || !to || value === undefined || after === undefined || before === undefined)
    throw new PaymentRefused("malformed", `The terms for period ${each.period_index} cannot be read.`);
  if (![payTo].flat().includes(to)) throw new PaymentRefused("payee", `The terms pay ${to}, who is not approved.`);
  if (terms.network !== network.caip2)
    throw new PaymentRefused("network", `The terms are for ${terms.network}; this wallet pays on ${network.caip2}.`);
  if (terms.asset.toLowerCase() !== network.usdc.toLowerCase())
    throw new PaymentRefused("asset", `The terms are in ${terms.asset}, which is not USDC.`);
  if (value > amountMax)
    throw new PaymentRefused(
      "amount",
      `Period ${each.period_index} costs ${value} micro-USDC; agreed are ${amountMax}.`,
    );
  // Earlier than its turn it could be charged for a period that is paid; open for ever it could be charged for ever.
  const due = BigInt(Math.floor(paidThroughMs / 1000)) + BigInt(at) * BigInt(PERIOD_DAYS) * DAY_S;
  if (after < due || after > due + SLACK_S || before > after + BigInt(MANDATE_WINDOW_DAYS) * DAY_S)
    throw new PaymentRefused("malformed", `The window of period ${each.period_index} is not the one it is due in.`);
  const nonce: `0x${string}` = `0x${bytesToHex(crypto.getRandomValues(new Uint8Array(32)))}`;
  return { from, to, value, validAfterS: after, validBeforeS: before, nonce };
}

function secondsOf(text: string): bigint | undefined {
  return /^[1-9][0-9]{8,10}$/.test(text) ? BigInt(text) : undefined;
}

function wireOf(authorization: Authorization): Record<string, string> {
  return {
    from: authorization.from,
    to: authorization.to,
    value: authorization.value.toString(),
    validAfter: authorization.validAfterS.toString(),
    validBefore: authorization.validBeforeS.toString(),
    nonce: authorization.nonce,
  };
}
