/**
 * The process supervisor: starts children, knows when each is ready, stops them in order, leaves none behind.
 *
 * Each child leads its own process group, so Ctrl-C in the terminal reaches the supervisor alone and wrangler's own
 * children can be ended with it. `leash.ts` does the same work whenever the supervisor ends without having done it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { StackFailure, sentenceOf } from "./failure.ts";
import { lastLines, openLog } from "./log-file.ts";
import type { Probe } from "./readiness.ts";

export interface ChildPlan {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly logFile: string;
  readonly ready: Probe;
  readonly readyWithinMs?: number;
  readonly stopWithinMs?: number;
}

export interface Child {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
  /** Resolves when the child has ended, for whatever reason, with how it ended in words. */
  readonly ended: Promise<string>;
  stop(): Promise<void>;
}

export interface Family {
  /** The process that ends the children if this one is killed. */
  readonly leashPid: number;
  /** Resolves with the reason when a child ends that nobody asked to end. */
  readonly failed: Promise<StackFailure>;
  start(plan: ChildPlan): Promise<Child>;
  child(name: string): Child | undefined;
  /** Last started, first stopped. Safe to call twice. */
  stop(): Promise<void>;
}

const READY_WITHIN_MS = 20_000;
const STOP_WITHIN_MS = 8_000;
const POLL_MS = 60;
/** A server that is up but answers with its own fault this often has refused to start; waiting longer tells no more. */
const FAULTS_ARE_FINAL = 8;

function signalGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-pid, signal);
    return true;
  } catch {
    return false;
  }
}

async function pidOf(child: ChildProcess, what: string): Promise<number> {
  if (child.pid !== undefined) return child.pid;
  const [error] = await once(child, "error");
  throw new StackFailure(`Could not start ${what}: ${sentenceOf(error)}`);
}

async function within(ms: number, promise: Promise<unknown>): Promise<boolean> {
  const timer = new AbortController();
  const timeout = sleep(ms, "late", { signal: timer.signal }).catch(() => "late");
  const first = await Promise.race([promise.then(() => "done"), timeout]);
  timer.abort();
  return first === "done";
}

async function untilReady(plan: ChildPlan, dead: () => string | undefined): Promise<void> {
  const withinMs = plan.readyWithinMs ?? READY_WITHIN_MS;
  const deadline = Date.now() + withinMs;
  let why = "it does not answer";
  for (let faults = 0; Date.now() < deadline; ) {
    const death = dead();
    if (death !== undefined) throw new StackFailure(death);
    try {
      const reason = await plan.ready();
      if (reason === undefined) return;
      why = reason;
      faults += 1;
      if (faults >= FAULTS_ARE_FINAL) break;
    } catch (error) {
      if (faults > 0) why = sentenceOf(error);
    }
    await sleep(POLL_MS);
  }
  const log = lastLines(plan.logFile, plan.name);
  throw new StackFailure(`${plan.name} did not become ready (${withinMs / 1000} s allowed): ${why}\n${log}`);
}

function launch(plan: ChildPlan): ChildProcess {
  const log = openLog(plan.logFile);
  try {
    return spawn(plan.command, plan.args, {
      cwd: plan.cwd,
      env: { ...process.env, NO_COLOR: "1", FORCE_COLOR: "0", ...plan.env },
      stdio: ["ignore", log, log],
      detached: true,
    });
  } finally {
    closeSync(log);
  }
}

function launchLeash(graceMs: number) {
  const file = fileURLToPath(new URL("./leash.ts", import.meta.url).href);
  const args = ["--no-warnings", file, String(graceMs)];
  return spawn(process.execPath, args, { stdio: ["pipe", "ignore", "ignore"], detached: true });
}

/** Asks the leader first, since it knows best how to end its own; then takes the rest of the group. */
async function endChild(pid: number, ended: Promise<unknown>, withinMs: number): Promise<void> {
  try {
    process.kill(pid, "SIGTERM");
  } catch {
    // Gone already; its group may not be.
  }
  await within(withinMs, ended);
  for (let turn = 0; turn < 10 && signalGroup(pid, 0); turn += 1) await sleep(POLL_MS);
  signalGroup(pid, "SIGKILL");
  await within(withinMs, ended);
}

export interface FamilyOptions {
  /** How long children may take to end when the supervisor was killed. */
  readonly graceMs?: number;
}

export async function startFamily({ graceMs = 5_000 }: FamilyOptions = {}): Promise<Family> {
  const children: Child[] = [];
  const failure = Promise.withResolvers<StackFailure>();
  let failedWith: StackFailure | undefined;
  let stopping: Promise<void> | undefined;

  const fail = (sentence: string) => {
    if (stopping !== undefined || failedWith !== undefined) return;
    failedWith = new StackFailure(sentence);
    failure.resolve(failedWith);
  };

  const leash = launchLeash(graceMs);
  const leashPid = await pidOf(leash, "the leash");
  leash.stdin.on("error", () => {}); // A dead leash is told by its exit, not by a failed write.
  const leashEnded = once(leash, "exit").then(() => fail("The process that cleans up after the stack has ended."));
  const tell = (sign: "+" | "-", pid: number) => leash.stdin.write(`${sign}${pid}\n`);

  async function start(plan: ChildPlan): Promise<Child> {
    if (stopping !== undefined) throw new StackFailure(`${plan.name} was not started: the stack is stopping.`);
    const spawned = launch(plan);
    const pid = await pidOf(spawned, plan.name);
    tell("+", pid);
    let asked = false;
    let death: string | undefined;
    const ended = once(spawned, "exit").then(([code, signal]: unknown[]) => {
      const how = signal === null ? `with code ${String(code)}` : `by ${String(signal)}`;
      death = `${plan.name} ended ${how}, which nobody asked for.\n${lastLines(plan.logFile, plan.name)}`;
      if (!asked) {
        // Now, and not when it is stopped: by then the number may belong to somebody else.
        signalGroup(pid, "SIGKILL");
        tell("-", pid);
        fail(death);
      }
      return `${plan.name} ended ${how}`;
    });
    const stop = async () => {
      if (death !== undefined) return;
      asked = true;
      await endChild(pid, ended, plan.stopWithinMs ?? STOP_WITHIN_MS);
      tell("-", pid);
    };
    const child: Child = { name: plan.name, pid, logFile: plan.logFile, ended, stop };
    children.push(child);
    await untilReady(plan, () => death ?? failedWith?.message);
    return child;
  }

  async function stopAll(): Promise<void> {
    for (const child of [...children].reverse()) await child.stop();
    leash.stdin.end();
    await within(STOP_WITHIN_MS, leashEnded);
  }

  return {
    leashPid,
    failed: failure.promise,
    start,
    child: (name) => children.find((child) => child.name === name),
    stop: () => {
      stopping ??= stopAll();
      return stopping;
    },
  };
}
