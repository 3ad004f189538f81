/** A payment is believed at the head of the chain, and watched until its block is final. */
import { describe, expect, it } from "vitest";
import { DAY_MS } from "#rules/calendar";
import type { Recheck, TransferProof } from "../../durable/ports.ts";
import { advance, buy, freshWallet, good, refusedAs, settledAt, sqlOf, store, walletAt } from "./fixture.ts";
import { clockOf, worldOf } from "./world.ts";

const vanished: Recheck = { end: "vanished" };
const standing = (proof: TransferProof): Recheck => ({ end: "standing", proof });

async function stateOf(wallet: string): Promise<string | undefined> {
  return (await sqlOf<{ state: string }>(wallet, "SELECT state FROM payments"))[0]?.state;
}

async function orderOf(wallet: string, orderId: string) {
  return good(await walletAt(wallet).readOrder(undefined, { orderId })).order;
}

describe("a settled payment", () => {
  it("is looked at again until its block is final, and then no more", async () => {
    const wallet = freshWallet();
    let looks = 0;
    worldOf(wallet).recheck = (proof) => {
      looks += 1;
      return looks < 4 ? standing(proof) : { end: "final", proof };
    };
    await buy(wallet);
    await advance(wallet, DAY_MS);
    expect(looks).toBe(4);
    expect(await sqlOf(wallet, "SELECT * FROM journal WHERE kind = 'payment.final'")).toHaveLength(1);
  });

  it("is looked at with pauses while nobody answers, and stays what it is", async () => {
    const wallet = freshWallet();
    let looks = 0;
    worldOf(wallet).recheck = () => {
      looks += 1;
      if (looks % 2 === 0) throw new Error("the lane cannot be reached");
      return { end: "unknown" };
    };
    const { orderId } = await buy(wallet);
    await advance(wallet, 3_600_000);
    expect(looks).toBeGreaterThan(5);
    expect(looks).toBeLessThan(70);
    expect((await orderOf(wallet, orderId)).state).toBe("paid");
  });

  it("that a reorg took leaves the lease alone, and stands again when the same bytes land", async () => {
    const wallet = freshWallet();
    worldOf(wallet).recheck = () => vanished;
    const { orderId } = await store(wallet);
    const { paidThroughMs } = await orderOf(wallet, orderId);
    await advance(wallet, 91_000);
    expect(await stateOf(wallet)).toBe("reopened");
    expect(await orderOf(wallet, orderId)).toMatchObject({ state: "stored", paidThroughMs });
    worldOf(wallet).recheck = (proof) => ({ end: "final", proof });
    worldOf(wallet).settle = () => settledAt(clockOf(wallet).nowMs());
    await advance(wallet, 600_000);
    expect(await stateOf(wallet)).toBe("settled");
    expect(await orderOf(wallet, orderId)).toMatchObject({ state: "stored", paidThroughMs });
  });

  it("that can never land again takes its 30 days back, with 48 hours left, or ends an order without bytes", async () => {
    const empty = freshWallet();
    const full = freshWallet();
    const { orderId: paid } = await buy(empty);
    const { orderId: stored } = await store(full);
    for (const wallet of [empty, full]) {
      worldOf(wallet).recheck = () => vanished;
      worldOf(wallet).settle = () => refusedAs(true);
      await advance(wallet, 120_000);
    }
    expect(await orderOf(empty, paid)).toMatchObject({ state: "ended", ended: "payment_reversed" });
    const left = (await orderOf(full, stored)).paidThroughMs ?? 0;
    expect((await orderOf(full, stored)).state).toBe("stored");
    expect(left - clockOf(full).nowMs()).toBeLessThanOrEqual(2 * DAY_MS);
    expect(left - clockOf(full).nowMs()).toBeGreaterThan(2 * DAY_MS - 120_000);
  });
});
