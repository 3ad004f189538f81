/** Warnings before the end: each once for every end of what was paid, whatever becomes of alarms and clocks. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { Wallet } from "#contract/wallet";
import {
  advance,
  authorizationOf,
  buy,
  claimOf,
  contentOf,
  evict,
  freshWallet,
  good,
  putPlanOf,
  settledAt,
  sqlOf,
  store,
  walletAt,
} from "./fixture.ts";
import { clockOf, worldOf } from "./world.ts";

const DAY_MS = 86_400_000;
const PERIOD_MS = 30 * DAY_MS;
const nowMs = (wallet: Wallet) => clockOf(wallet).nowMs();

/** Warnings as a client polls them. */
async function told(wallet: Wallet) {
  const { events } = good(await walletAt(wallet).events(undefined, 0, 500));
  return events
    .filter(({ kind }) => kind.startsWith("warning."))
    .map(({ kind, data, atMs }) => ({ kind: kind.slice("warning.".length), atMs, data }));
}
const kinds = async (wallet: Wallet) => (await told(wallet)).map(({ kind }) => kind);
async function paidThroughMs(wallet: Wallet) {
  return Number((await sqlOf(wallet, "SELECT paid_through_ms FROM orders"))[0]?.["paid_through_ms"]);
}
/** To a moment relative to the end of what was paid. */
const to = async (wallet: Wallet, plusMs: number) =>
  advance(wallet, (await paidThroughMs(wallet)) + plusMs - nowMs(wallet));
async function renew(wallet: Wallet, orderId: string, index: number) {
  const claim = claimOf(wallet, {}, authorizationOf(wallet, { value: 20_000n }));
  const renewal = { orderId, index, amount: "20000", card: "a card", sizeBytes: 900 };
  good(await walletAt(wallet).beginPayment(undefined, claim, { renewal }, undefined));
  await walletAt(wallet).finishPayment(claim.claimKey, settledAt(Math.floor(nowMs(wallet) / 1000) * 1000));
}

describe("the owner of an object", () => {
  it("is told a week before, when it is unpaid, and a day before it goes, each once", async () => {
    const wallet = freshWallet();
    const { orderId } = await store(wallet);
    const endMs = await paidThroughMs(wallet);
    await to(wallet, -8 * DAY_MS);
    expect(await told(wallet)).toEqual([]);
    await to(wallet, 2 * DAY_MS + 60_000);
    const all = await told(wallet);
    expect(all.map(({ kind, atMs }) => [kind, Math.round((atMs - endMs) / DAY_MS)])).toEqual([
      ["due_soon", -7],
      ["unpaid", 0],
      ["ending", 1],
    ]);
    for (const { data } of all)
      expect(data).toEqual({
        order_id: orderId,
        agent_id: "main",
        object_key: "letters.tar",
        next_period_index: 1,
        paid_through: new Date(endMs).toISOString(),
        delete_after: new Date(endMs + 2 * DAY_MS).toISOString(),
        mandate: false,
        message: expect.stringMatching(/^"letters\.tar" is .* deleted/),
      });
    // It is gone, and so is the reason to say anything.
    expect(await sqlOf(wallet, "SELECT state, warn_ms FROM orders")).toEqual([{ state: "ended", warn_ms: null }]);
  });

  it("is told anew for every period, however it was paid, and not again when the content is replaced", async () => {
    const wallet = freshWallet();
    const { orderId } = await store(wallet);
    await to(wallet, -6 * DAY_MS);
    const other = contentOf({ sha256: "cd".repeat(32) });
    const { plan } = await putPlanOf(wallet, orderId, other);
    good(await walletAt(wallet).finishConfirm(orderId, plan.plan));
    await to(wallet, -5 * DAY_MS);
    expect(await kinds(wallet)).toEqual(["due_soon"]);
    await renew(wallet, orderId, 1);
    await to(wallet, -8 * DAY_MS);
    expect(await kinds(wallet)).toEqual(["due_soon"]);
    // The second one in its grace; the third is paid early.
    await to(wallet, DAY_MS / 2);
    expect(await kinds(wallet)).toEqual(["due_soon", "due_soon", "unpaid"]);
    await renew(wallet, orderId, 2);
    await renew(wallet, orderId, 3);
    await advance(wallet, PERIOD_MS);
    expect(await kinds(wallet)).toHaveLength(3);
    await to(wallet, -DAY_MS);
    expect((await told(wallet)).map(({ data }) => data["next_period_index"])).toEqual([1, 2, 2, 4]);
  });

  it("hears all of it, once, from an alarm that was lost until after the end of the grace, before anything is erased", async () => {
    const wallet = freshWallet();
    await store(wallet);
    await runInDurableObject(env.WALLET.getByName(wallet), (_, { storage }) => storage.deleteAlarm());
    await evict(wallet);
    worldOf(wallet).aheadMs += PERIOD_MS + 3 * DAY_MS;
    await walletAt(wallet).wake();
    await advance(wallet, 60_000);
    const { events } = good(await walletAt(wallet).events(undefined, 0, 500));
    const orders = events.map(({ kind }) => kind).filter((kind) => /^(?:order|warning)\./.test(kind));
    expect(orders.slice(-4)).toEqual(["warning.due_soon", "warning.unpaid", "warning.ending", "order.lapsed"]);
    await advance(wallet, DAY_MS);
    expect(await kinds(wallet)).toHaveLength(3);
  });

  it("who paid and sent nothing is told once that the time to send is nearly over", async () => {
    const wallet = freshWallet();
    await buy(wallet);
    const endMs = await paidThroughMs(wallet);
    await to(wallet, DAY_MS);
    expect(await told(wallet)).toMatchObject([
      { kind: "due_soon", data: { delete_after: new Date(endMs).toISOString() } },
    ]);
  });

  it("hears the rest when the bytes come after the first warning", async () => {
    const wallet = freshWallet();
    const { orderId } = await buy(wallet);
    const { plan } = await putPlanOf(wallet, orderId, contentOf());
    await to(wallet, -DAY_MS);
    good(await walletAt(wallet).finishConfirm(orderId, plan.plan));
    await to(wallet, 36 * 3_600_000);
    expect(await kinds(wallet)).toEqual(["due_soon", "unpaid", "ending"]);
  });
});
