/**
 * Asking AWS again: with growing pauses, when it says it is busy or says nothing. Only for requests that may be sent twice. The price
 * services document no rates, only that they throttle and may say for how long.
 */
import { type AwsAnswer, type AwsJsonService, callAws } from "./json-api.ts";

export type Pause = (ms: number) => Promise<void>;

const PAUSES_MS = [500, 1_000, 2_000, 4_000, 8_000, 16_000];
/** A longer wait than this belongs to the alarm. */
const PAUSE_MAX_S = 60;
const BUSY =
  /^(?:Throttling(?:Exception)?|ThrottledException|TooManyRequestsException|RequestLimitExceeded|DataUnavailableException)$/;

export async function askPatiently(
  service: AwsJsonService,
  operation: string,
  input: object,
  pause: Pause,
): Promise<AwsAnswer> {
  for (const pauseMs of PAUSES_MS) {
    const answer = await callAws(service, operation, input);
    if (answer.ok || (answer.ok === false && !BUSY.test(answer.code))) return answer;
    const wantedS = answer.ok === false ? (answer.retryAfterS ?? 0) : 0;
    if (wantedS > PAUSE_MAX_S) return answer;
    await pause(Math.max(pauseMs, wantedS * 1_000));
  }
  return callAws(service, operation, input);
}

/** An alarm is ended by its platform after a quarter of an hour; a source that has paused for so long gives up by itself. */
const PAUSED_MAX_MS = 8 * 60_000;

export function limited(pause: Pause): Pause {
  let pausedMs = 0;
  return async (ms) => {
    pausedMs += ms;
    if (pausedMs > PAUSED_MAX_MS) throw new NotTaken("AWS is too busy to tell its prices");
    await pause(ms);
  };
}

/** The end of a source that did not get what it asked for. */
export class NotTaken extends Error {}

/** The answer's value; throws `NotTaken` with AWS's words for everything else. */
export async function answerTo(operation: string, answered: Promise<AwsAnswer>): Promise<unknown> {
  const answer = await answered;
  if (answer.ok) return answer.value;
  throw new NotTaken(answer.ok === undefined ? answer.detail : `${operation}: ${answer.code} ${answer.message}`);
}
