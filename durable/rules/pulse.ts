/**
 * When could a payment have been taken? The service beats once a minute: the edge by running at all, the RPC by a chain that moves, the
 * relayer by being able to send. Time without a beat is no time in which anybody could pay, so it does not count as grace, and while a
 * beat is missing nothing lapses.
 */
import { BEAT_MISSED_MS, GRACE_DAYS } from "#contract/limits";
import { DAY_MS } from "./calendar.ts";

export const BEATS = ["edge", "rpc", "relayer"] as const;
export type Beat = (typeof BEATS)[number];

/** Time without a beat of one kind. */
export interface Gap {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Pulse {
  /** The newest beat of each kind; a kind that never beat is absent. */
  readonly beats: Readonly<Partial<Record<Beat, number>>>;
  readonly gaps: readonly Gap[];
}

/** Every kind has beaten within ten minutes. A beat from the future is a clock that went wrong, and no sign of life. */
export function isAlive(pulse: Pulse, nowMs: number): boolean {
  return BEATS.every((kind) => {
    const lastMs = pulse.beats[kind];
    return lastMs !== undefined && Math.abs(nowMs - lastMs) <= BEAT_MISSED_MS;
  });
}

/** When an object unpaid since `paidThroughMs` may be erased: after two days in which it could have been paid. */
export function deadlineMs(paidThroughMs: number, gaps: readonly Gap[]): number {
  let atMs = paidThroughMs;
  let leftMs = GRACE_DAYS * DAY_MS;
  for (const gap of [...gaps].sort((a, b) => a.fromMs - b.fromMs)) {
    if (gap.toMs <= atMs) continue;
    const openMs = Math.max(0, gap.fromMs - atMs);
    if (openMs >= leftMs) break;
    leftMs -= openMs;
    atMs = gap.toMs;
  }
  return atMs + leftMs;
}
