/**
 * Signs mandates: renewals for coming periods, handed over before their day. Only what the owner agreed to: the pinned payee and
 * chain, at most the agreed amount a period, windows that open one after the other, a period apart.
 */
import { bytesToHex } from "#contract/bytes";
import { MANDATE_WINDOW_DAYS, PERIOD_DAYS, PERIODS_AHEAD_MAX } from "#contract/limits";
import type { MandateTermsReply } from "#contract/mandates";
import { type MicroUsdc, parseMicroUsdc } from "#contract/money";
import { parseWallet, type Wallet } from "#contract/wallet";
import { type Authorization, type Network, transferTypedData } from "#contract/x402";
import { PaymentRefused } from "./pay.ts";
import type { Signer } from "./signer.ts";
import type { Promised } from "./state/spending.ts";

export interface MandateAgreement {
  readonly signer: Signer;
  readonly network: Network;
  readonly payTo: Wallet | readonly Wallet[];
  /** For each period. */
  readonly amountMax: MicroUsdc;
  /** The end of what is paid, as the owner knows it: the first mandate opens then, not before. */
  readonly paidThroughMs: number;
  readonly periodsMax: number;
  /**
   * Writes them down before any is signed, and says what to sign: an authorization that was written for the same period before is
   * signed again rather than replaced. @throws what the spend policy refuses
   */
  readonly write: (wanted: readonly Promised[]) => Promise<readonly Promised[]> | readonly Promised[];
}

const DAY_S = 86_400n;
const PERIOD_S = BigInt(PERIOD_DAYS) * DAY_S;
/** Between what a reply says in ISO time and an authorization's seconds, and what a late settlement shifts. */
const SLACK_S = 2n * DAY_S;

export interface MandatesToAdd {
  readonly agent_id: string;
  readonly object_key: string;
  readonly mandates: { period_index: number; authorization: ReturnType<typeof wireOf>; signature: string }[];
}

export interface SignedMandates {
  readonly request: MandatesToAdd;
  readonly promised: readonly Promised[];
}

/** @throws PaymentRefused when the terms ask for more than was agreed; nothing is signed then */
export async function signMandates(terms: MandateTermsReply, agreed: MandateAgreement): Promise<SignedMandates> {
  if (terms.terms.length > agreed.periodsMax)
    throw new PaymentRefused(
      "amount",
      `${terms.terms.length} periods were asked for; agreed are ${agreed.periodsMax}.`,
    );
  const wanted = terms.terms.map((each) => ({
    period: each.period_index,
    authorization: agree(terms, each, agreed),
  }));
  apart(wanted);
  const promised = await agreed.write(wanted);
  const mandates = [];
  for (const { period, authorization } of promised) {
    const data = transferTypedData(agreed.network, authorization);
    const signature = await agreed.signer.signTypedData(data as unknown as Parameters<Signer["signTypedData"]>[0]);
    mandates.push({ period_index: period, authorization: wireOf(authorization), signature });
  }
  return { request: { agent_id: terms.agent_id, object_key: terms.object_key, mandates }, promised };
}

/** Periods rise, and their windows with them: as many periods later, as many times 30 days. */
function apart(wanted: readonly Promised[]): void {
  const [first] = wanted;
  let before: Promised | undefined;
  for (const each of wanted) {
    const periods = BigInt(each.period - (first?.period ?? 0));
    const seconds = each.authorization.validAfterS - (first?.authorization.validAfterS ?? 0n);
    if ((before && each.period <= before.period) || seconds !== periods * PERIOD_S)
      throw new PaymentRefused("malformed", `The window of period ${each.period} is not the one it is due in.`);
    before = each;
  }
}

function agree(
  terms: MandateTermsReply,
  each: MandateTermsReply["terms"][number],
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
  const sinceS = after - BigInt(Math.floor(paidThroughMs / 1000));
  const inPeriodS = sinceS % PERIOD_S;
  const isDue = sinceS >= 0n && inPeriodS <= SLACK_S && sinceS < BigInt(PERIODS_AHEAD_MAX) * PERIOD_S;
  if (!isDue || before > after + BigInt(MANDATE_WINDOW_DAYS) * DAY_S)
    throw new PaymentRefused("malformed", `The window of period ${each.period_index} is not the one it is due in.`);
  const nonce: `0x${string}` = `0x${bytesToHex(crypto.getRandomValues(new Uint8Array(32)))}`;
  return { from, to, value, validAfterS: after, validBeforeS: before, nonce };
}

function secondsOf(text: string): bigint | undefined {
  return /^[1-9][0-9]{8,10}$/.test(text) ? BigInt(text) : undefined;
}

function wireOf(authorization: Authorization) {
  return {
    from: authorization.from,
    to: authorization.to,
    value: authorization.value.toString(),
    validAfter: authorization.validAfterS.toString(),
    validBefore: authorization.validBeforeS.toString(),
    nonce: authorization.nonce,
  };
}
