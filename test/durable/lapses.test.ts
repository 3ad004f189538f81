/** The end of what was not paid: when it comes, what puts it off, and that nothing paid is ever touched. */
import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { Wallet } from "#contract/wallet";
import {
  advance,
  alarmOf,
  authorizationOf,
  buy,
  claimOf,
  contentOf,
  evict,
  freshHex,
  freshWallet,
  good,
  putPlanOf,
  refusedAs,
  settledAt,
  sqlOf,
  store,
  UNKNOWN,
  walletAt,
} from "./fixture.ts";
import { alive, clockOf, worldOf } from "./world.ts";

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const PERIOD_MS = 30 * DAY_MS;
const AMOUNT = "20000";

const nowMs = (wallet: Wallet) => clockOf(wallet).nowMs();
const nowS = (wallet: Wallet) => Math.floor(nowMs(wallet) / 1000) * 1000;
const proof = () => ({ nonce: `0x${freshHex()}`, request: "r", expiresMs: 2e13 });
const claimFor = (wallet: Wallet) => claimOf(wallet, {}, authorizationOf(wallet, { value: BigInt(AMOUNT) }));
const begin = (wallet: Wallet, orderId: string, index: number, claim = claimFor(wallet)) =>
  walletAt(wallet).beginPayment(
    undefined,
    claim,
    { renewal: { orderId, index, amount: AMOUNT, card: "a card", sizeBytes: 900 } },
    undefined,
  );
async function renew(wallet: Wallet, orderId: string, index: number) {
  const claim = claimFor(wallet);
  good(await begin(wallet, orderId, index, claim));
  await walletAt(wallet).finishPayment(claim.claimKey, settledAt(nowS(wallet)));
}
async function orderOf(wallet: Wallet) {
  const [row] = await sqlOf(wallet, "SELECT state, ended, paid_through_ms FROM orders");
  return { state: row?.["state"], ended: row?.["ended"], paidThroughMs: Number(row?.["paid_through_ms"]) };
}
const creditOf = async (wallet: Wallet) =>
  (await sqlOf(wallet, "SELECT value FROM meta WHERE key = 'credit'"))[0]?.["value"] ?? "0";
/** To a moment relative to the end of the grace. */
async function toDeadline(wallet: Wallet, plusMs: number) {
  const { paidThroughMs } = await orderOf(wallet);
  await advance(wallet, paidThroughMs + 2 * DAY_MS + plusMs - nowMs(wallet));
}
const STORED = { state: "stored", ended: null };
const LAPSED = { state: "ended", ended: "unpaid" };

describe("an unpaid object", () => {
  it("is kept through its grace, and goes after it: tombstone, bytes, and the name is free", async () => {
    const wallet = freshWallet();
    const { plan } = await store(wallet);
    await toDeadline(wallet, -1_000);
    expect(await orderOf(wallet)).toMatchObject(STORED);
    expect(worldOf(wallet).erased).toEqual([]);
    await toDeadline(wallet, 60_000);
    expect(await orderOf(wallet)).toMatchObject(LAPSED);
    expect(worldOf(wallet).erased.map(({ key }) => key)).toEqual([plan.s3Key]);
    await buy(wallet);
  });

  it("lives on with every renewal, whenever in time it came", async () => {
    const wallet = freshWallet();
    const { orderId } = await store(wallet);
    await renew(wallet, orderId, 1);
    await toDeadline(wallet, -5_000);
    await renew(wallet, orderId, 2);
    await advance(wallet, PERIOD_MS + DAY_MS);
    await renew(wallet, orderId, 3);
    await advance(wallet, PERIOD_MS);
    expect(await orderOf(wallet)).toMatchObject(STORED);
    expect(worldOf(wallet).erased).toEqual([]);
  });

  it("waits for a claim that was taken in time, however long its outcome takes", async () => {
    const wallet = freshWallet();
    const { orderId } = await store(wallet);
    await toDeadline(wallet, -60_000);
    const claim = claimFor(wallet);
    good(await begin(wallet, orderId, 1, claim));
    worldOf(wallet).settle = () => UNKNOWN;
    await advance(wallet, 6 * HOUR_MS);
    expect(await orderOf(wallet)).toMatchObject(STORED);
    await walletAt(wallet).finishPayment(claim.claimKey, settledAt(nowS(wallet) - 6 * HOUR_MS));
    await advance(wallet, PERIOD_MS - DAY_MS);
    expect(await orderOf(wallet)).toMatchObject(STORED);

    const other = freshWallet();
    const held = await store(other);
    await toDeadline(other, -60_000);
    const refused = claimFor(other);
    good(await begin(other, held.orderId, 1, refused));
    worldOf(other).settle = () => UNKNOWN;
    await advance(other, HOUR_MS);
    worldOf(other).settle = () => refusedAs(true);
    await advance(other, 3 * HOUR_MS);
    expect(await orderOf(other)).toMatchObject(LAPSED);
  });

  it.each([
    ["no heartbeat can be read", { pulse: () => Promise.reject(new Error("no answer")) }],
    ["the newest beat is old", { pulse: async () => alive(0) }],
    ["the chain says nothing", { headMs: () => Promise.reject(new Error("no answer")) }],
    ["the chain's time is before the deadline", { headMs: async () => 1_000 }],
  ])("stays while %s, and goes when that is over", async (_, trouble) => {
    const wallet = freshWallet();
    await store(wallet);
    const world = worldOf(wallet);
    const calm = { pulse: world.pulse, headMs: world.headMs };
    Object.assign(world, trouble);
    await toDeadline(wallet, HOUR_MS);
    expect(await orderOf(wallet)).toMatchObject(STORED);
    Object.assign(world, calm);
    await advance(wallet, 3 * HOUR_MS);
    expect(await orderOf(wallet)).toMatchObject(LAPSED);
  });

  it("has as much more time as nobody could have paid", async () => {
    const wallet = freshWallet();
    const { orderId } = await store(wallet);
    const { paidThroughMs } = await orderOf(wallet);
    // Off from a day into the grace, for a month.
    const gap = { fromMs: paidThroughMs + DAY_MS, toMs: paidThroughMs + 31 * DAY_MS };
    worldOf(wallet).pulse = async () => ({ ...alive(nowMs(wallet)), gaps: [gap] });
    await advance(wallet, paidThroughMs + 32 * DAY_MS - 60_000 - nowMs(wallet));
    expect(await orderOf(wallet)).toMatchObject(STORED);
    const wanted = {
      agentId: "main",
      objectKey: "letters.tar",
      index: undefined,
      key: undefined,
      identifier: undefined,
    };
    const ask = (gaps?: { fromMs: number; toMs: number }[]) =>
      walletAt(wallet).beginRenewal(proof(), { ...wanted, claimKey: undefined, ...(gaps ? { gaps } : {}) });
    expect(await ask()).toMatchObject({ step: "late" });
    expect(await ask([])).toMatchObject({ code: "gone" });
    expect(await ask([gap])).toMatchObject({ step: "price", index: 1, deadlineMs: paidThroughMs + 32 * DAY_MS });
    expect(await begin(wallet, orderId, 1)).toMatchObject({ code: "gone" });
    await advance(wallet, 2 * HOUR_MS);
    expect(await orderOf(wallet)).toMatchObject(LAPSED);
  });

  it("is renewed by what its wallet is owed before it lapses, as often as that is enough", async () => {
    const wallet = freshWallet();
    const { orderId } = await store(wallet);
    worldOf(wallet).look = async () => ({ end: "found", lengthBytes: 900, sha256Hex: undefined });
    for (const _ of [1, 2]) {
      const claim = claimFor(wallet);
      good(await begin(wallet, orderId, 1, claim));
      await walletAt(wallet).finishPayment(claim.claimKey, refusedAs(true));
      await walletAt(wallet).finishPayment(claim.claimKey, settledAt(nowS(wallet)));
    }
    expect(await creditOf(wallet)).toBe("40000");
    for (const left of ["20000", "0"]) {
      await toDeadline(wallet, 60_000);
      expect(await orderOf(wallet)).toMatchObject(STORED);
      expect(await creditOf(wallet)).toBe(left);
    }
    await toDeadline(wallet, 60_000);
    expect(await orderOf(wallet)).toMatchObject(LAPSED);
    expect(await creditOf(wallet)).toBe("0");
  });

  it("is renewed also by what comes to be owed while its end is looked into", async () => {
    const wallet = freshWallet();
    const { orderId } = await store(wallet);
    worldOf(wallet).look = async () => ({ end: "found", lengthBytes: 900, sha256Hex: undefined });
    await toDeadline(wallet, -HOUR_MS);
    const claim = claimFor(wallet);
    good(await begin(wallet, orderId, 1, claim));
    await walletAt(wallet).finishPayment(claim.claimKey, refusedAs(true));
    // It left us, and turns out to have landed after all: in the very sweep that ends the order.
    let landed = false;
    worldOf(wallet).pulse = async () => {
      if (!landed) await walletAt(wallet).finishPayment(claim.claimKey, settledAt(nowS(wallet)));
      landed = true;
      return alive(nowMs(wallet));
    };
    await toDeadline(wallet, 60_000);
    expect(landed).toBe(true);
    expect(await orderOf(wallet)).toMatchObject(STORED);
    expect(await creditOf(wallet)).toBe("0");
  });
});

describe("an order that is paid and unconfirmed at its end", () => {
  const bought = async () => {
    const wallet = freshWallet();
    const { orderId } = await buy(wallet);
    await putPlanOf(wallet, orderId, contentOf());
    return wallet;
  };
  it("is stored when the bytes are there, ended when they are not", async () => {
    const there = await bought();
    await advance(there, PERIOD_MS - 5_000);
    worldOf(there).look = async () => ({ end: "found", lengthBytes: 900, sha256Hex: contentOf().sha256 });
    await advance(there, 60_000);
    expect(await orderOf(there)).toMatchObject(STORED);

    const absent = await bought();
    worldOf(absent).look = async () => ({ end: "unknown", detail: "an outage" });
    await advance(absent, PERIOD_MS + HOUR_MS);
    expect(await orderOf(absent)).toMatchObject({ state: "paid" });
    worldOf(absent).look = async () => ({ end: "absent" });
    await advance(absent, 3 * HOUR_MS);
    expect(await orderOf(absent)).toMatchObject({ state: "ended", ended: "never_stored" });
  });
});

describe("nobody is lost", () => {
  it("two thousand objects of one wallet end, each once, and one store that fails stops none of them", async () => {
    const wallet = freshWallet();
    const { plan } = await store(wallet);
    await fill(wallet, 2_000);
    worldOf(wallet).erase = async (place) =>
      place.key === plan.s3Key ? { end: "unknown", detail: "an outage" } : { end: "done" };
    await toDeadline(wallet, 60_000);
    for (let ran = 0; ran < 400 && (await count(wallet, "state = 'stored'")) > 0; ran++) await nextAlarm(wallet);
    expect(await count(wallet, "state = 'stored'")).toBe(0);
    expect(await count(wallet, "ended = 'unpaid'")).toBe(2_001);
  }, 60_000);

  it("an alarm that was lost is set again by whoever wakes the wallet", async () => {
    const wallet = freshWallet();
    await store(wallet);
    const { told } = worldOf(wallet);
    expect(told.length).toBeGreaterThan(0);
    await advance(wallet, 600_000);
    const before = await alarmOf(wallet);
    await lose(wallet);
    await evict(wallet);
    expect(await walletAt(wallet).wake()).toMatchObject({ dueMs: before });
    expect(await alarmOf(wallet)).not.toBeNull();
  });
});

async function count(wallet: Wallet, where: string): Promise<number> {
  return Number((await sqlOf(wallet, `SELECT count(*) AS n FROM orders WHERE ${where}`))[0]?.["n"]);
}

/** Copies of the one order there is, each with a plan of its own. */
async function fill(wallet: Wallet, copies: number): Promise<void> {
  await sqlOf(
    wallet,
    `INSERT INTO orders (order_id, kind, agent_id, object_key, object_id, object_id_hash, store, region, bucket, size_max, amount,
       card, state, created_ms, paid_ms, paid_through_ms, due_ms, claim_key, last_plan, stored_plan)
     SELECT order_id || n.value, kind, agent_id, object_key || n.value, object_id, object_id_hash, store, region, bucket, size_max,
       amount, card, state, created_ms, paid_ms, paid_through_ms, due_ms, claim_key, last_plan, stored_plan
     FROM orders, (WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < ${copies}) SELECT value FROM n) AS n`,
  );
  await sqlOf(
    wallet,
    `INSERT INTO plans (order_id, plan, s3_key, length_bytes, sha256, created_ms, url_until_ms, state)
     SELECT orders.order_id, 1, 'key of ' || orders.order_id, 900, 'ab', 0, 0, 'stored' FROM orders
     WHERE orders.order_id NOT IN (SELECT order_id FROM plans)`,
  );
}

async function nextAlarm(wallet: Wallet): Promise<void> {
  worldOf(wallet).aheadMs += 5_000;
  await runDurableObjectAlarm(env.WALLET.getByName(wallet));
}

async function lose(wallet: Wallet): Promise<void> {
  const { runInDurableObject } = await import("cloudflare:test");
  await runInDurableObject(env.WALLET.getByName(wallet), (_, state) => state.storage.deleteAlarm());
}
