/** Renewals signed beforehand: only what was agreed, counted on the day each falls due, written down before a signature exists. */
import { join } from "node:path";
import { generatePrivateKey } from "viem/accounts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseWallet } from "#contract/wallet";
import { addMandates } from "../../client-plugin/ahead.ts";
import { judgeCall } from "../../client-plugin/approval.ts";
import type { Core } from "../../client-plugin/core.ts";
import { explain } from "../../client-plugin/faults.ts";
import { signMandates } from "../../client-plugin/mandates.ts";
import type { Signer } from "../../client-plugin/signer.ts";
import { openClient } from "../demo/client.ts";
import { scratch } from "./fixture.ts";
import { type Asked, network, PAYEE, type Service, startService } from "./service.ts";

const room = scratch();
const DAY_S = 86_400;
const paidThroughS = Math.ceil(Date.now() / 1000) + 30 * DAY_S;
let service: Service;
/** What differs from honest terms. */
let lie: Record<string, unknown> = {};
let lines: (terms: Line[]) => Line[] = (terms) => terms;
let added: Record<string, unknown>[] = [];
let lost = 0;

interface Line {
  period_index: number;
  amount: string;
  valid_after: string;
  valid_before: string;
}

beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.close());

function termsOf(name: string, periods: number) {
  const terms = Array.from({ length: periods }, (_, at) => {
    const after = paidThroughS + at * 30 * DAY_S;
    const window = { valid_after: String(after), valid_before: String(after + 16 * DAY_S) };
    return { period_index: at + 1, amount: "10000", ...window };
  });
  const paid = { network: network?.caip2, asset: network?.usdc, pay_to: PAYEE };
  const object = { order_id: "o", agent_id: "main", object_key: name, size_bytes: 1, rate_card: "c" };
  return { ...object, ...paid, terms: lines(terms), ...lie };
}

function answer({ path, body }: Asked) {
  const name = String(body["object_key"]);
  if (path === "/mandates/terms") return { status: 200, body: termsOf(name, Number(body["periods"])) };
  if (path === "/mandates/add") {
    added.push(body);
    if (lost-- > 0) return "hang up" as const;
    const mandates = (body["mandates"] as { period_index: number }[]).map(({ period_index }) => ({
      order_id: "o",
      agent_id: "main",
      object_key: name,
      period_index,
      amount: "10000",
      due: new Date(paidThroughS * 1000).toISOString(),
      valid_until: "",
      nonce: "",
      state: "waiting",
      attempts: 0,
    }));
    return { status: 200, body: { mandates } };
  }
  if (path !== "/storage/ls") return undefined;
  const times = { paid_through: new Date(paidThroughS * 1000).toISOString(), delete_after: "", last_modified: "" };
  const left = { downloads_left: 3, download_bytes_left: 3, trans_id: "0x", amount: "10000", next_amount: "10000" };
  const place = { state: "stored", region: "us-east-1", bucket: "b", content_sha256: "", size_bytes_max: 1 };
  const object = { key: name, size_bytes: 1, size: "1 B", agent_id: "main", order_id: "o" };
  return { status: 200, body: { success: true, ...object, ...place, ...times, ...left } };
}

let homes = 0;
async function client(config: Record<string, unknown> = {}, home = join(room, `home-${homes++}`)): Promise<Core> {
  service.lies.answer = answer;
  [lie, lines, added, lost] = [{}, (terms) => terms, [], 0];
  const key = generatePrivateKey();
  return openClient({ edgeUrl: service.url, chainUrl: "http://127.0.0.1:9", key, home, payTo: PAYEE, config });
}

const refusedBy = (promise: Promise<unknown>) =>
  promise.then(
    () => "nothing was refused",
    (error: unknown) => explain(error).code,
  );
const ledger = async (core: Core) => (await core.session()).spending.history(50);
const noncesOf = (body: Record<string, unknown>) =>
  (body["mandates"] as { authorization: { nonce: string } }[]).map(({ authorization }) => authorization.nonce);

describe("terms that are not what was agreed get no signature", () => {
  test.each<[string, Record<string, unknown>, (terms: Line[]) => Line[], string]>([
    ["another payee", { pay_to: `0x${"66".repeat(20)}` }, (terms) => terms, "payment_payee"],
    ["another token", { asset: `0x${"55".repeat(20)}` }, (terms) => terms, "payment_asset"],
    ["another chain", { network: "eip155:8453" }, (terms) => terms, "payment_network"],
    ["another object", { object_key: "other" }, (terms) => terms, "terms_mismatch"],
    ["more money", {}, (terms) => terms.map((each) => ({ ...each, amount: "10001" })), "payment_amount"],
    ["more periods", {}, (terms) => [...terms, ...terms], "payment_amount"],
    [
      "all of them on one day",
      {},
      (terms) => terms.map((each) => ({ ...each, valid_after: String(paidThroughS) })),
      "payment_malformed",
    ],
    [
      "today",
      {},
      (terms) => terms.map((each) => ({ ...each, valid_after: String(Math.floor(Date.now() / 1000)) })),
      "payment_malformed",
    ],
    [
      "valid for ever",
      {},
      (terms) => terms.map((each) => ({ ...each, valid_before: "99999999999" })),
      "payment_malformed",
    ],
  ])("%s", async (_, more, changed, code) => {
    const core = await client();
    [lie, lines] = [more, changed];
    expect(await refusedBy(addMandates(core, { objectKey: "year", periods: 3 }))).toBe(code);
    expect(added).toEqual([]);
    expect(await ledger(core)).toEqual([]);
    core.close();
  });

  test("and what the ledger refuses is not signed either", async () => {
    const payee = parseWallet(PAYEE);
    if (!network || !payee) throw new Error("the local chain is not known");
    const signer = {
      address: PAYEE,
      signTypedData: () => Promise.reject(new Error("it was signed")),
    } as unknown as Signer;
    const write = () => {
      throw new Error("the ledger says no");
    };
    const agreed = { signer, network, payTo: payee, amountMax: 10_000n, paidThroughMs: paidThroughS * 1000 };
    lines = (terms) => terms;
    const terms = termsOf("year", 2) as never;
    await expect(signMandates(terms, { ...agreed, periodsMax: 2, write })).rejects.toThrow("the ledger says no");
  });
});

describe("the caps", () => {
  test("judge each renewal on its day: a year of them fits a month's cap of one", async () => {
    const core = await client({ capPerMonth: "0.01", capPerDay: "0.01" });
    const { signed, total } = await addMandates(core, { objectKey: "year", periods: 12 });
    expect(signed).toHaveLength(12);
    expect(total).toBe("120000");
    const session = await core.session();
    expect(session.spending.spent(Date.now())).toEqual({ day: 0n, month: 0n });
    expect(session.spending.spent((paidThroughS + DAY_S) * 1000)).toEqual({ day: 0n, month: 10_000n });
    // A second object's would be due in the same months: all or none.
    expect(await refusedBy(addMandates(core, { objectKey: "other", periods: 2 }))).toBe("above_cap");
    expect(await ledger(core)).toHaveLength(12);
    core.close();
  });

  test("what is paid today may not take the room that a later day was promised", async () => {
    const core = await client({ capPerMonth: "0.015" });
    await addMandates(core, { objectKey: "year", periods: 1 });
    const { spending } = await core.session();
    const dueMs = paidThroughS * 1000;
    // Paid more than 30 days before it, or after it, nothing is in the way.
    expect(spending.crowded(dueMs - 31 * 86_400_000).month).toBe(0n);
    expect(spending.crowded(dueMs - 29 * 86_400_000).month).toBe(10_000n);
    expect(spending.crowded(dueMs + 29 * 86_400_000).month).toBe(10_000n);
    expect(spending.crowded(dueMs + 30 * 86_400_000).month).toBe(0n);
    core.close();
  });

  test("above them a person is told number and total, and the yes is for all of them together", async () => {
    const core = await client({ capPerCall: "0.005" });
    const asked: { amount: bigint; reason: string }[] = [];
    const answered = (yes: boolean) => async (price: { amount: bigint; reason: string }) => {
      asked.push(price);
      return yes;
    };
    const ask = { objectKey: "year", periods: 3 };
    expect(await refusedBy(addMandates(core, { ...ask, approve: answered(false) }))).toBe("above_cap");
    expect(await ledger(core)).toEqual([]);
    expect((await addMandates(core, { ...ask, approve: answered(true) })).signed).toHaveLength(3);
    expect(asked[0]?.amount).toBe(30_000n);
    expect(asked[0]?.reason).toContain("3 renewals of year, $0.03 in all");
    expect(await ledger(core)).toMatchObject([{ authorisedBy: "approval" }, {}, {}]);
    core.close();
  });

  test("of a tool call with renewals name the number and the total", async () => {
    const core = await client({ capPerCall: "0.005" });
    const params = { path: join(import.meta.dirname, "fixture.ts"), name: "year", periods: 12 };
    const workspace = import.meta.dirname;
    const verdict = await judgeCall({ toolName: "mnemospark_store", params }, { core, workspace, agentId: "main" });
    expect(verdict?.requireApproval).toMatchObject({ scope: { amount: "0.13" } });
    expect(verdict?.requireApproval?.description).toContain("12 renewals of at most $0.01");
    verdict?.requireApproval?.onResolution("allow-once");
    expect((await addMandates(core, { objectKey: "year", periods: 12 })).signed).toHaveLength(12);
    core.close();
  });
});

test("a lost reply hands over the very same ones, and taken back they go on counting", async () => {
  const core = await client({ capPerMonth: "0.01" });
  lost = 5;
  expect(await refusedBy(addMandates(core, { objectKey: "year", periods: 2 }))).toBe("unreachable");
  await core.resumeAll();
  expect(new Set(added.map((body) => noncesOf(body).join())).size).toBe(1);
  expect(await ledger(core)).toHaveLength(2);
  const { spending } = await core.session();
  spending.takenBack("mandate main/year", 1);
  expect(spending.promised("mandate main/year", Date.now()).map(({ state }) => state)).toEqual(["revoked", "signed"]);
  expect(await refusedBy(addMandates(core, { objectKey: "other", periods: 1 }))).toBe("above_cap");
  for (const { authorization } of spending.promised("mandate main/year", Date.now()))
    spending.cancelled(authorization.nonce);
  expect((await addMandates(core, { objectKey: "other", periods: 1 })).signed).toHaveLength(1);
  core.close();
});
