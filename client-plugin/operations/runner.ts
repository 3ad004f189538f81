/**
 * Runs one operation under its lease: heartbeat, progress, cancellation, and one of its ends in the journal whatever happens.
 * The work itself may be cut off between any two lines; it asks the journal's facts where it stands and goes on from there.
 */
import { explain, Fault } from "../faults.ts";
import type { Operation, Operations } from "../state/operations.ts";

/** The lease is 20 s; this often is safe on a loaded machine. */
const HEARTBEAT_MS = 2_000;
const PROGRESS_EVERY_MS = 500;

export type Step =
  | "seal"
  | "price"
  | "pay"
  | "upload"
  | "confirm"
  | "download"
  | "open"
  | "land"
  | "delete"
  | "renew"
  | "statement"
  | "mandate"
  | "rotate"
  | "rewrap";
export type OnStep = (step: Step, done: number, total: number) => void;

/** What the work is given. */
export interface Running {
  readonly id: string;
  readonly signal: AbortSignal;
  /** A step begins: journalled with what later steps and later processes must know, before any of it happens. */
  begin(step: Step, facts?: Readonly<Record<string, unknown>>): void;
  progress(step: Step, done: number, total: number): void;
}

export interface RunOptions {
  readonly onStep?: OnStep | undefined;
  /** Stops the work where it stands; the operation stays open and resumes later. */
  readonly signal?: AbortSignal | undefined;
}

/** Thrown into the work when somebody cancelled it. */
class Cancelled extends Error {}

export async function runOperation<T>(
  journal: Operations,
  operation: Operation,
  options: RunOptions,
  work: (running: Running) => Promise<{ readonly result: T; readonly parked?: boolean }>,
): Promise<T> {
  const { id } = operation;
  journal.take(id);
  const stop = new AbortController();
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([stop.signal, options.signal]);
  const heartbeat = setInterval(() => {
    try {
      if (journal.hold(id)) stop.abort(new Cancelled());
    } catch {
      // A full disk: thrown out of a timer it would end the whole process. The next step that must be written says it.
    }
  }, HEARTBEAT_MS);
  heartbeat.unref();
  let told = 0;
  const running: Running = {
    id,
    signal,
    begin(step, facts) {
      // Between two steps is the cheapest place to stop, and before a payment the last one.
      if (journal.hold(id)) stop.abort(new Cancelled());
      signal.throwIfAborted();
      journal.step(id, step, facts);
      options.onStep?.(step, 0, 0);
    },
    progress(step, done, total) {
      options.onStep?.(step, done, total);
      const nowMs = Date.now();
      if (nowMs - told < PROGRESS_EVERY_MS) return;
      told = nowMs;
      try {
        journal.progress(id, done, total);
      } catch {
        // How far it is, is for who looks on; the work itself goes on.
      }
    },
  };
  try {
    const { result, parked } = await work(running);
    if (parked) journal.release(id);
    else journal.finish(id, result);
    return result;
  } catch (error) {
    if (signal.reason instanceof Cancelled) {
      journal.cancel(id);
      throw new Fault("cancelled", `${id} was cancelled.`, {
        next: "What was paid stays paid; the same call goes on.",
      });
    }
    if (signal.aborted) {
      journal.release(id);
      throw new Fault("interrupted", `${id} was interrupted.`, { retryable: true, next: "The same call resumes it." });
    }
    journal.fail(id, explain(error));
    throw error;
  } finally {
    clearInterval(heartbeat);
  }
}
