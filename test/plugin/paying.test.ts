/** What the client signs and what it refuses, against a service at the socket that lies. */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { generatePrivateKey } from "viem/accounts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { explain } from "../../client-plugin/faults.ts";
import { openClient } from "../demo/client.ts";
import { scratch } from "./fixture.ts";
import { type Lies, PAYEE, problem, type Service, startService } from "./service.ts";

const room = scratch();
let service: Service;
let homes = 0;

beforeAll(async () => {
  service = await startService();
  await writeFile(join(room, "notes.txt"), "remember me");
});
afterAll(() => service.close());

async function client(config: Record<string, unknown> = {}, lies: Lies = {}) {
  for (const name of Object.keys(service.lies)) delete service.lies[name as keyof Lies];
  Object.assign(service.lies, lies);
  service.asked.length = 0;
  const home = join(room, `home-${homes++}`);
  await mkdir(home, { mode: 0o700 });
  const core = await openClient({
    edgeUrl: service.url,
    // Nobody listens there: a balance that cannot be read stops nobody.
    chainUrl: "http://127.0.0.1:9",
    key: generatePrivateKey(),
    home,
    payTo: PAYEE,
    config,
  });
  const store = () => core.store({ path: join(room, "notes.txt") });
  return { core, home, store };
}

const refusedBy = (promise: Promise<unknown>) =>
  promise.then(
    () => "nothing was refused",
    (error: unknown) => explain(error).code,
  );
const signed = () => service.asked.filter((asked) => asked.nonce !== undefined).map((asked) => asked.nonce);

describe("a service that asks for something else than it quoted", () => {
  test.each<[string, Lies, string]>([
    ["more money", { asked: { amount: "10001" } }, "payment_amount"],
    ["another payee", { asked: { payTo: `0x${"66".repeat(20)}` } }, "payment_payee"],
    ["another token", { asked: { asset: `0x${"55".repeat(20)}` } }, "payment_asset"],
    ["another chain", { asked: { network: "eip155:8453" } }, "payment_network"],
    ["another scheme", { asked: { scheme: "upto" } }, "payment_malformed"],
    ["no amount", { asked: { amount: "1e4" } }, "payment_malformed"],
    ["a payee it did not have before", { payTo: `0x${"66".repeat(20)}` }, "payee_changed"],
    ["to be paid on another chain", { health: { network: "eip155:8453" } }, "wrong_network"],
  ])("%s: gets no signature", async (_, lies, code) => {
    const { core, store } = await client({}, lies);
    expect(await refusedBy(store())).toBe(code);
    expect(signed()).toEqual([]);
    expect((await core.session()).spending.history(10)).toEqual([]);
    core.close();
  });

  test("a payee that was pinned at first sight stays the payee", async () => {
    const { core, store } = await client({ approvedPayees: [] });
    await core.health();
    service.lies.payTo = `0x${"66".repeat(20)}`;
    expect(await refusedBy(store())).toBe("payee_changed");
    expect(signed()).toEqual([]);
    core.close();
  });
});

describe("the caps", () => {
  test.each([
    ["per payment", { capPerCall: "0.009" }],
    ["per day", { capPerDay: "0.009" }],
    ["per month", { capPerMonth: "0.009" }],
  ])("%s: nothing is signed above it", async (_, config) => {
    const { core, store } = await client(config);
    expect(await refusedBy(store())).toBe("above_cap");
    expect(signed()).toEqual([]);
    core.close();
  });

  test("an approval is for one amount and one payee, and the amount approved is the amount signed", async () => {
    const { core, store } = await client({ capPerCall: "0.001" });
    const path = join(room, "notes.txt");
    const { price } = await core.quote({ path });
    const session = await core.session();
    session.spending.approve(price.quote_id, { amount: 9_999n, payee: PAYEE as never }, "test", Date.now());
    const quoted = () => core.store({ path, quoteId: price.quote_id });
    expect(await refusedBy(quoted())).toBe("above_cap");
    session.spending.approve(price.quote_id, { amount: 10_000n, payee: PAYEE as never }, "test", Date.now());
    expect(await refusedBy(quoted())).toBe("storage_unavailable");
    expect(session.spending.history(10)).toMatchObject([{ amount: "10000", authorisedBy: "approval" }]);
    expect(await refusedBy(store())).toBe("storage_unavailable");
    core.close();
  });

  test("what several processes sign at once stays under it", async () => {
    const { core, home } = await client({ capPerDay: "0.025" });
    const key = (await core.session()).wallet.privateKey;
    const place = { edgeUrl: service.url, chainUrl: "http://127.0.0.1:9", key, home, payTo: PAYEE };
    const names = ["a", "b", "c", "d", "e", "f"];
    const outcomes = await Promise.all(
      names.map(async (objectKey) => {
        const own = await openClient({ ...place, config: { capPerDay: "0.025" } });
        return refusedBy(own.store({ path: join(room, "notes.txt"), objectKey })).finally(() => own.close());
      }),
    );
    expect(outcomes.filter((code) => code === "storage_unavailable")).toHaveLength(2);
    expect(new Set(outcomes)).toEqual(new Set(["storage_unavailable", "above_cap"]));
    expect(new Set(signed()).size).toBe(2);
    core.close();
  });
});

describe("one purchase", () => {
  test("is paid with one authorization and one key, however often it is tried", async () => {
    let hangUps = 0;
    const { core, store } = await client(
      {},
      { answer: (asked) => (asked.nonce !== undefined && hangUps++ < 2 ? "hang up" : undefined) },
    );
    for (let turn = 0; turn < 3; turn++) expect(await refusedBy(store())).toBe("storage_unavailable");
    expect(signed().length).toBeGreaterThan(3);
    expect(new Set(signed()).size).toBe(1);
    const keys = service.asked.filter((asked) => asked.path === "/storage/upload").map((asked) => asked.idempotencyKey);
    expect(new Set(keys).size).toBe(1);
    expect((await core.session()).spending.history(10)).toHaveLength(1);
    core.close();
  });

  test("is the same one after a crash: another process signs nothing new", async () => {
    const { core, home, store } = await client();
    expect(await refusedBy(store())).toBe("storage_unavailable");
    const key = (await core.session()).wallet.privateKey;
    core.close();
    const place = { edgeUrl: service.url, chainUrl: "http://127.0.0.1:9", key, home, payTo: PAYEE };
    const other = await openClient(place);
    expect(await refusedBy(other.store({ path: join(room, "notes.txt") }))).toBe("storage_unavailable");
    expect(new Set(signed()).size).toBe(1);
    expect(other.operations.list({ limit: 10 })).toHaveLength(1);
    other.close();
  });

  test("refused by the service, is tried again with the same authorization, whichever operation tries", async () => {
    const { core, store } = await client(
      {},
      { answer: ({ nonce }) => (nonce ? problem(402, "payment_invalid") : undefined) },
    );
    expect(await refusedBy(store())).toBe("payment_invalid");
    expect(await refusedBy(store())).toBe("payment_invalid");
    expect(core.operations.list({ limit: 10 })).toHaveLength(2);
    expect(signed()).toHaveLength(2);
    expect(new Set(signed()).size).toBe(1);
    core.close();
  });

  test("that failed is opened again under its key, and another use of the key is refused", async () => {
    const { core } = await client({}, { answer: ({ nonce }) => (nonce ? problem(402, "payment_invalid") : undefined) });
    const path = join(room, "notes.txt");
    const keyed = (objectKey: string) => refusedBy(core.store({ path, objectKey, idempotencyKey: "once" }));
    expect(await keyed("a")).toBe("payment_invalid");
    expect(await keyed("a")).toBe("payment_invalid");
    expect(core.operations.list({ limit: 10 })).toHaveLength(1);
    expect(await keyed("b")).toBe("key_reused");
    core.close();
  });

  test("is not paid again at another price while the first payment can still be charged", async () => {
    const { core, store } = await client();
    expect(await refusedBy(store())).toBe("storage_unavailable");
    service.lies.asked = { amount: "9000" };
    expect(await refusedBy(store())).toBe("payment_pending");
    expect(new Set(signed()).size).toBe(1);
    core.close();
  });

  test("is waited for, not paid, while the service says that a payment is open", async () => {
    let asked = 0;
    const pending = { ...problem(409, "payment_pending", true), headers: { "retry-after": "0" } };
    const { core, store } = await client(
      {},
      { answer: ({ path }) => (path === "/storage/upload" && asked++ < 3 ? pending : undefined) },
    );
    expect(await refusedBy(store())).toBe("storage_unavailable");
    expect(new Set(signed()).size).toBe(1);
    core.close();
  });

  test("under a name that is being stored from elsewhere is refused", async () => {
    const { core, store } = await client();
    await refusedBy(store());
    await writeFile(join(room, "other.txt"), "other");
    const other = core.store({ path: join(room, "other.txt"), objectKey: "notes.txt" });
    expect(await refusedBy(other)).toBe("operation_open");
    await rm(join(room, "other.txt"));
    core.close();
  });
});

describe("a download beyond the allowance", () => {
  const sold: Lies = {
    answer: ({ path, nonce }) => {
      if (path !== "/storage/download") return undefined;
      return nonce ? problem(404, "object_not_found") : service.unpaid();
    },
  };

  test.each<[string, bigint | undefined, string, number]>([
    ["is not bought unless somebody agreed", undefined, "allowance_used", 0],
    ["is not bought above what was agreed", 9_999n, "payment_amount", 0],
    ["is bought for what was agreed", 10_000n, "object_not_found", 1],
  ])("%s", async (_, maxAmount, code, signatures) => {
    const { core } = await client({}, sold);
    expect(await refusedBy(core.fetch({ objectKey: "notes", maxAmount }))).toBe(code);
    expect(signed()).toHaveLength(signatures);
    core.close();
  });
});

describe("the settings", () => {
  test.each([
    ["capPerCall", { capPerCall: "a lot" }],
    ["capPerDay", { capPerDay: -1 }],
    ["approvedPayees", { approvedPayees: ["0x12"] }],
    ["network", { network: "ethereum" }],
    ["capPerYear", { capPerYear: "1" }],
  ])("a wrong %s stops with a sentence", async (_, config) => {
    expect(await refusedBy(client(config))).toBe("bad_config");
  });

  test("a wallet key that the host could not resolve is no reason to take another wallet", async () => {
    const { core } = await client({ walletKey: { source: "env", id: "MISSING" } });
    expect(await refusedBy(core.session())).toBe("wallet_unresolved");
    core.close();
  });
});
