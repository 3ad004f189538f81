/**
 * The spend policy, pure and in one place: may this be signed? Everything that pays asks here, whichever face it came by.
 * Limits are the operator's; an approval is for one purchase, one payee and one exact amount.
 */
import { formatDollars, type MicroUsdc } from "#contract/money";
import type { Wallet } from "#contract/wallet";
import type { Caps } from "./config.ts";

export interface SpendAsk {
  readonly amount: MicroUsdc;
  readonly payee: Wallet;
}

/** What was signed already and may have been, or may still be, charged. */
export interface Spent {
  readonly day: MicroUsdc;
  readonly month: MicroUsdc;
}

export type SpendVerdict =
  | { readonly ok: true; readonly by: "cap" | "approval" }
  | { readonly ok: false; readonly code: "cap" | "payee"; readonly approvable: boolean; readonly message: string };

export function judgeSpend(
  ask: SpendAsk,
  caps: Caps,
  spent: Spent,
  payees: readonly Wallet[],
  approval?: SpendAsk,
): SpendVerdict {
  if (!payees.includes(ask.payee)) {
    const message = `${ask.payee} is not an approved payee; approved: ${payees.join(", ") || "none"}.`;
    return { ok: false, code: "payee", approvable: false, message };
  }
  if (approval?.amount === ask.amount && approval.payee === ask.payee) return { ok: true, by: "approval" };
  const over = overCap(ask.amount, caps, spent);
  if (over === undefined) return { ok: true, by: "cap" };
  const other = approval && ` Approved were ${formatDollars(approval.amount)} to ${approval.payee}.`;
  return { ok: false, code: "cap", approvable: true, message: `${over}${other ?? ""}` };
}

function overCap(amount: MicroUsdc, caps: Caps, spent: Spent): string | undefined {
  const asked = formatDollars(amount);
  if (amount > caps.perCall) return `${asked} is above the cap of ${formatDollars(caps.perCall)} per payment.`;
  if (spent.day + amount > caps.perDay)
    return `${asked} on top of ${formatDollars(spent.day)} within 24 hours is above the cap of ${formatDollars(caps.perDay)} per day.`;
  if (spent.month + amount > caps.perMonth)
    return `${asked} on top of ${formatDollars(spent.month)} within 30 days is above the cap of ${formatDollars(caps.perMonth)} per month.`;
  return undefined;
}
