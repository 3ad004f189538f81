/**
 * Handing over mandates: renewals of one object signed for their day. What is agreed to is compared with the service's terms and
 * judged by the spend policy for each day it falls due; all of it is in the ledger before a signature exists. After a crash the same
 * authorizations are signed and handed over again, which changes nothing at the service.
 */
import { PERIODS_AHEAD_MAX } from "#contract/limits";
import type { MandatesReply } from "#contract/mandates";
import { formatDollars, parseMicroUsdc } from "#contract/money";
import { Fault } from "../faults.ts";
import { signMandates } from "../mandates.ts";
import { PaymentRefused } from "../pay.ts";
import { purchaseOf } from "../state/operations.ts";
import type { Promised } from "../state/spending.ts";
import type { ShortWork } from "./short.ts";

/** A person's yes to an amount above a cap. */
export type Approve = (price: { amount: bigint; reason: string }) => Promise<boolean>;

export interface AskedMandates {
  /** So many periods from the next one on are to have a mandate. */
  readonly periods: number;
  /** Micro-USDC for each period; today's price of a renewal if not given. */
  readonly amountMax?: bigint | undefined;
}

export type MandateView = MandatesReply["mandates"][number];

export interface MandatesSigned {
  readonly operationId: string;
  readonly objectKey: string;
  readonly agentId: string;
  /** New ones; none where all of the periods had one. */
  readonly signed: readonly { readonly period: number; readonly amount: string; readonly due: string }[];
  /** Micro-USDC of the new ones. */
  readonly total: string;
  /** All that wait now. */
  readonly mandates: readonly MandateView[];
}

export interface MandateWork extends ShortWork {
  readonly approve?: Approve | undefined;
}

export async function runMandates(work: MandateWork): Promise<{ result: MandatesSigned }> {
  const { session, operation, running } = work;
  const { id: operationId, objectKey, agentId } = operation;
  const named = { object_key: objectKey, agent_id: agentId };
  const periods = Number(operation.facts["periods"]);
  if (!Number.isInteger(periods) || periods < 1 || periods > PERIODS_AHEAD_MAX)
    throw new Fault("bad_arguments", `periods: wanted 1 to ${PERIODS_AHEAD_MAX}, got ${operation.facts["periods"]}.`);
  running.begin("mandate");
  await session.meet();
  const { signal } = running;
  const [object, terms] = await Promise.all([
    session.api.stat(named),
    session.api.mandateTerms({ ...named, periods }, { signal }),
  ]);
  if (terms.terms.length === 0) {
    const { mandates } = await session.api.mandates({ ...named }, { signal });
    return { result: { operationId, objectKey, agentId, signed: [], total: "0", mandates: waiting(mandates) } };
  }
  if (terms.object_key !== objectKey || terms.agent_id !== agentId)
    throw new Fault("terms_mismatch", `The terms are for ${terms.agent_id}/${terms.object_key}. Nothing was signed.`);
  const held = typeof operation.facts["amountMax"] === "string" ? operation.facts["amountMax"] : object.next_amount;
  const amountMax = held === undefined ? undefined : parseMicroUsdc(held);
  if (amountMax === undefined)
    throw new Fault("quote_unavailable", "The service has no current price for another period.", { retryable: true });
  // The later of the two ends: who says that paid time ends sooner would like to charge sooner.
  const known = session.catalogue.find(agentId, objectKey)?.paidThrough ?? object.paid_through;
  const paidThroughMs = Math.max(Date.parse(object.paid_through), Date.parse(known));
  const signed = await signMandates(terms, {
    signer: session.signer,
    network: session.settings.network,
    payTo: session.payees(),
    amountMax,
    paidThroughMs,
    periodsMax: periods,
    write: (wanted) => promise(work, wanted),
  });
  const reply = await session.api.addMandates(signed.request, { signal });
  const total = signed.promised.reduce((sum, { authorization }) => sum + authorization.value, 0n);
  for (const { period, authorization } of signed.promised)
    session.log.object("mandate signed", {
      object: objectKey,
      agent: agentId,
      period,
      amount: authorization.value.toString(),
      nonce: authorization.nonce,
    });
  return {
    result: {
      operationId,
      objectKey,
      agentId,
      signed: signed.promised.map(({ period, authorization }) => ({
        period,
        amount: authorization.value.toString(),
        due: new Date(Number(authorization.validAfterS) * 1000).toISOString(),
      })),
      total: total.toString(),
      mandates: waiting(reply.mandates),
    },
  };
}

export function waiting(mandates: readonly MandateView[]): MandateView[] {
  return mandates.filter(({ state }) => state === "waiting" || state === "settling");
}

/** Judged and written down, all or none; above a cap a person is told number and total, and asked. */
async function promise({ session, operation, approve }: MandateWork, wanted: readonly Promised[]) {
  const purchase = purchaseOf(operation);
  try {
    return session.spending.promise(purchase, wanted, Date.now());
  } catch (error) {
    if (!(error instanceof PaymentRefused && error.code === "cap")) throw error;
    const amount = wanted.reduce((sum, { authorization }) => sum + authorization.value, 0n);
    const each = wanted[0]?.authorization;
    const many = `${wanted.length} renewals of ${operation.objectKey}, ${formatDollars(amount)} in all`;
    const agreed = each !== undefined && (await approve?.({ amount, reason: `${many}. ${error.message}` }));
    if (!agreed)
      throw new Fault("above_cap", `${many}: ${error.message}`, {
        next: "The operator raises the cap in the configuration, or approves these renewals.",
      });
    session.spending.approve(purchase, { amount, payee: each.to }, "person at the terminal", Date.now());
    return session.spending.promise(purchase, wanted, Date.now());
  }
}
