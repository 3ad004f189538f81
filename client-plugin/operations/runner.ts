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

/** Thrown into the work when somebody cancelled it, or has taken it over: then what lies there is his. */
class Cancelled extends Error {}
export class TakenOver extends Error {}

type Work<T> = (running: Running) => Promise<{ readonly result: T; readonly parked?: boolean }>;

/** What each opened journal's own process is at. */
const underWay = new WeakMap<Operations, Map<string, Promise<unknown>>>();

/** The same operation called for again while this process is still at it: both wait for the one end. */
export function runOperation<T>(
  journal: Operations,
  operation: Operation,
  options: RunOptions,
  work: Work<T>,
): Promise<T> {
  const mine = underWay.get(journal) ?? new Map<string, Promise<unknown>>();
  underWay.set(journal, mine);
  const same = mine.get(operation.id);
  if (same !== undefined) return same as Promise<T>;
  const run = runAlone(journal, operation, options, work).finally(() => mine.delete(operation.id));
  mine.set(operation.id, run);
  return run;
}

async function runAlone<T>(journal: Operations, operation: Operation, options: RunOptions, work: Work<T>): Promise<T> {
  const { id } = operation;
  journal.take(id);
  const stop = new AbortController();
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([stop.signal, options.signal]);
  const hold = () => {
    const held = journal.hold(id);
    if (held !== "held") stop.abort(held === "lost" ? new TakenOver() : new Cancelled());
  };
  const heartbeat = setInterval(() => {
    try {
      hold();
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
      hold();
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
    if (signal.reason instanceof TakenOver)
      throw new Fault("operation_running", `${id} was taken over by another process.`, {
        retryable: true,
        next: `Ask how it goes with \`mnemospark op-status ${id}\`.`,
      });
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
