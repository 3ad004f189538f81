/**
 * Renewing by itself: from three days before an object's paid time ends the wallet's statement is paid, everything that is due within
 * 30 days by one payment, under the caps like everything else. No model turn, no other program's cron; when the machine slept through
 * it, the next look catches up. What fails is said, and stands in every status until it is made good: two more days pass before the
 * service deletes anything.
 */
import { randomInt } from "node:crypto";
import { payStatement, type StatementAsk } from "./ahead.ts";
import type { Core } from "./core.ts";
import { explain, type FaultFacts } from "./faults.ts";
import { newNotices } from "./notices.ts";
import type { DueLine, PaidStatement, StatementFacts } from "./operations/statement.ts";
import { clearWarning, type EndingObject, type RenewalWarning, raiseWarning } from "./warning.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** From day 27 of 30. */
const LEAD_MS = 3 * DAY_MS;
/** What one payment for all could not do is tried one by one; so many refusals in a row and the rest would be refused too. */
const REFUSALS_MAX = 3;
const SHORT: readonly string[] = ["above_cap", "insufficient_balance"];
const NOT_ON_IT: FaultFacts = {
  code: "not_on_statement",
  message: "the service left it out of its statement.",
  retryable: true,
  next: "Renew it by name, and tell the operator of the service.",
};

export interface RenewedObject {
  readonly name: string;
  readonly agentId: string;
  readonly amount: string;
  readonly transId: string;
  readonly paidThrough: string | undefined;
}

export interface RenewalRound {
  readonly statements: readonly PaidStatement[];
  readonly renewed: readonly RenewedObject[];
  readonly warning: RenewalWarning | undefined;
  /** Something was left undone, whether or not it is worth a warning: look again soon. */
  readonly failed: boolean;
}

export function renewalsOn(core: Core): boolean {
  return core.pins.read("renewals") !== "off";
}

export function switchRenewals(core: Core, on: boolean): void {
  core.pins.replace("renewals", on ? "on" : "off");
}

/** Pays for what ends within three days, of every agent, and with it for all that ends within 30. */
export async function renewDue(core: Core, nowMs: number, signal?: AbortSignal): Promise<RenewalRound> {
  const endsBefore = new Date(nowMs + LEAD_MS).toISOString();
  try {
    const isDue = (await isOpen(core)) || (await endingSoon(core, endsBefore, signal)).length > 0;
    const { statements } = isDue ? await payStatement(core, { endsBefore, signal }) : { statements: [] };
    // Looked at, not inferred: what S3 did not list was on no statement, and ends all the same.
    const left = isDue ? await unmandated(core, await endingSoon(core, endsBefore, signal)) : [];
    const renewed = renewedBy(statements);
    if (left.length > 0) return await oneByOne(core, NOT_ON_IT, left, { statements, renewed }, nowMs, signal);
    clearWarning(core);
    return { statements, renewed, warning: undefined, failed: false };
  } catch (error) {
    signal?.throwIfAborted();
    const fault = explain(error);
    const nothing = { statements: [], renewed: [] };
    // Another process is at it.
    if (fault.code === "operation_running") return { ...nothing, warning: undefined, failed: true };
    const ending = (await lastStatement(core)).filter(({ from }) => from <= endsBefore);
    if (SHORT.includes(fault.code)) return oneByOne(core, fault, ending, nothing, nowMs, signal);
    return { ...nothing, failed: true, warning: await raiseWarning(core, fault, ending, nowMs) };
  }
}

/** What one payment for all did not do is tried object by object; what is left of that is a warning. */
async function oneByOne(
  core: Core,
  fault: FaultFacts,
  ending: readonly EndingObject[],
  so: Pick<RenewalRound, "statements" | "renewed">,
  nowMs: number,
  signal: AbortSignal | undefined,
): Promise<RenewalRound> {
  const singly = await renewSingly(core, ending, signal);
  const round = { ...so, renewed: [...so.renewed, ...singly] };
  const left = ending.filter(
    ({ agentId, objectKey }) => !singly.some((each) => each.name === objectKey && each.agentId === agentId),
  );
  if (ending.length > 0 && left.length === 0) {
    clearWarning(core);
    return { ...round, warning: undefined, failed: false };
  }
  return { ...round, failed: true, warning: await raiseWarning(core, fault, left, nowMs) };
}

/** The owner's word: pays the statement now, whatever it has. What stops it is kept as a warning too. */
export async function payNow(core: Core, ask: Omit<StatementAsk, "endsBefore">): Promise<readonly PaidStatement[]> {
  try {
    const { statements } = await payStatement(core, ask);
    clearWarning(core);
    return statements;
  } catch (error) {
    const fault = explain(error);
    if (SHORT.includes(fault.code)) await raiseWarning(core, fault, await lastStatement(core), Date.now());
    throw error;
  }
}

export function renewedBy(statements: readonly PaidStatement[]): RenewedObject[] {
  return statements.flatMap(({ transId, lines }) =>
    lines.flatMap(({ objectKey, agentId, amount, paidThrough, state }) =>
      state === "granted" ? [{ name: objectKey, agentId, amount, transId, paidThrough }] : [],
    ),
  );
}

/** Begun before, and nobody knows how it ended. */
async function isOpen(core: Core): Promise<boolean> {
  const { address } = (await core.session()).wallet;
  const open = core.operations.list({ openOnly: true, limit: 1_000 });
  return open.some(({ kind, wallet }) => kind === "statement" && wallet === address);
}

async function endingSoon(
  core: Core,
  endsBefore: string,
  signal: AbortSignal | undefined,
): Promise<(EndingObject & { orderId: string })[]> {
  const { api } = await core.session();
  const found: (EndingObject & { orderId: string })[] = [];
  for (let dueAfter: string | undefined; ; ) {
    const page = await api.billing(dueAfter === undefined ? {} : { dueAfter }, { ...(signal && { signal }) });
    const ending = page.due.filter(({ paid_through }) => paid_through <= endsBefore);
    for (const { state, order_id, agent_id, object_key, paid_through, next_amount } of ending)
      if (state === "stored")
        found.push({
          orderId: order_id,
          agentId: agent_id,
          objectKey: object_key,
          from: paid_through,
          ...(next_amount === undefined ? {} : { amount: next_amount }),
        });
    if (ending.length < page.due.length || page.due_after === null) return found;
    dueAfter = page.due_after;
  }
}

/** Those that no mandate is going to pay. */
async function unmandated<T extends { orderId: string }>(core: Core, ending: readonly T[]): Promise<T[]> {
  if (ending.length === 0) return [];
  const { mandates } = await (await core.session()).api.mandates();
  const live = mandates.filter(
    ({ state, reason }) => state === "settling" || (state === "waiting" && reason === undefined),
  );
  const covered = new Set(live.map(({ order_id }) => order_id));
  return ending.filter(({ orderId }) => !covered.has(orderId));
}

/** Of the statement that could not be paid. */
async function lastStatement(core: Core): Promise<readonly DueLine[]> {
  const { address } = (await core.session()).wallet;
  const last = core.operations
    .list({ limit: 50 })
    .find(({ kind, wallet }) => kind === "statement" && wallet === address);
  return (last?.facts as StatementFacts | undefined)?.statement?.lines ?? [];
}

/** What ends first is kept first, as far as funds and caps allow: each by a payment of its own. */
async function renewSingly(
  core: Core,
  ending: readonly EndingObject[],
  signal: AbortSignal | undefined,
): Promise<RenewedObject[]> {
  const renewed: RenewedObject[] = [];
  let refusals = 0;
  for (const { objectKey, agentId } of [...ending].sort((a, b) => a.from.localeCompare(b.from))) {
    signal?.throwIfAborted();
    if (refusals >= REFUSALS_MAX) break;
    try {
      const { amount, transId, paidThrough } = await core.renew({ objectKey, agentId, signal });
      renewed.push({ name: objectKey, agentId, amount, transId, paidThrough });
      refusals = 0;
    } catch {
      refusals += 1;
    }
  }
  return renewed;
}

/** When to look again: daily, wandering, so that not all machines come in one hour; after a failure in about an hour. */
export function nextLookMs(nowMs: number, failed: boolean): number {
  return nowMs + (failed ? HOUR_MS + randomInt(HOUR_MS / 2) : 20 * HOUR_MS + randomInt(4 * HOUR_MS));
}

/** Looks every hour what is to be told and whether it is time to renew. @returns how to stop it. */
export function keepRenewed(core: Core, tell: (sentence: string) => void): () => void {
  const stop = new AbortController();
  const look = async () => {
    const wallet = await core.findWallet();
    if (wallet === undefined) return;
    for (const sentence of await newNotices(core, "log")) tell(sentence);
    const nextPin = `renewals next ${wallet.address}`;
    const nowMs = Date.now();
    if (nowMs < Number(core.pins.read(nextPin) ?? 0)) return;
    // Written before: whoever dies in it comes back in an hour, and another load of this plugin does not do the same now.
    core.pins.replace(nextPin, String(nextLookMs(nowMs, true)));
    if (!renewalsOn(core)) return void core.pins.replace(nextPin, String(nextLookMs(nowMs, false)));
    const { renewed, warning, failed } = await renewDue(core, nowMs, stop.signal);
    for (const { name, paidThrough } of renewed) tell(`${name} was renewed; it is kept until ${paidThrough}.`);
    if (!failed) core.pins.replace(nextPin, String(nextLookMs(nowMs, false)));
    if (warning !== undefined && isNews(core, warning, nowMs)) tell(warning.message);
  };
  const guarded = () =>
    void look().catch((error: unknown) => {
      if (!stop.signal.aborted) tell(`Renewals could not be looked at: ${explain(error).message}`);
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

/** Tried every hour, told once a day, unless it is something else. */
function isNews(core: Core, { code, address }: RenewalWarning, nowMs: number): boolean {
  const pin = `renewals told ${address}`;
  const [toldCode, toldMs] = (core.pins.read(pin) ?? "").split(" ");
  if (toldCode === code && nowMs - Number(toldMs) < 20 * HOUR_MS) return false;
  core.pins.replace(pin, `${code} ${nowMs}`);
  return true;
}
