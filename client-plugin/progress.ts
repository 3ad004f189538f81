/** How long work is shown to a person who waits: step, share, rate, time left; from what this process itself has done. */
import { formatSize } from "#contract/sizes";
import type { OnStep } from "./operations/runner.ts";

/** Rates over less than this say nothing. */
const RATE_FROM_MS = 500;

/** A line for each thing told, or undefined where the one before still holds. */
export function progressLines(): (...told: [...Parameters<OnStep>, nowMs: number]) => string | undefined {
  let step = "";
  let beganMs = 0;
  /** What was there when this process began; a download that goes on has not brought it now. */
  let there: number | undefined;
  return (next, done, total, nowMs) => {
    if (next !== step) {
      step = next;
      beganMs = nowMs;
      there = undefined;
      if (total === 0) return `${step} …`;
    }
    if (total === 0) return undefined;
    if (there === undefined) {
      there = done;
      beganMs = nowMs;
    }
    const share = `${step} ${Math.floor((done / total) * 100)} %  ${formatSize(done)} of ${formatSize(total)}`;
    const tookMs = nowMs - beganMs;
    const rate = tookMs < RATE_FROM_MS ? 0 : ((done - there) / tookMs) * 1000;
    if (rate <= 0) return share;
    return `${share}  ${formatSize(Math.round(rate))}/s  ${timeLeft((total - done) / rate)} left`;
  };
}

/** Of whole seconds: "12 s", "3 min 20 s", "2 h 5 min". */
function timeLeft(seconds: number): string {
  const s = Math.ceil(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3_600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3_600)} h ${Math.floor((s % 3_600) / 60)} min`;
}
