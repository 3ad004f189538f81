/** Renewals signed beforehand: settled on their day with nobody there, never early, never twice, and gone when taken back. */
import { describe, expect, it } from "vitest";
import type { Wallet } from "#contract/wallet";
import { mandateWindow } from "#rules/mandate";
import type { NewMandate } from "../../durable/mandates.ts";
import { claimKeyOf, type SettlementEnd } from "../../durable/ports.ts";
import {
  advance,
  authorizationOf,
  claimOf,
  evict,
  freshHex,
  freshWallet,
  good,
  settledAt,
  sqlOf,
  store,
  walletAt,
  wantedOf,
} from "./fixture.ts";
import { clockOf, worldOf } from "./world.ts";

const DAY_MS = 86_400_000;
const PERIOD_MS = 30 * DAY_MS;
const AMOUNT = "12345";
const NAME = wantedOf().objectKey;

const proof = () => ({ nonce: `0x${freshHex()}`, request: "r", expiresMs: 2e13 });
const paidThrough = async (wallet: Wallet) =>
  Number((await sqlOf(wallet, "SELECT paid_through_ms FROM orders"))[0]?.["paid_through_ms"]);
const rows = (wallet: Wallet) =>
  sqlOf<{ period: number; state: string; reason: string | null; signature: string | null; attempts: number }>(
    wallet,
    "SELECT period, state, reason, signature, attempts FROM mandates ORDER BY period, added_ms",
  );
const events = async (wallet: Wallet) =>
  (await sqlOf<{ kind: string }>(wallet, "SELECT kind FROM journal WHERE kind LIKE 'mandate.%'")).map(
    ({ kind }) => kind,
  );

const find = (wallet: Wallet) => walletAt(wallet).mandates(proof(), { step: "look", agentId: "main", objectKey: NAME });
const add = (wallet: Wallet, orderId: string, mandates: NewMandate[]) =>
  walletAt(wallet).mandates(proof(), { step: "add", orderId, mandates });
const revoke = (wallet: Wallet, period: number) =>
  walletAt(wallet).mandates(proof(), { step: "revoke", agentId: "main", objectKey: NAME, period });

/** The chain takes it at once, in a block of this second. */
const takes = (wallet: Wallet) => (): SettlementEnd => settledAt(Math.floor(clockOf(wallet).nowMs() / 1000) * 1000);
const refuses =
  (reason: string, leftUs = false) =>
  (): SettlementEnd => ({
    end: "refused",
    reason,
    detail: reason,
    leftUs,
  });

async function mandateFor(wallet: Wallet, period: number): Promise<NewMandate> {
  const found = good(await find(wallet));
  if (found.step !== "found") throw new Error(found.step);
  const { lease } = found;
  const authorization = authorizationOf(wallet, { value: BigInt(AMOUNT), ...mandateWindow(lease, period) });
  const claimKey = claimKeyOf("eip155:84532", "0x036cbd53842c5426634e7929541ec2318f3dcf7e", authorization);
  return { period, claimKey, authorization, signature: "0xab", amount: AMOUNT, card: "a card", sizeBytes: 900 };
}

/** A stored object with mandates for its next periods. */
async function mandated(count: number) {
  const wallet = freshWallet();
  const { orderId } = await store(wallet);
  const mandates = await Promise.all(Array.from({ length: count }, (_, at) => mandateFor(wallet, at + 1)));
  good(await add(wallet, orderId, mandates));
  worldOf(wallet).settle = takes(wallet);
  return { wallet, orderId, mandates, asked: worldOf(wallet).asked };
}

describe("mandates", () => {
  it("keep an object alive for twelve periods with its owner's machine off, each paid on its day and once", async () => {
    const { wallet, mandates, asked } = await mandated(12);
    const first = await paidThrough(wallet);
    await advance(wallet, 12 * PERIOD_MS + DAY_MS);
    const settled = asked.filter(({ job }) => job.ask === "first");
    expect(settled.map(({ job }) => job.claimKey)).toEqual(mandates.map(({ claimKey }) => claimKey));
    for (const [at, { job, atMs }] of settled.entries()) {
      expect(atMs).toBeGreaterThan(Number(job.authorization.validAfterS) * 1000);
      expect(atMs - (first + at * PERIOD_MS)).toBeLessThan(10 * 60_000);
    }
    expect((await paidThrough(wallet)) - (first + 12 * PERIOD_MS)).toBeLessThan(3_600_000);
    expect(await paidThrough(wallet)).toBeGreaterThanOrEqual(first + 12 * PERIOD_MS);
    expect((await rows(wallet)).map(({ state, signature }) => [state, signature])).toEqual(
      mandates.map(() => ["settled", null]),
    );
  });

  it("whose funds are short are tried again every hour until there is money, in the days of grace", async () => {
    const { wallet, asked } = await mandated(2);
    worldOf(wallet).settle = refuses("insufficient_funds");
    await advance(wallet, PERIOD_MS + 5 * 3_600_000);
    expect(asked.length).toBeGreaterThanOrEqual(4);
    expect((await rows(wallet))[0]).toMatchObject({ state: "waiting", reason: "insufficient_funds" });
    expect(await events(wallet)).toContain("mandate.unpaid");
    const told = good(await walletAt(wallet).events(proof(), 0, 100)).events.find(
      ({ kind }) => kind === "mandate.unpaid",
    );
    expect(told?.data).toMatchObject({ period: 1, reason: "insufficient_funds" });
    worldOf(wallet).settle = takes(wallet);
    await advance(wallet, 2 * 3_600_000);
    expect((await rows(wallet))[0]).toMatchObject({ state: "settled" });
    // The second was signed for a day that now comes a few hours early: it waits for the day it is due.
    const due = await paidThrough(wallet);
    await advance(wallet, PERIOD_MS);
    expect((await rows(wallet))[1]).toMatchObject({ state: "settled" });
    expect(asked.at(-1)?.atMs).toBeGreaterThanOrEqual(due);
  });

  it("are no lines of a statement, until they were tried in vain", async () => {
    const { wallet } = await mandated(1);
    const statement = () => walletAt(wallet).statement(proof(), { step: "begin", key: undefined, gaps: [] });
    await advance(wallet, PERIOD_MS - DAY_MS);
    expect(await statement()).toMatchObject({ step: "weigh", due: [] });
    worldOf(wallet).settle = refuses("insufficient_funds");
    await advance(wallet, DAY_MS + 3_600_000);
    expect(await statement()).toMatchObject({ step: "weigh", due: [{ index: 1 }] });
  });

  it("never block another payment: a period paid by hand retires its mandate, the next waits for its own day", async () => {
    const { wallet, orderId, mandates, asked } = await mandated(2);
    const claim = claimOf(wallet, {}, authorizationOf(wallet, { value: BigInt(AMOUNT) }));
    const renewal = { orderId, index: 1, amount: AMOUNT, card: "a card", sizeBytes: 900 };
    good(await walletAt(wallet).beginPayment(undefined, claim, { renewal }, undefined));
    await walletAt(wallet).finishPayment(claim.claimKey, takes(wallet)());
    await advance(wallet, 120_000);
    expect(await rows(wallet)).toMatchObject([
      { state: "retired", signature: null },
      { state: "waiting", signature: "0xab" },
    ]);
    const due = await paidThrough(wallet);
    await advance(wallet, 2 * PERIOD_MS + DAY_MS);
    const mine = asked.filter(({ job }) => job.claimKey === mandates[1]?.claimKey);
    expect(mine.filter(({ job }) => job.ask === "first")).toHaveLength(1);
    expect(mine[0]?.atMs).toBeGreaterThanOrEqual(due);
  });

  it("stand by until what paid their period otherwise is final: should a reorg take that for good, they pay", async () => {
    const { wallet, orderId } = await mandated(1);
    const due = await paidThrough(wallet);
    await advance(wallet, due - clockOf(wallet).nowMs() - 60_000);
    const claim = claimOf(wallet, {}, authorizationOf(wallet, { value: BigInt(AMOUNT) }));
    const renewal = { orderId, index: 1, amount: AMOUNT, card: "a card", sizeBytes: 900 };
    good(await walletAt(wallet).beginPayment(undefined, claim, { renewal }, undefined));
    const mine = worldOf(wallet).settle;
    await walletAt(wallet).finishPayment(claim.claimKey, takes(wallet)());
    worldOf(wallet).recheck = (proof) => ({ end: "standing", proof });
    // Its day comes while the other payment is believed and not final.
    await advance(wallet, 240_000);
    expect(await rows(wallet)).toMatchObject([{ state: "waiting", signature: "0xab" }]);
    worldOf(wallet).recheck = () => {
      worldOf(wallet).recheck = (proof) => ({ end: "final", proof });
      return { end: "vanished" };
    };
    worldOf(wallet).settle = (job) =>
      job.claimKey === claim.claimKey ? refuses("taken by a reorg", true)() : mine(job);
    await advance(wallet, 3 * DAY_MS);
    expect(await rows(wallet)).toMatchObject([{ state: "settled", signature: null }]);
    expect(await paidThrough(wallet)).toBeGreaterThan(due);
  });

  it("taken back are erased and never sent; handed over anew, another one stands for the period", async () => {
    const { wallet, orderId, mandates, asked } = await mandated(2);
    expect(good(await revoke(wallet, 1))).toMatchObject({ step: "listed", mandates: { length: 2 } });
    expect(await rows(wallet)).toMatchObject([{ state: "revoked", signature: null }, { state: "waiting" }]);
    expect(await add(wallet, orderId, mandates.slice(0, 1))).toMatchObject({
      code: "mandate_invalid",
    });
    const other = await mandateFor(wallet, 1);
    good(await add(wallet, orderId, [other]));
    await advance(wallet, PERIOD_MS + DAY_MS);
    expect(asked.map(({ job }) => job.claimKey)).not.toContain(mandates[0]?.claimKey);
    expect(asked.map(({ job }) => job.claimKey)).toContain(other.claimKey);
    expect(await revoke(wallet, 1)).toMatchObject({ code: "object_not_found" });
  });

  it("go with a deleted object", async () => {
    const { wallet, asked } = await mandated(3);
    good(await walletAt(wallet).beginDelete(proof(), "main", NAME));
    expect((await rows(wallet)).map(({ state, signature }) => [state, signature])).toEqual(
      Array.from({ length: 3 }, () => ["retired", null]),
    );
    await advance(wallet, 3 * PERIOD_MS);
    expect(asked.filter(({ job }) => job.ask === "first")).toEqual([]);
  });

  it("that never found money end with the object, at its deadline and not before", async () => {
    const { wallet, asked } = await mandated(2);
    const due = await paidThrough(wallet);
    worldOf(wallet).settle = refuses("insufficient_funds");
    await advance(wallet, PERIOD_MS + 3 * DAY_MS);
    expect(await sqlOf(wallet, "SELECT state, ended FROM orders")).toEqual([{ state: "ended", ended: "unpaid" }]);
    expect((await rows(wallet)).map(({ state, signature }) => [state, signature])).toEqual([
      ["retired", null],
      ["retired", null],
    ]);
    expect(asked.length).toBeGreaterThan(40);
    expect(asked.at(-1)?.atMs).toBeGreaterThan(due + 2 * DAY_MS - 2 * 3_600_000);
  });

  it("cancelled on chain, or landed and reverted, have failed; nothing is asked for ever", async () => {
    for (const [reason, leftUs] of [
      ["invalid_exact_evm_nonce_already_used", false],
      ["reverted", true],
    ] as const) {
      const { wallet, asked } = await mandated(1);
      worldOf(wallet).settle = refuses(reason, leftUs);
      await advance(wallet, PERIOD_MS + 3_600_000);
      expect((await rows(wallet))[0]).toMatchObject({ state: "failed", reason, signature: null });
      expect(await events(wallet)).toContain("mandate.failed");
      expect(asked.filter(({ job }) => job.ask === "first")).toHaveLength(1);
    }
  });

  it("survive the death of who settles them: claimed before, found after, paid once", async () => {
    const { wallet, mandates, asked } = await mandated(1);
    const txHash = `0x${"5".repeat(64)}` as const;
    worldOf(wallet).settle = () => ({ end: "unknown", txHash });
    await advance(wallet, PERIOD_MS + 10_000);
    expect((await rows(wallet))[0]).toMatchObject({ state: "settling", signature: "0xab" });
    expect(await revoke(wallet, 1)).toMatchObject({ code: "payment_pending" });
    await evict(wallet);
    worldOf(wallet).settle = takes(wallet);
    await advance(wallet, 3_600_000);
    expect((await rows(wallet))[0]).toMatchObject({ state: "settled", attempts: 1 });
    expect(new Set(asked.map(({ job }) => job.claimKey))).toEqual(new Set([mandates[0]?.claimKey]));
    expect(await sqlOf(wallet, "SELECT * FROM renewals WHERE state = 'granted'")).toHaveLength(1);
  });

  it("count a transfer that somebody else landed before we looked", async () => {
    const { wallet, mandates, asked } = await mandated(1);
    await advance(wallet, PERIOD_MS + 3_600_000);
    expect(asked[0]?.job.claimedMs).toBe(Number(mandates[0]?.authorization.validAfterS) * 1000);
  });
});

describe("handing mandates over", () => {
  it("takes all or none, and the same ones again", async () => {
    const wallet = freshWallet();
    const { orderId } = await store(wallet);
    const [one, two] = [await mandateFor(wallet, 1), await mandateFor(wallet, 2)];
    const late = { ...two, authorization: { ...two.authorization, validAfterS: two.authorization.validAfterS + 1n } };
    for (const wrong of [late, { ...two, period: 1 }, { ...two, period: 0 }, { ...one, period: 2 }]) {
      expect(await add(wallet, orderId, [one, wrong])).toMatchObject({ code: "mandate_invalid" });
      expect(await rows(wallet)).toEqual([]);
    }
    good(await add(wallet, orderId, [one, two]));
    good(await add(wallet, orderId, [one, two]));
    expect(await rows(wallet)).toHaveLength(2);
    expect(await add(wallet, orderId, [await mandateFor(wallet, 2)])).toMatchObject({
      code: "mandate_exists",
    });
  });

  it("is for stored objects only", async () => {
    const wallet = freshWallet();
    expect(await find(wallet)).toMatchObject({ code: "renewal_not_registered" });
  });
});
