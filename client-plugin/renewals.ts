/**
 * Renewing by itself: from three days before an object's paid time ends, once a day, under the caps like everything else. No
 * model turn, no other program's cron; when the machine slept through it, the next look catches up. What fails is said, and tried
 * again the next day: two more days pass before the service deletes anything.
 */
import { randomInt } from "node:crypto";
import type { Core } from "./core.ts";
import { explain, type FaultFacts } from "./faults.ts";

const HOUR_MS = 3_600_000;
const LEAD_MS = 3 * 24 * HOUR_MS;
/** Less than a day, so that "daily" does not wander off behind a machine that wakes at fixed hours. */
const BETWEEN_MS = 20 * HOUR_MS;

export interface RenewalRound {
  readonly renewed: readonly { readonly name: string; readonly amount: string; readonly paidThrough: string }[];
  readonly failed: readonly { readonly name: string; readonly fault: FaultFacts }[];
}

export function renewalsOn(core: Core): boolean {
  return core.pins.read("renewals") !== "off";
}

export function switchRenewals(core: Core, on: boolean): void {
  core.pins.replace("renewals", on ? "on" : "off");
}

/** Everything that ends within three days, of every agent. */
export async function renewDue(core: Core, nowMs: number, signal?: AbortSignal): Promise<RenewalRound> {
  const renewed: RenewalRound["renewed"][number][] = [];
  const failed: RenewalRound["failed"][number][] = [];
  for (const { key, agent_id, state, paid_through } of await core.list({ agentId: "*" })) {
    if (state !== "stored" || Date.parse(paid_through) - nowMs > LEAD_MS) continue;
    signal?.throwIfAborted();
    try {
      const { amount, paidThrough, already } = await core.renew({ objectKey: key, agentId: agent_id, signal });
      if (!already) renewed.push({ name: key, amount, paidThrough });
    } catch (error) {
      failed.push({ name: key, fault: explain(error) });
    }
  }
  return { renewed, failed };
}

/** Renewals that failed last, and were not made good since. */
export function failedRenewals(core: Core): { name: string; fault: FaultFacts }[] {
  const last = new Map<string, FaultFacts | undefined>();
  for (const { kind, agentId, objectKey, fault } of core.operations.list({ limit: 500 })) {
    const name = `${agentId}/${objectKey}`;
    if (kind === "renew" && !last.has(name)) last.set(name, fault);
  }
  return [...last].flatMap(([name, fault]) => (fault === undefined ? [] : [{ name, fault }]));
}

/** Looks every hour whether a day has passed. @returns how to stop it. */
export function keepRenewed(core: Core, tell: (sentence: string) => void): () => void {
  const stop = new AbortController();
  const look = async () => {
    if (!renewalsOn(core) || (await core.findWallet()) === undefined) return;
    const last = Number(core.pins.read("renewals looked") ?? 0);
    const nowMs = Date.now();
    if (nowMs - last < BETWEEN_MS) return;
    core.pins.replace("renewals looked", String(nowMs));
    const { renewed, failed } = await renewDue(core, nowMs, stop.signal);
    for (const { name, paidThrough } of renewed) tell(`${name} was renewed; it is kept until ${paidThrough}.`);
    for (const { name, fault } of failed) tell(`${name} could not be renewed: ${fault.message} ${fault.next}`);
  };
  const guarded = () =>
    void look().catch((error: unknown) => {
      if (stop.signal.aborted) return;
      // Not looked: the service may be back in an hour.
      core.pins.replace("renewals looked", "0");
      tell(`Renewals could not be looked at: ${explain(error).message}`);
    });
  // Not all machines of the world at the stroke of one minute.
  const first = setTimeout(guarded, randomInt(5_000, 120_000));
  const hourly = setInterval(guarded, HOUR_MS);
  first.unref();
  hourly.unref();
  return () => {
    clearTimeout(first);
    clearInterval(hourly);
    stop.abort(new Error("stopped"));
  };
}
