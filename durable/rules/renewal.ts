/**
 * May this period be paid for now? A period is (object, index): 0 came with the upload, 1 is the first renewal. Only the next index
 * can be claimed, so that no two payments, whoever makes them, buy the same 30 days. Who names no index means "the next one", and
 * may mean the one before: within 20 days of the last renewal that is taken for a repeat whose reply was lost.
 */
import { type Refusal, refuse } from "#contract/errors";
import { PERIOD_DAYS, PERIODS_AHEAD_MAX, RENEWAL_REPEAT_DAYS } from "#contract/limits";
import { DAY_MS } from "./calendar.ts";
import type { OrderState } from "./lease.ts";

export interface Lease {
  readonly state: OrderState;
  readonly paidThroughMs: number;
  /** After this it is erased, and no claim is taken any more. */
  readonly deadlineMs: number;
  /** The last index that is paid. */
  readonly lastIndex: number;
  /** Indices whose payment a reorg took for good. One below the last is not sold again: its time is over or was moved. */
  readonly takenBack: readonly number[];
  /** Block time of the last renewal; undefined when only the upload was paid. */
  readonly renewedMs: number | undefined;
}

export type RenewalVerdict =
  | { readonly ok: true; readonly verdict: "renew"; readonly index: number }
  | { readonly ok: true; readonly verdict: "settled"; readonly index: number }
  | Refusal;

export function renewalVerdict(lease: Lease, asked: number | undefined, nowMs: number): RenewalVerdict {
  const { lastIndex, renewedMs } = lease;
  const repeated = renewedMs !== undefined && nowMs - renewedMs < RENEWAL_REPEAT_DAYS * DAY_MS;
  const index = asked ?? (repeated ? lastIndex : lastIndex + 1);
  const next = lastIndex + 1;
  if (index === 0) return { ok: true, verdict: "settled", index };
  if (index > next || (index < next && lease.takenBack.includes(index)))
    return refuse("period_not_next", `period ${index} was asked for; the next to be paid is ${next}`, {
      facts: { next_period_index: next },
    });
  if (index < next) return { ok: true, verdict: "settled", index };
  if (lease.state === "ended") return refuse("gone", "the object was deleted");
  if (nowMs > lease.deadlineMs)
    return refuse(
      "gone",
      `the object was unpaid until ${new Date(lease.deadlineMs).toISOString()} and is being deleted`,
    );
  if (lease.state === "paying") return refuse("not_paid", "the order's own payment has not settled yet");
  if (lease.state === "paid")
    return refuse("object_not_in_storage", "the order is paid and nothing is stored under it yet; upload first");
  const aheadMs = lease.paidThroughMs - nowMs;
  if (aheadMs > PERIODS_AHEAD_MAX * PERIOD_DAYS * DAY_MS)
    return refuse(
      "renewal_too_early",
      `the object is paid through ${new Date(lease.paidThroughMs).toISOString()}; at most ${PERIODS_AHEAD_MAX} periods are sold ahead`,
    );
  return { ok: true, verdict: "renew", index };
}
