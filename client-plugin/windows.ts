/**
 * Which bytes to ask a URL for next. A URL debits what it can fetch, so a download that dies between two URLs has paid for bytes it
 * may never get; asked for window by window it loses one window at most, and a window is never more than an eighth of what the
 * allowance has to spare. So however often a download dies it ends within the allowance, as long as that had something to spare.
 */
import { DOWNLOAD_REPEAT_S } from "#contract/limits";

const MIB = 1024 ** 2;
/** Most objects are smaller, and cost one question; 3 GB cost 45. */
export const WINDOW_BYTES = 64 * MIB;
/** With nothing to spare: small enough to lose little, large enough that asking takes no time beside the bytes. */
const WINDOW_BYTES_MIN = MIB / 64;
/** No object is asked for in many more windows than this. */
const WINDOWS_MAX = 64;
/** A debit that is forgotten within this is forgotten: the question must arrive before it is. */
const MARGIN_MS = 30_000;

/** First and last byte, as HTTP counts. */
export interface Window {
  readonly first: number;
  readonly last: number;
}

export interface Debited extends Window {
  /** Milliseconds since 1970; until then a part of the window may be asked for again and debits nothing. */
  readonly untilMs: number;
}

/** What the service said with the last URL. */
export interface Told {
  readonly sizeBytes: number;
  /** Bytes of the allowance, and of a pack, that were left after it. */
  readonly bytesLeft: number;
  readonly debited: Debited;
}

/**
 * From byte `have` on. Of the same facts always the same window, so that a question whose answer died with its asker is asked again
 * in the same words.
 */
export function nextWindow(have: number, told: Told | undefined, nowMs: number): Window {
  if (told === undefined) return { first: have, last: have + WINDOW_BYTES - 1 };
  const { debited } = told;
  const isDebited = debited.first <= have && have <= debited.last && nowMs < debited.untilMs - MARGIN_MS;
  if (isDebited) return { first: have, last: debited.last };
  const rest = told.sizeBytes - have;
  const spare = told.bytesLeft - rest;
  const least = Math.max(WINDOW_BYTES_MIN, Math.ceil(told.sizeBytes / WINDOWS_MAX));
  const most = Math.max(WINDOW_BYTES, least);
  const bytes = Math.min(most, Math.max(least, Math.floor(spare / 8)));
  // Of even size: a last window of a few bytes would debit the least that a URL debits.
  return { first: have, last: have + Math.ceil(rest / Math.ceil(rest / bytes)) - 1 };
}

/** What a URL that came now was debited for. */
export function debitedNow(window: Window, before: Debited | undefined, nowMs: number): Debited {
  // A part of what was debited before: that one still counts, and no longer than it did.
  if (before && before.first <= window.first && window.last <= before.last && nowMs < before.untilMs) return before;
  return { first: window.first, last: window.last, untilMs: nowMs + DOWNLOAD_REPEAT_S * 1000 };
}
