/**
 * The calendar of a lease. A period is 30 days counted from the block that paid, never a calendar month: with months, an object
 * stored on 31 January would owe twice in May. Erased 2 days after an unpaid due date, because an erased object cannot be
 * apologised for (PRD R3: 30-day interval, 32-day deadline).
 */
import { GRACE_DAYS, PERIOD_DAYS } from "#contract/limits";
import type { OrderState } from "./lease.ts";

export const DAY_MS = 86_400_000;

export const PERIOD_MS = PERIOD_DAYS * DAY_MS;

/** End of the period that a payment at `paidAtMs` buys. */
export function firstPaidThroughMs(paidAtMs: number): number {
  return paidAtMs + PERIOD_MS;
}

/** End of the period that a renewal in the block of `paidAtMs` buys: early it adds, late it starts anew. */
export function renewedThroughMs(paidThroughMs: number, paidAtMs: number): number {
  return Math.max(paidThroughMs, paidAtMs) + PERIOD_MS;
}

/** The moment after which an unpaid object may be erased. */
export function deleteAfterMs(paidThroughMs: number): number {
  return paidThroughMs + GRACE_DAYS * DAY_MS;
}

/** The same for an order as it stands: without bytes there is nothing to be sorry for, and no grace. */
export function endsAfterMs(state: OrderState, paidThroughMs: number): number {
  return state === "paid" ? paidThroughMs : deleteAfterMs(paidThroughMs);
}

/** What is left of a period whose payment a reorg took for good: its 30 days go, but nobody is erased within two days of the news. */
export function reversedPaidThroughMs(paidThroughMs: number, nowMs: number): number {
  return Math.min(paidThroughMs, Math.max(nowMs + 2 * DAY_MS, paidThroughMs - PERIOD_MS));
}
