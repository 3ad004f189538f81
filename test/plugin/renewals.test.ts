/** Renewing by itself: one payment for all, at a price that was written down before, under the caps; and what fails stands as a warning. */
import { join } from "node:path";
import { generatePrivateKey } from "viem/accounts";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { jsonToBase64 } from "#contract/base64";
import { payStatement } from "../../client-plugin/ahead.ts";
import { judgeCall } from "../../client-plugin/approval.ts";
import type { Core } from "../../client-plugin/core.ts";
import { diagnose } from "../../client-plugin/doctor.ts";
import { explain } from "../../client-plugin/faults.ts";
import { newNotices } from "../../client-plugin/notices.ts";
import { keepRenewed, nextLookMs, payNow, renewalsOn, renewDue, switchRenewals } from "../../client-plugin/renewals.ts";
import { runTool } from "../../client-plugin/tools/tools.ts";
import { standingWarning } from "../../client-plugin/warning.ts";
import { openClient } from "../demo/client.ts";
import { scratch } from "./fixture.ts";
import { type Asked, network, PAYEE, problem, type Service, startService } from "./service.ts";

const room = scratch();
const DAY_MS = 86_400_000;
const now = Date.now();
const at = (days: number) => new Date(now + days * DAY_MS).toISOString();
let service: Service;
/** What the service holds: names, and the days that are paid. */
let objects: { name: string; days: number }[] = [];
let amount = 10_000;
/** Lines of one statement. */
let atMost = 1_000;
/** Answers of /payment/settle with a payment, before it is honest again; `taken`: it was charged, and the reply was lost. */
let trouble: ("hang up" | "taken" | "statement_changed")[] = [];
const issued = new Map<string, { name: string; days: number }[]>();
const settled = new Map<string, string>();
let events: object[] = [];
let mandates: object[] = [];
/** Objects that S3 does not list. */
let unlisted: string[] = [];

beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.close());

function statement() {
  const listed = objects.filter(({ name, days }) => days <= 30 && !unlisted.includes(name));
  const due = listed.slice(0, atMost);
  const id = `stmt_${issued.size}`;
  issued.set(id, due);
  const lines = due.map(({ name, days }) => ({
    order_id: name,
    agent_id: "main",
    object_key: name,
    period_index: Math.ceil(days / 30) + 1,
    from: at(days),
    until: at(days + 30),
    size_bytes: 1,
    amount: String(amount),
  }));
  const more = listed.length > due.length;
  const made = due.length === 0 ? {} : { statement_id: id, expires_at: at(1) };
  const total = String(amount * due.length);
  return { ...made, wallet_address: "", amount: total, basis: "card", minimum_applied: false, lines, more, missing: 0 };
}

function unpaid(value: string) {
  const terms = {
    scheme: "exact",
    network: network?.caip2,
    asset: network?.usdc,
    payTo: PAYEE,
    maxTimeoutSeconds: 120,
  };
  const required = { x402Version: 2, resource: { url: "http://x/" }, accepts: [{ ...terms, amount: value }] };
  return { ...problem(402, "payment_required"), headers: { "payment-required": jsonToBase64(required) } };
}

function pay(id: string, nonce: string | undefined) {
  const due = issued.get(id) ?? [];
  const total = String(amount * due.length);
  if (!settled.has(id)) {
    if (nonce === undefined) return unpaid(total);
    const next = trouble.shift();
    if (next === "hang up") return next;
    if (next === "statement_changed") return problem(409, next);
    settled.set(id, nonce);
    for (const each of objects) if (due.some(({ name }) => name === each.name)) each.days += 30;
    if (next === "taken") return "hang up" as const;
  }
  const lines = due.map(({ name }) => ({
    order_id: name,
    period_index: 2,
    amount: String(amount),
    state: "granted",
    paid_through: at(60),
  }));
  const paid = { statement_id: id, payment_id: "p", wallet_address: "", trans_id: `0x${id}`, network: "", asset: "" };
  return { status: 200, body: { ...paid, amount: total, payment_status: "confirmed", timestamp: at(0), lines } };
}

function answer({ path, body, nonce }: Asked) {
  if (path === "/mandates/ls") return { status: 200, body: { mandates } };
  if (path === "/billing/statement") return { status: 200, body: statement() };
  if (path === "/payment/settle" && typeof body["statement_id"] === "string") return pay(body["statement_id"], nonce);
  if (path.startsWith("/events")) return { status: 200, body: { events, last: events.length, more: false } };
  if (!path.startsWith("/billing")) return undefined;
  const due = [...objects]
    .sort((a, b) => a.days - b.days)
    .map(({ name, days }) => ({
      order_id: name,
      object_key: name,
      agent_id: "main",
      region: "us-east-1",
      state: "stored",
      size_bytes: 1,
      paid_through: at(days),
      delete_after: at(days + 2),
      period_index: 0,
      next_period_index: 1,
    }));
  const reply = { wallet_address: "", network: "", asset: "", credit: "0", due, due_after: null };
  return { status: 200, body: { ...reply, payments: [], payments_before: null } };
}

let homes = 0;
async function client(config: Record<string, unknown> = {}, home = join(room, `home-${homes++}`)): Promise<Core> {
  service.lies.answer = answer;
  service.asked.length = 0;
  [amount, atMost, trouble, events, mandates, unlisted] = [10_000, 1_000, [], [], [], []];
  settled.clear();
  issued.clear();
  objects = [
    { name: "ends-soon", days: 2 },
    { name: "ends-later", days: 20 },
    { name: "ends-far-off", days: 40 },
  ];
  return openClient({
    edgeUrl: service.url,
    chainUrl: "http://127.0.0.1:9",
    key: generatePrivateKey(),
    home,
    payTo: PAYEE,
    config,
  });
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "nothing was refused",
    (error: unknown) => explain(error).code,
  );
const nonces = () => new Set(service.asked.flatMap(({ nonce }) => nonce ?? []));
const payments = async (core: Core) => (await core.session()).spending.history(50);

describe("renewing by itself", () => {
  test("is one payment for all that is due within 30 days, once something ends within three", async () => {
    const core = await client();
    const round = await renewDue(core, now);
    expect(round.renewed.map(({ name }) => name)).toEqual(["ends-soon", "ends-later"]);
    expect(await payments(core)).toMatchObject([{ amount: "20000", state: "settled", transId: "0xstmt_0" }]);
    expect((await renewDue(core, now)).renewed).toEqual([]);
    expect(nonces().size).toBe(1);
    core.close();
  });

  test("pays nothing while nothing ends within three days; by hand it does", async () => {
    const core = await client();
    objects = [{ name: "ends-later", days: 20 }];
    expect((await renewDue(core, now)).renewed).toEqual([]);
    expect(nonces().size).toBe(0);
    expect(await payNow(core, {})).toMatchObject([{ amount: "10000", lines: [{ objectKey: "ends-later" }] }]);
    expect(await payNow(core, {})).toEqual([]);
    core.close();
  });

  test("a reply that was lost is asked for again, with the same authorization, by whichever process comes next", async () => {
    const [home, key] = [join(room, "lost"), generatePrivateKey()];
    const core = await client({ walletKey: key }, home);
    trouble = Array.from({ length: 5 }, () => "hang up");
    expect(await codeOf(payStatement(core))).toBe("unreachable");
    expect(settled.size).toBe(0);
    core.close();
    const place = { edgeUrl: service.url, chainUrl: "http://127.0.0.1:9", key, home, payTo: PAYEE };
    const again = await openClient(place);
    await again.resumeAll();
    expect(await payments(again)).toMatchObject([{ amount: "20000", state: "settled" }]);
    expect(nonces().size).toBe(1);
    expect(settled.size).toBe(1);
    again.close();
  });

  test("charged, and the reply lost: the same request finds it paid", async () => {
    const core = await client();
    trouble = ["taken"];
    expect(await payNow(core, {})).toMatchObject([{ transId: "0xstmt_0" }]);
    expect(nonces().size).toBe(1);
    core.close();
  });

  test("what changed under our hands is taken anew; while the first may be charged, nothing else is signed", async () => {
    const core = await client();
    trouble = ["statement_changed"];
    expect(await codeOf(payNow(core, {}))).toBe("payment_pending");
    expect(nonces().size).toBe(1);
    expect(await payments(core)).toMatchObject([{ purchase: "statement stmt_0", state: "signed" }]);
    core.close();
  });

  test("what changed before anything was signed is taken anew at once", async () => {
    const core = await client();
    let changed = 0;
    service.lies.answer = (asked) =>
      asked.path === "/payment/settle" && changed++ === 0 ? problem(409, "statement_changed") : answer(asked);
    expect(await payNow(core, {})).toMatchObject([{ statementId: "stmt_1" }]);
    expect(nonces().size).toBe(1);
    core.close();
  });

  test("begun by itself and switched off since, it is not gone on with; what was signed is", async () => {
    const core = await client();
    service.lies.answer = (asked) => (asked.path === "/payment/settle" ? "hang up" : answer(asked));
    expect((await renewDue(core, now)).failed).toBe(true);
    service.lies.answer = answer;
    switchRenewals(core, false);
    await core.resumeAll();
    expect(nonces().size).toBe(0);
    expect(core.operations.list({ limit: 1 })).toMatchObject([{ kind: "statement", state: "cancelled" }]);
    core.close();
  });

  test("more than one statement holds are several payments, one after the other", async () => {
    const core = await client();
    atMost = 1;
    expect((await payNow(core, {})).map(({ amount }) => amount)).toEqual(["10000", "10000"]);
    expect(await payments(core)).toMatchObject([{ state: "settled" }, { state: "settled" }]);
    expect(nonces().size).toBe(2);
    core.close();
  });

  test("a statement whose lines are not its amount is not signed", async () => {
    const core = await client();
    service.lies.answer = (asked) =>
      asked.path === "/billing/statement" ? { status: 200, body: { ...statement(), amount: "1" } } : answer(asked);
    expect(await codeOf(payNow(core, {}))).toBe("price_malformed");
    expect(await payments(core)).toEqual([]);
    core.close();
  });
});

describe("what cannot be renewed", () => {
  test("stands as a warning with its deadline, in status, doctor and tool, until it is made good", async () => {
    const core = await client({ capPerCall: "0.005" });
    const { warning } = await renewDue(core, now);
    expect(warning).toMatchObject({ code: "above_cap", deleteAfter: at(4), count: 1 });
    expect(warning?.message).toContain(`"ends-soon" is deleted after ${at(4)}`);
    expect(await standingWarning(core)).toEqual(warning);
    expect((await diagnose(core)).find(({ what }) => what === warning?.message)).toMatchObject({ level: "error" });
    const status = await runTool("mnemospark_status", {}, { core });
    expect(status).toMatchObject({ ok: true, data: { renewalWarning: { code: "above_cap" }, renewals: "on" } });
    expect(nonces().size).toBe(0);
    amount = 2_000;
    expect((await renewDue(core, now)).renewed).toHaveLength(2);
    expect(await standingWarning(core)).toBeUndefined();
    core.close();
  });

  test("what S3 did not list, so that no statement had it, is told; what a mandate pays is not", async () => {
    const core = await client();
    unlisted = ["ends-soon"];
    const round = await renewDue(core, now);
    expect(round).toMatchObject({ renewed: [], failed: true, warning: { code: "not_on_statement", count: 1 } });
    const period = {
      order_id: "ends-soon",
      agent_id: "main",
      object_key: "ends-soon",
      period_index: 1,
      amount: "10000",
    };
    mandates = [{ ...period, due: at(2), valid_until: at(18), nonce: "", state: "waiting", attempts: 0 }];
    expect(await renewDue(core, now)).toMatchObject({ warning: undefined, failed: false });
    core.close();
  });

  test("an agent's renewal of everything above a cap is agreed to for one statement, and that one is paid", async () => {
    const core = await client({ capPerCall: "0.005" });
    const call = { toolName: "mnemospark_renew", params: { all: true } };
    const renew = () => runTool("mnemospark_renew", { all: true }, { core });
    const verdict = await judgeCall(call, { core, workspace: undefined, agentId: undefined });
    expect(verdict?.requireApproval).toMatchObject({ scope: { amount: "0.02" } });
    expect(await renew()).toMatchObject({ ok: false, error: { code: "above_cap" } });
    verdict?.requireApproval?.onResolution("allow-once");
    expect(await renew()).toMatchObject({
      ok: true,
      data: { statements: [{ statementId: "stmt_0", amount: "20000" }] },
    });
    expect(await runTool("mnemospark_renew", {}, { core })).toMatchObject({
      ok: false,
      error: { code: "bad_arguments" },
    });
    core.close();
  });

  test("a service that is away is no reason to forget what was told", async () => {
    const core = await client({ capPerCall: "0.005" });
    expect(await codeOf(payNow(core, {}))).toBe("above_cap");
    service.lies.answer = () => problem(404, "not_found");
    expect((await renewDue(core, now)).warning).toMatchObject({ code: "not_found" });
    core.close();
  });

  test("is looked for again within the hour, otherwise the next day, wandering", () => {
    for (let turn = 0; turn < 50; turn++) {
      expect(nextLookMs(0, true)).toBeLessThanOrEqual(1.5 * 3_600_000);
      expect(nextLookMs(0, false)).toBeGreaterThanOrEqual(20 * 3_600_000);
      expect(nextLookMs(0, false)).toBeLessThanOrEqual(24 * 3_600_000);
    }
  });

  test("switched off is off, and said", async () => {
    const core = await client();
    expect(renewalsOn(core)).toBe(true);
    switchRenewals(core, false);
    expect(renewalsOn(core)).toBe(false);
    expect((await diagnose(core)).some(({ next }) => next === "mnemospark renewals on")).toBe(true);
    core.close();
  });
});

test("events of the service that are warnings are told once in the log and once to whoever asks", async () => {
  const core = await client();
  const event = (number: number, kind: string, days = 0) => ({
    number,
    at: at(days),
    kind,
    data: { order_id: "o", period: 2, reason: "insufficient_funds" },
  });
  events = [event(1, "mandate.unpaid", -20), event(2, "payment.settled"), event(3, "mandate.unpaid")];
  const [told, ...more] = await newNotices(core, "log");
  expect(told).toContain("period 2");
  expect(told).toContain("insufficient_funds");
  expect(more).toEqual([]);
  expect(await newNotices(core, "log")).toEqual([]);
  expect(await newNotices(core, "status")).toEqual([told]);
  expect(await newNotices(core, "status")).toEqual([]);
  const ending = { object_key: "a", paid_through: at(1), delete_after: at(3), mandate: false };
  const due = (number: number, kind: string, more: object = {}) => ({
    ...event(number, kind),
    data: { ...ending, message: `"a" ${kind}\n\u001b[31m of it`, ...more },
  });
  events.push(due(4, "warning.due_soon"), due(5, "warning.unpaid", { mandate: true }), due(6, "warning.ending"));
  expect(await newNotices(core, "log")).toEqual([expect.stringMatching(/"a" warning.ending \[31m of it$/)]);
  switchRenewals(core, false);
  events.push(due(7, "warning.due_soon", { object_key: "b" }));
  expect(await newNotices(core, "log")).toEqual([expect.stringContaining("warning.due_soon")]);
  core.close();
});

test("while the gateway runs it looks within minutes, then daily, and catches up when the machine slept", async () => {
  const core = await client();
  objects = [{ name: "sleeper", days: 27 }];
  const told: string[] = [];
  const nextPin = `renewals next ${(await core.session()).wallet.address}`;
  const looked = () => service.asked.filter(({ path }) => path.startsWith("/billing?")).length;
  // Timers and clock by hand; sockets as they are.
  vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout", "setInterval", "clearInterval"], now });
  const stop = keepRenewed(core, (sentence) => void told.push(sentence));
  try {
    await vi.advanceTimersByTimeAsync(120_000);
    await when(() => Number(core.pins.read(nextPin)) > now + 3 * 3_600_000);
    await vi.advanceTimersByTimeAsync(19 * 3_600_000);
    expect(looked()).toBe(1);
    expect(nonces().size).toBe(0);
    // The lid was closed for 25 days.
    vi.setSystemTime(now + 25 * DAY_MS);
    objects = [{ name: "sleeper", days: 27 }];
    await vi.advanceTimersByTimeAsync(3_600_000);
    await when(() => told.length > 0);
    expect(told).toEqual([expect.stringContaining("sleeper was renewed")]);
  } finally {
    stop();
    vi.useRealTimers();
  }
  core.close();
});

/** What is waited for comes over a socket in real time; pauses in between are the clock's that stands. */
async function when(isSo: () => boolean): Promise<void> {
  const untilMs = performance.now() + 20_000;
  while (!isSo() && performance.now() < untilMs) {
    await new Promise((resolve) => setImmediate(resolve));
    await vi.advanceTimersByTimeAsync(1);
  }
  expect(isSo()).toBe(true);
}
