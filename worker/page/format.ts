/** Days and counts as people read them; sizes are the contract's. Time is passed in. */

const DAY_MS = 86_400_000;

const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export function dateText(ms: number): string {
  return DATE.format(ms);
}

export function momentText(ms: number): string {
  return MOMENT.format(ms);
}

export interface Due {
  readonly kind: "calm" | "soon" | "late";
  readonly text: string;
}

/** When the next payment is due, or, once it was not made, when the object goes. */
export function dueText(paidThroughMs: number, deleteAfterMs: number, nowMs: number): Due {
  const left = paidThroughMs - nowMs;
  if (left <= 0) return { kind: "late", text: `unpaid, deleted ${spanText(deleteAfterMs - nowMs)}` };
  return { kind: left <= 5 * DAY_MS ? "soon" : "calm", text: spanText(left) };
}

function spanText(ms: number): string {
  if (ms <= 0) return "any moment";
  const hours = Math.floor(ms / 3_600_000);
  if (hours < 1) return "within the hour";
  if (hours < 48) return `in ${hours} h`;
  return `in ${Math.round(ms / DAY_MS)} days`;
}

export function shortWallet(wallet: string): string {
  return `${wallet.slice(0, 6)}…${wallet.slice(-4)}`;
}

export function countText(count: number, one: string, many: string): string {
  return `${count.toLocaleString()} ${count === 1 ? one : many}`;
}
