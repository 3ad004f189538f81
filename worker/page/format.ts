/** Sizes, days and money as people read them. Time is passed in. */

const DAY_MS = 86_400_000;
const UNITS = ["B", "kB", "MB", "GB", "TB"];

/** SI: 1 kB = 1000 B. */
export function sizeText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 99.95 ? value.toFixed(0) : value.toFixed(1)} ${UNITS[unit]}`;
}

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
