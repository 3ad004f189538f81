/**
 * The window of a mandate. It opens when its period is due and stays open past the deadline of that period by two weeks, so that an
 * outage of ours does not void it. Periods are consecutive: the one after the next is due 30 days after the next.
 */

import { type Refusal, refuse } from "#contract/errors";
import { MANDATE_WINDOW_DAYS } from "#contract/limits";
import type { Authorization } from "#contract/x402";
import { DAY_MS, PERIOD_MS } from "./calendar.ts";
import type { Lease } from "./renewal.ts";

export interface Window {
  /** Seconds since 1970, as EIP-3009 counts. A transfer is valid strictly after the one and strictly before the other. */
  readonly validAfterS: bigint;
  readonly validBeforeS: bigint;
}

/** When period `index` can be paid by mandate, as the lease stands now. */
export function mandateWindow(lease: Pick<Lease, "paidThroughMs" | "lastIndex">, index: number): Window {
  const dueMs = lease.paidThroughMs + (index - lease.lastIndex - 1) * PERIOD_MS;
  const validAfterS = Math.ceil(dueMs / 1000);
  return {
    validAfterS: BigInt(validAfterS),
    validBeforeS: BigInt(validAfterS + (MANDATE_WINDOW_DAYS * DAY_MS) / 1000),
  };
}

/** Whether an authorization may stand for a period: only what is still to come, in exactly that period's window. */
export function mandateVerdict(
  lease: Lease,
  index: number,
  authorization: Pick<Authorization, "validAfterS" | "validBeforeS">,
  nowMs: number,
): { ok: true } | Refusal {
  if (lease.state !== "stored")
    return refuse("object_not_in_storage", "nothing is stored under this name yet; upload first");
  if (nowMs > lease.deadlineMs) return refuse("gone", "the object was unpaid for too long and is being deleted");
  if (index <= lease.lastIndex)
    return refuse("mandate_invalid", `period ${index} is paid already; the next is ${lease.lastIndex + 1}`);
  const { validAfterS, validBeforeS } = mandateWindow(lease, index);
  if (authorization.validAfterS !== validAfterS || authorization.validBeforeS !== validBeforeS)
    return refuse(
      "mandate_invalid",
      `period ${index} wants validAfter ${validAfterS} and validBefore ${validBeforeS}; came ${authorization.validAfterS} and ${authorization.validBeforeS}. Ask for the terms again`,
    );
  return { ok: true };
}
