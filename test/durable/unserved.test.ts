import { describe, expect, it } from "vitest";
import type { Wallet } from "#contract/wallet";
import { DAY_MS } from "#rules/calendar";
import { identifierUse } from "../../durable/keys.ts";
import {
  advance,
  buy,
  claimOf,
  contentOf,
  freshWallet,
  good,
  putPlanOf,
  sqlOf,
  walletAt,
  wantedOf,
} from "./fixture.ts";
import { worldOf } from "./world.ts";

const creditOf = async (wallet: Wallet) =>
  (await sqlOf<{ value: string }>(wallet, "SELECT value FROM meta WHERE key = 'credit'"))[0]?.value ?? "0";
const orderOf = async (wallet: Wallet) => (await sqlOf(wallet, "SELECT state, ended FROM orders"))[0];
const proof = () => ({ nonce: crypto.randomUUID(), request: "r", expiresMs: 4e12 });

/** Paid, its payment final, and asked for a plan while no bucket can be made. */
async function askedInVain(wallet: Wallet) {
  worldOf(wallet).ensureBucket = async () => ({ end: "unknown", detail: "S3 is down" });
  const bought = await buy(wallet);
  await advance(wallet, 600_000);
  const ask = { orderId: bought.orderId };
  const step = good(await walletAt(wallet).plan(undefined, ask, contentOf(), "wallet", undefined, undefined));
  expect(step.step).toBe("bucket");
  return bought;
}

describe("a paid order that cannot be given a plan", () => {
  it("stays paid for a day, then its amount is credit, once, and buys again", async () => {
    const wallet = freshWallet();
    const { claim, orderId } = await askedInVain(wallet);
    await advance(wallet, DAY_MS - 60_000);
    expect(await orderOf(wallet)).toMatchObject({ state: "paid" });
    await advance(wallet, 120_000);
    expect(await orderOf(wallet)).toMatchObject({ state: "ended", ended: "credited" });
    expect(await creditOf(wallet)).toBe(wantedOf().amount);
    // The payment brought again, and time: nothing is credited twice, nothing is granted.
    const again = await walletAt(wallet).beginPayment(undefined, claim, { wanted: wantedOf() }, undefined);
    expect(again).toMatchObject({ ok: false, code: "payment_invalid", facts: { reason: "credited" } });
    expect(await advance(wallet, 3 * DAY_MS)).toBe(0);
    expect(await creditOf(wallet)).toBe(wantedOf().amount);
    const spent = good(await walletAt(wallet).spendCredit(proof(), { wanted: wantedOf() }, undefined));
    expect(spent.bought?.payment.orderId).not.toBe(orderId);
    expect(await creditOf(wallet)).toBe("0");
  });

  it("is served after all when the last try makes the bucket", async () => {
    const wallet = freshWallet();
    const { orderId } = await askedInVain(wallet);
    worldOf(wallet).ensureBucket = async () => ({ end: "ready" });
    await advance(wallet, DAY_MS + 60_000);
    expect(await orderOf(wallet)).toMatchObject({ state: "paid" });
    expect(await creditOf(wallet)).toBe("0");
    await putPlanOf(wallet, orderId, contentOf());
  });

  it("counts from the first time, and no more once a plan was given", async () => {
    const wallet = freshWallet();
    const { orderId } = await askedInVain(wallet);
    await advance(wallet, DAY_MS / 2);
    await putPlanOf(wallet, orderId, contentOf());
    await advance(wallet, DAY_MS);
    expect(await orderOf(wallet)).toMatchObject({ state: "paid" });
    expect(await creditOf(wallet)).toBe("0");
  });

  it("is no credit while a reorg may still take the payment", async () => {
    const wallet = freshWallet();
    worldOf(wallet).recheck = (seen) => ({ end: "standing", proof: seen });
    await askedInVain(wallet);
    await advance(wallet, DAY_MS + 600_000);
    expect(await orderOf(wallet)).toMatchObject({ state: "paid" });
    worldOf(wallet).recheck = (seen) => ({ end: "final", proof: seen });
    await advance(wallet, 600_000);
    expect(await orderOf(wallet)).toMatchObject({ state: "ended", ended: "credited" });
  });

  it("leaves the payer's identifier as good as new", async () => {
    const wallet = freshWallet();
    worldOf(wallet).ensureBucket = async () => ({ end: "unknown", detail: "S3 is down" });
    const use = identifierUse("/storage/upload", "pay_0123456789abcdef", { object_key: wantedOf().objectKey });
    const bought = await buy(wallet, {}, use);
    await advance(wallet, 600_000);
    const ask = { orderId: bought.orderId };
    good(await walletAt(wallet).plan(undefined, ask, contentOf(), "wallet", undefined, undefined));
    await advance(wallet, DAY_MS + 60_000);
    const next = await walletAt(wallet).beginPayment(
      undefined,
      claimOf(wallet),
      { wanted: wantedOf() },
      undefined,
      use,
    );
    expect(next).toMatchObject({ ok: true, begun: "open" });
  });

  it("that was bought with credit becomes credit again", async () => {
    const wallet = freshWallet();
    await askedInVain(wallet);
    await advance(wallet, DAY_MS + 60_000);
    const { bought } = good(await walletAt(wallet).spendCredit(proof(), { wanted: wantedOf() }, undefined));
    const ask = { orderId: bought?.payment.orderId ?? "" };
    good(await walletAt(wallet).plan(undefined, ask, contentOf(), "wallet", undefined, undefined));
    await advance(wallet, DAY_MS + 60_000);
    expect(await creditOf(wallet)).toBe(wantedOf().amount);
  });
});
