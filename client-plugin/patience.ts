/**
 * How long to go on when S3 or the service does not answer: pauses double up to half a minute, with a share of chance so that many
 * clients do not come back in one moment ("Error retries and exponential backoff in AWS"). Says what it does.
 */

import { ApiError, Unreachable } from "./api.ts";
import { pause } from "./pause.ts";
import { TransferError } from "./transfer.ts";

export interface Patience {
  readonly signal?: AbortSignal | undefined;
  /** Told in words what is done about a failure, each time. */
  readonly onNotice?: ((text: string) => void) | undefined;
  /** Failures in a row, without a byte of progress between them, that are borne. */
  readonly tries?: number | undefined;
  /** Milliseconds of the first pause. */
  readonly firstPauseMs?: number | undefined;
}

/** With the pauses below this bears about three minutes of silence. */
const TRIES = 12;
const FIRST_PAUSE_MS = 500;
const PAUSE_MAX_MS = 30_000;

/** May the very same thing be tried again? */
export function mayPass(error: unknown): boolean {
  if (error instanceof TransferError) return error.cure === "again" || error.cure === "renew";
  if (error instanceof ApiError) return error.problem.retryable;
  return error instanceof Unreachable;
}

/** Does `work` until it succeeds or fails for good. `work` is told how often it has failed before. */
export async function patiently<T>(patience: Patience, work: (failures: number) => Promise<T>): Promise<T> {
  for (let failures = 0; ; failures++) {
    patience.signal?.throwIfAborted();
    try {
      return await work(failures);
    } catch (error) {
      await bear(patience, failures, error);
    }
  }
}

/** Waits before the next try, or throws what failed when another would be in vain. `failures`: how many came before this one. */
export async function bear(patience: Patience, failures: number, error: unknown): Promise<void> {
  patience.signal?.throwIfAborted();
  if (failures + 1 >= (patience.tries ?? TRIES) || !mayPass(error)) throw error;
  const pauseMs = pauseAfter(failures, patience.firstPauseMs ?? FIRST_PAUSE_MS);
  patience.onNotice?.(`${sentenceOf(error)}; trying again in ${(pauseMs / 1000).toFixed(1)} s`);
  await pause(pauseMs, patience.signal);
}

function pauseAfter(failures: number, firstMs: number): number {
  const full = Math.min(PAUSE_MAX_MS, firstMs * 2 ** failures);
  const chance = (crypto.getRandomValues(new Uint8Array(1))[0] ?? 0) / 255;
  return Math.round(full / 2 + (full / 2) * chance);
}

function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message.replace(/\.$/, "") : String(error);
}
