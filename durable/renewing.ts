/**
 * The first half of a renewal: what it is for, before S3 is asked how much there is to pay for. The second half is a claim like any
 * other (payments.ts). Whoever repeats a payment or a key is answered from what was written down, whatever S3 says by now.
 */
import { type Refusal, refuse } from "#contract/errors";
import { type KeyUse, periodOfKey, rememberPeriod, underKey } from "./keys.ts";
import { findPayment, type PaymentRecord } from "./ledger.ts";
import { findLive, type Order } from "./orders.ts";
import { placeOf, plansOf } from "./plans.ts";
import type { ClaimKey, ObjectPlace } from "./ports.ts";
import { leaseOf, renewalAt, renewalsOf } from "./renewals.ts";
import { deadlineMs, type Gap } from "./rules/pulse.ts";
import { renewalVerdict } from "./rules/renewal.ts";
import type { Tx } from "./tx.ts";

export interface RenewalWanted {
  readonly agentId: string;
  readonly objectKey: string;
  /** Which period; without it the next one, or the last if that was paid a moment ago. */
  readonly index: number | undefined;
  readonly key: KeyUse | undefined;
  readonly identifier: KeyUse | undefined;
  /** Outages, where the calendar's deadline is over: it is later by as much. */
  readonly gaps?: readonly Gap[];
  /** Of the payment that came along, if one did. */
  readonly claimKey: ClaimKey | undefined;
}

export type RenewalStep =
  /** Look at this place for the size, price it, and claim. */
  | {
      readonly ok: true;
      readonly step: "price";
      readonly order: Order;
      readonly index: number;
      readonly place: ObjectPlace;
      readonly deadlineMs: number;
    }
  /** Past the calendar's deadline and still there: say which outages there were, and ask again. */
  | { readonly ok: true; readonly step: "late" }
  /** This very authorization was claimed before: the ledger answers. */
  | { readonly ok: true; readonly step: "claimed"; readonly index: number; readonly payment: PaymentRecord }
  /** The period is paid: nothing is asked for. */
  | {
      readonly ok: true;
      readonly step: "settled";
      readonly order: Order;
      readonly index: number;
      readonly payment: PaymentRecord;
    }
  | Refusal;

export function beginRenewal(tx: Tx, wanted: RenewalWanted): RenewalStep {
  const { agentId, objectKey, key, identifier, claimKey } = wanted;
  const claimed = claimKey === undefined ? undefined : findPayment(tx, claimKey);
  if (claimed && claimed.state !== "withdrawn")
    return { ok: true, step: "claimed", index: periodPaidBy(tx, claimed), payment: claimed };
  const order = findLive(tx, agentId, objectKey);
  if (!order)
    return refuse(
      "renewal_not_registered",
      `no object is named ${JSON.stringify(objectKey)} for agent ${agentId}; what was deleted cannot be renewed`,
    );
  const index = wanted.index ?? periodOfKey(tx, key) ?? periodOfKey(tx, identifier);
  const lease = leaseOf(tx, order, wanted.gaps && deadlineMs(order.paidThroughMs ?? 0, wanted.gaps));
  const verdict = renewalVerdict(lease, index, tx.nowMs);
  if (!verdict.ok) return verdict.code === "gone" && wanted.gaps === undefined ? { ok: true, step: "late" } : verdict;
  if (verdict.verdict === "settled") {
    const payment = findPayment(tx, renewalAt(tx, order.orderId, verdict.index)?.claimKey ?? order.claimKey ?? "");
    if (!payment) throw new Error(`invariant: period ${verdict.index} of ${order.orderId} is paid by nobody`);
    // What a key was told once it is told always, also when the next period could be bought.
    const told = underKey(tx, key, () => ({ ok: true as const }));
    if (!told.ok) return told;
    rememberPeriod(tx, key, verdict.index);
    return { ok: true, step: "settled", order, index: verdict.index, payment };
  }
  const plan = plansOf(tx, order.orderId).find((each) => each.plan === order.storedPlan);
  const place = plan && placeOf(order, plan);
  if (!place) throw new Error(`invariant: ${order.orderId} is stored nowhere`);
  return { ok: true, step: "price", order, index: verdict.index, place, deadlineMs: lease.deadlineMs };
}

function periodPaidBy(tx: Tx, payment: PaymentRecord): number {
  return renewalsOf(tx, payment.claimKey).find((renewal) => renewal.orderId === payment.orderId)?.period ?? 0;
}
