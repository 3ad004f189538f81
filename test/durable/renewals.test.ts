/** The next 30 days of an object: which period is claimed, what it grants, and what becomes of money that finds nothing to renew. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { PERIODS_AHEAD_MAX } from "#contract/limits";
import type { Wallet } from "#contract/wallet";
import type { KeyUse } from "../../durable/keys.ts";
import type { RenewalWanted } from "../../durable/renewing.ts";
import {
  advance,
  authorizationOf,
  claimOf,
  freshHex,
  freshWallet,
  good,
  refusedAs,
  settledAt,
  sqlOf,
  store,
  walletAt,
  wantedOf,
} from "./fixture.ts";
import type { WalletDO } from "./worker.ts";
import { clockOf, worldOf } from "./world.ts";

const DAY_MS = 86_400_000;
const PERIOD_MS = 30 * DAY_MS;
const AMOUNT = "12345";

const proof = () => ({ nonce: `0x${freshHex()}`, request: "r", expiresMs: 2e13 });
const ask = (wallet: Wallet, over: Partial<RenewalWanted> = {}) =>
  walletAt(wallet).beginRenewal(proof(), {
    agentId: "main",
    objectKey: "letters.tar",
    index: undefined,
    key: undefined,
    identifier: undefined,
    claimKey: undefined,
    ...over,
  });
const renewalOf = (orderId: string, index: number) => ({
  renewal: { orderId, index, amount: AMOUNT, card: "a card", sizeBytes: 900 },
});
const claimFor = (wallet: Wallet) => claimOf(wallet, {}, authorizationOf(wallet, { value: BigInt(AMOUNT) }));
const begin = (wallet: Wallet, orderId: string, index: number, claim = claimFor(wallet), key?: KeyUse) =>
  walletAt(wallet).beginPayment(undefined, claim, renewalOf(orderId, index), key);
const nowS = (wallet: Wallet) => Math.floor(clockOf(wallet).nowMs() / 1000) * 1000;

async function renew(wallet: Wallet, orderId: string, index: number, paidMs = nowS(wallet), key?: KeyUse) {
  const claim = claimFor(wallet);
  expect(await begin(wallet, orderId, index, claim, key)).toMatchObject({ begun: "open" });
  return { claim, finished: await walletAt(wallet).finishPayment(claim.claimKey, settledAt(paidMs)) };
}
const vanish = (wallet: Wallet, claimKey: string) =>
  runInDurableObject(env.WALLET.getByName(wallet), (object: WalletDO) =>
    object.finishRecheck(claimKey, { end: "vanished" }),
  );
async function paidThrough(wallet: Wallet): Promise<number> {
  return Number((await sqlOf(wallet, "SELECT paid_through_ms FROM orders"))[0]?.["paid_through_ms"]);
}
const creditOf = async (wallet: Wallet) =>
  (await sqlOf(wallet, "SELECT value FROM meta WHERE key = 'credit'"))[0]?.["value"] ?? "0";

describe("a renewal", () => {
  it("paid early adds 30 days, paid in grace counts from its block", async () => {
    const wallet = freshWallet();
    const { orderId, plan } = await store(wallet);
    const first = await paidThrough(wallet);
    expect(await ask(wallet)).toMatchObject({ step: "price", index: 1, place: { key: plan.s3Key } });
    await renew(wallet, orderId, 1);
    expect(await paidThrough(wallet)).toBe(first + PERIOD_MS);
    worldOf(wallet).aheadMs += 2 * PERIOD_MS + DAY_MS;
    const blockMs = nowS(wallet);
    await renew(wallet, orderId, 2, blockMs);
    expect(await paidThrough(wallet)).toBe(blockMs + PERIOD_MS);
  });

  it("of a period that is paid, or not yet the next, is not claimed", async () => {
    const wallet = freshWallet();
    const { orderId } = await store(wallet);
    expect(await begin(wallet, orderId, 2)).toMatchObject({
      code: "period_not_next",
      facts: { next_period_index: 1 },
    });
    const { claim } = await renew(wallet, orderId, 1);
    expect(await begin(wallet, orderId, 1)).toMatchObject({
      begun: "bought",
      sameClaim: false,
      payment: { claimKey: claim.claimKey },
    });
    expect(await begin(wallet, orderId, 1, claim)).toMatchObject({ begun: "bought", sameClaim: true });
    expect(await sqlOf(wallet, "SELECT * FROM renewals")).toHaveLength(1);
  });

  it("is one payment at a time, and is free again when that was refused", async () => {
    const wallet = freshWallet();
    const { orderId } = await store(wallet);
    const claim = claimFor(wallet);
    expect(await begin(wallet, orderId, 1, claim)).toMatchObject({ begun: "open", job: { ask: "first" } });
    expect(await begin(wallet, orderId, 1, claim)).toMatchObject({ begun: "open" });
    expect(await begin(wallet, orderId, 1)).toMatchObject({ code: "payment_pending", facts: { period_index: 1 } });
    await walletAt(wallet).finishPayment(claim.claimKey, refusedAs(true));
    expect(await sqlOf(wallet, "SELECT * FROM renewals")).toEqual([]);
    const before = await paidThrough(wallet);
    await renew(wallet, orderId, 1);
    // The first one turns up after all: it bought nothing any more.
    expect(await walletAt(wallet).finishPayment(claim.claimKey, settledAt(nowS(wallet)))).toMatchObject({
      state: "refused",
      reason: "credited",
    });
    expect(await creditOf(wallet)).toBe(AMOUNT);
    expect(await paidThrough(wallet)).toBe(before + PERIOD_MS);
  });

  it("that names no period is a repeat for 20 days, the upload's payment not counted", async () => {
    const wallet = freshWallet();
    const { orderId } = await store(wallet);
    expect(await ask(wallet)).toMatchObject({ step: "price", index: 1 });
    const { claim } = await renew(wallet, orderId, 1);
    worldOf(wallet).aheadMs += 20 * DAY_MS - 5_000;
    expect(await ask(wallet)).toMatchObject({ step: "settled", index: 1, payment: { claimKey: claim.claimKey } });
    expect(await ask(wallet, { index: 2 })).toMatchObject({ step: "price", index: 2 });
    worldOf(wallet).aheadMs += 10_000;
    expect(await ask(wallet)).toMatchObject({ step: "price", index: 2 });
  });

  it("under a key stays the period the key was first used for", async () => {
    const wallet = freshWallet();
    const { orderId } = await store(wallet);
    const key = { route: "/payment/settle", key: "this month", fields: { renewal: "true" } };
    const other = { ...key, key: "the same month, once more" };
    const { claim } = await renew(wallet, orderId, 1, undefined, key);
    expect(await ask(wallet, { key: other })).toMatchObject({ step: "settled", index: 1 });
    worldOf(wallet).aheadMs += 25 * DAY_MS;
    for (const each of [key, other])
      expect(await ask(wallet, { key: each })).toMatchObject({
        step: "settled",
        payment: { claimKey: claim.claimKey },
      });
    expect(await ask(wallet)).toMatchObject({ step: "price", index: 2 });
  });

  it("is answered by its own claim before anything is looked at", async () => {
    const wallet = freshWallet();
    const { orderId } = await store(wallet);
    const { claim } = await renew(wallet, orderId, 1);
    await walletAt(wallet).beginDelete(undefined, "main", "letters.tar");
    expect(await ask(wallet, { claimKey: claim.claimKey })).toMatchObject({
      step: "claimed",
      index: 1,
      payment: { state: "settled" },
    });
    expect(await ask(wallet)).toMatchObject({ code: "renewal_not_registered" });
  });

  it("is not taken after the deadline, not for what holds no bytes, and not years ahead", async () => {
    const wallet = freshWallet();
    const { orderId } = await store(wallet);
    const through = await paidThrough(wallet);
    for (let index = 1; index <= PERIODS_AHEAD_MAX; index++) await renew(wallet, orderId, index);
    expect(await ask(wallet, { index: PERIODS_AHEAD_MAX + 1 })).toMatchObject({ code: "renewal_too_early" });
    expect(await paidThrough(wallet)).toBe(through + PERIODS_AHEAD_MAX * PERIOD_MS);

    const late = freshWallet();
    const held = await store(late);
    worldOf(late).aheadMs += (await paidThrough(late)) + 2 * DAY_MS - clockOf(late).nowMs() - 2_000;
    expect(await ask(late)).toMatchObject({ step: "price", index: 1 });
    worldOf(late).aheadMs += 4_000;
    expect(await ask(late)).toMatchObject({ step: "late" });
    expect(await ask(late, { gaps: [] })).toMatchObject({ code: "gone" });
    expect(await begin(late, held.orderId, 1)).toMatchObject({ code: "gone" });
  });

  it("brings the period's downloads when the period begins", async () => {
    const wallet = freshWallet();
    const { orderId } = await store(wallet);
    const take = () =>
      walletAt(wallet).takeDownload(undefined, {
        agentId: "main",
        objectKey: "letters.tar",
        range: undefined,
      });
    for (const left of [2, 1, 0]) expect(await take()).toMatchObject({ allowance: { downloadsLeft: left } });
    await renew(wallet, orderId, 1);
    expect(await take()).toMatchObject({ code: "allowance_used" });
    worldOf(wallet).aheadMs += PERIOD_MS + 1_000;
    for (const left of [2, 1, 0]) expect(await take()).toMatchObject({ allowance: { downloadsLeft: left } });
    expect(await take()).toMatchObject({ code: "allowance_used" });
  });

  it("is bought with credit, where there is enough", async () => {
    const wallet = freshWallet();
    const { orderId } = await store(wallet);
    const before = await paidThrough(wallet);
    const spend = () => walletAt(wallet).spendCredit(proof(), renewalOf(orderId, 1), undefined);
    expect(await spend()).toMatchObject({ ok: true, bought: undefined });
    await credit(wallet, orderId);
    expect(await spend()).toMatchObject({ bought: { payment: { purpose: "renewal", amount: AMOUNT } } });
    expect(await creditOf(wallet)).toBe("0");
    expect(await paidThrough(wallet)).toBeGreaterThanOrEqual(before + PERIOD_MS);
    expect(await spend()).toMatchObject({ ok: true, bought: undefined });
  });
});

/** A renewal that was refused and landed after all. */
async function credit(wallet: Wallet, orderId: string): Promise<void> {
  const claim = claimFor(wallet);
  good(await begin(wallet, orderId, 1, claim));
  await walletAt(wallet).finishPayment(claim.claimKey, refusedAs(true));
  await walletAt(wallet).finishPayment(claim.claimKey, settledAt(nowS(wallet)));
  expect(await creditOf(wallet)).toBe(AMOUNT);
}

describe("a renewal that settles after its object was deleted", () => {
  it("is credit once its block is final, and is told so to everyone who brings it", async () => {
    const wallet = freshWallet();
    const { orderId } = await store(wallet);
    const claim = claimFor(wallet);
    good(await begin(wallet, orderId, 1, claim));
    good(await walletAt(wallet).beginDelete(undefined, "main", "letters.tar"));
    const finished = await walletAt(wallet).finishPayment(claim.claimKey, settledAt(nowS(wallet)));
    expect(finished).toMatchObject({ state: "homeless", refusal: { code: "gone", facts: { credited: AMOUNT } } });
    expect(await creditOf(wallet)).toBe("0");
    expect(await begin(wallet, orderId, 1, claim)).toMatchObject({ code: "gone" });
    await advance(wallet, 600_000);
    expect(await creditOf(wallet)).toBe(AMOUNT);
    expect(await begin(wallet, orderId, 1, claim)).toMatchObject({ code: "gone", facts: { credited: AMOUNT } });
    await advance(wallet, DAY_MS);
    expect(await creditOf(wallet)).toBe(AMOUNT);
    // The name is free, and the credit buys it.
    const again = { wanted: wantedOf({ amount: AMOUNT }) };
    expect(await walletAt(wallet).spendCredit(proof(), again, undefined)).toMatchObject({ bought: { order: {} } });
  });

  it("is nothing when a reorg takes it before it was final", async () => {
    const wallet = freshWallet();
    const { orderId } = await store(wallet);
    const claim = claimFor(wallet);
    good(await begin(wallet, orderId, 1, claim));
    good(await walletAt(wallet).beginDelete(undefined, "main", "letters.tar"));
    await walletAt(wallet).finishPayment(claim.claimKey, settledAt(nowS(wallet)));
    await vanish(wallet, claim.claimKey);
    await walletAt(wallet).finishPayment(claim.claimKey, refusedAs(true));
    worldOf(wallet).settle = () => refusedAs(true);
    await advance(wallet, 2 * DAY_MS);
    expect(await creditOf(wallet)).toBe("0");
  });
});

describe("a renewal that a reorg takes", () => {
  it("stands again when it is mined again", async () => {
    const wallet = freshWallet();
    const { orderId } = await store(wallet);
    const { claim } = await renew(wallet, orderId, 1);
    const through = await paidThrough(wallet);
    await vanish(wallet, claim.claimKey);
    expect(await begin(wallet, orderId, 1)).toMatchObject({ begun: "bought" });
    expect(await walletAt(wallet).finishPayment(claim.claimKey, settledAt(nowS(wallet)))).toMatchObject({
      state: "settled",
    });
    expect(await paidThrough(wallet)).toBe(through);
  });

  it("for good takes its 30 days off, leaves 48 hours, and the period can be paid again", async () => {
    const wallet = freshWallet();
    const { orderId } = await store(wallet);
    const through = await paidThrough(wallet);
    const { claim } = await renew(wallet, orderId, 1);
    await vanish(wallet, claim.claimKey);
    await walletAt(wallet).finishPayment(claim.claimKey, refusedAs(true));
    expect(await paidThrough(wallet)).toBe(through);
    expect(await ask(wallet)).toMatchObject({ step: "price", index: 1 });
    await renew(wallet, orderId, 1);
    expect(await paidThrough(wallet)).toBe(through + PERIOD_MS);
  });

  it("below a later one leaves that one, and is not sold again", async () => {
    const wallet = freshWallet();
    const { orderId } = await store(wallet);
    const through = await paidThrough(wallet);
    const { claim } = await renew(wallet, orderId, 1);
    await renew(wallet, orderId, 2);
    await vanish(wallet, claim.claimKey);
    await walletAt(wallet).finishPayment(claim.claimKey, refusedAs(true));
    expect(await paidThrough(wallet)).toBe(through + PERIOD_MS);
    expect(await begin(wallet, orderId, 1)).toMatchObject({ code: "period_not_next", facts: { next_period_index: 3 } });
    expect(await begin(wallet, orderId, 2)).toMatchObject({ begun: "bought" });
    expect(await begin(wallet, orderId, 3)).toMatchObject({ begun: "open" });
  });
});
