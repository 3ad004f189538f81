/** What an operator is shown before the sweep does it, and that one item in trouble stops none of the others. */
import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { Wallet } from "#contract/wallet";
import type { Agenda } from "../../durable/agenda.ts";
import type { Now } from "../../durable/lapses.ts";
import { advance, buy, contentOf, evict, freshWallet, planOf, putPlanOf, sqlOf, store, walletAt } from "./fixture.ts";
import { alive, clockOf, worldOf } from "./world.ts";

const DAY_MS = 86_400_000;
const nowMs = (wallet: Wallet) => clockOf(wallet).nowMs();
const fine = (wallet: Wallet): Now => ({ pulse: alive(nowMs(wallet)), chainMs: nowMs(wallet) });
const shown = (wallet: Wallet, aheadMs: number, now = fine(wallet)): Promise<Agenda> =>
  walletAt(wallet).agenda({ now, untilMs: nowMs(wallet) + aheadMs, atMost: 100 });
const kinds = async (wallet: Wallet, aheadMs: number) =>
  (await shown(wallet, aheadMs)).lines.map(({ errand }) => errand);
const wait = async (wallet: Wallet, ms: number) => {
  worldOf(wallet).aheadMs += ms;
};
async function paidThroughMs(wallet: Wallet) {
  const rows = await sqlOf<{ at: number }>(wallet, "SELECT min(paid_through_ms) AS at FROM orders");
  return rows[0]?.at ?? 0;
}
const stateOf = async (wallet: Wallet, orderId: string) =>
  (await sqlOf(wallet, `SELECT state FROM orders WHERE order_id = '${orderId}'`))[0]?.["state"];

describe("an agenda", () => {
  it("shows a lapse long before it comes, what it waits for when it is over, and then the erasures", async () => {
    const wallet = freshWallet();
    const { orderId, plan } = await store(wallet);
    await advance(wallet, DAY_MS);
    const endMs = await paidThroughMs(wallet);
    expect((await shown(wallet, 30 * DAY_MS)).lines).toEqual([]);
    expect(await shown(wallet, 40 * DAY_MS)).toMatchObject({
      more: false,
      lines: [
        {
          errand: "lapse",
          subject: orderId,
          atMs: endMs + 2 * DAY_MS,
          bytes: 900,
          order: { objectKey: "letters.tar" },
        },
      ],
    });
    // Shown twice, it is still there: nothing was changed.
    expect(await stateOf(wallet, orderId)).toBe("stored");
    await wait(wallet, 32 * DAY_MS);
    const silent: Now = { pulse: undefined, chainMs: undefined };
    expect((await shown(wallet, 0, silent)).lines).toMatchObject([{ errand: "lapse", waitsFor: "heartbeat_unknown" }]);
    const behind: Now = { ...fine(wallet), chainMs: endMs };
    expect((await shown(wallet, 0, behind)).lines).toMatchObject([{ errand: "lapse", waitsFor: "chain_time" }]);
    expect((await shown(wallet, 0)).lines[0]).not.toHaveProperty("waitsFor");
    worldOf(wallet).erase = async () => ({ end: "unknown", detail: "an outage" });
    await advance(wallet, 60_000);
    expect((await shown(wallet, DAY_MS)).lines).toMatchObject([
      {
        errand: "erase",
        subject: plan.s3Key,
        tries: expect.any(Number),
        bucket: expect.stringContaining("mnemospark-"),
      },
    ]);
  });

  it("tells an outage's extension, and that credit renews first", async () => {
    const wallet = freshWallet();
    await store(wallet);
    const endMs = await paidThroughMs(wallet);
    await wait(wallet, 30 * DAY_MS);
    await sqlOf(wallet, "INSERT OR REPLACE INTO meta (key, value) VALUES ('credit', '5')");
    const gap = { fromMs: endMs + 1_000, toMs: endMs + DAY_MS };
    const now = { ...fine(wallet), pulse: { ...alive(nowMs(wallet)), gaps: [gap] } };
    const { lines } = await shown(wallet, 10 * DAY_MS, now);
    expect(lines.find(({ errand }) => errand === "lapse")).toMatchObject({
      atMs: endMs + 3 * DAY_MS - 1_000,
      creditFirst: true,
    });
  });

  it("has every kind of errand the sweep has: completing, aborting, settling, watching, removing", async () => {
    const wallet = freshWallet();
    const { orderId } = await store(wallet, { objectKey: "one" });
    const open = await buy(wallet, { objectKey: "two" });
    await putPlanOf(wallet, open.orderId, contentOf());
    const inParts = await buy(wallet, { objectKey: "three", sizeMax: 20_000_000 });
    await planOf(wallet, inParts.orderId, contentOf({ lengthBytes: 12_000_000, partBytes: 6_000_000 }));
    await walletAt(wallet).beginDelete(undefined, "main", "three");
    await sqlOf(wallet, `UPDATE orders SET unserved_ms = 1 WHERE order_id = '${open.orderId}'`);
    await sqlOf(
      wallet,
      "INSERT INTO forecasts (from_ms, until_ms, state, next_ms) VALUES (1000, 2000, 'wanted', 1000)",
    );
    await sqlOf(
      wallet,
      `INSERT INTO mandates (order_id, period, claim_key, amount, card, size_bytes, valid_after_ms, valid_before_ms, state, added_ms, next_ms)
         VALUES ('${orderId}', 1, 'a claim', '1', 'c', 1, 1, 2, 'waiting', 1, 1)`,
    );
    const seen = new Set(await kinds(wallet, 40 * DAY_MS));
    expect([...seen].sort()).toEqual(["abort", "complete", "forecast", "lapse", "mandate", "recheck"]);
    await sqlOf(wallet, "UPDATE payments SET review_ms = NULL");
    expect(await kinds(wallet, 40 * DAY_MS)).toContain("serve");
    await sqlOf(wallet, "UPDATE payments SET state = 'open', review_ms = 1");
    expect(await kinds(wallet, 40 * DAY_MS)).toContain("settle");
    await sqlOf(wallet, "UPDATE orders SET state = 'ended', due_ms = NULL");
    await sqlOf(wallet, "DELETE FROM erasures");
    expect(await kinds(wallet, 40 * DAY_MS)).toContain("empty");
    expect(await walletAt(wallet).agenda({ now: fine(wallet), untilMs: 4e12, atMost: 2 })).toMatchObject({
      more: true,
      lines: [{}, {}],
    });
  });
});

describe("the sweep", () => {
  it("goes on with all others while the bytes of one object cannot be erased for days, and erases these in the end", async () => {
    const wallet = freshWallet();
    const stuck = await store(wallet, { objectKey: "stuck" });
    const others = [];
    for (const objectKey of ["a", "b", "c"]) others.push(await store(wallet, { objectKey }));
    const world = worldOf(wallet);
    world.erase = async ({ key }) => {
      if (key === stuck.plan.s3Key) throw new Error("S3 closes the connection");
      return { end: "done" };
    };
    await advance(wallet, 32 * DAY_MS + 3_600_000);
    expect(await sqlOf(wallet, "SELECT DISTINCT ended FROM orders")).toEqual([{ ended: "unpaid" }]);
    expect(await sqlOf(wallet, "SELECT s3_key FROM erasures")).toEqual([{ s3_key: stuck.plan.s3Key }]);
    const before = world.erased.length;
    await advance(wallet, 5 * DAY_MS);
    const tried = world.erased.slice(before);
    expect(tried.every(({ key }) => key === stuck.plan.s3Key)).toBe(true);
    // Every 43 minutes: it neither gives up nor hammers.
    expect(tried.length).toBeGreaterThan(100);
    expect(tried.length).toBeLessThan(200);
    world.erase = async () => ({ end: "done" });
    await advance(wallet, 3_700_000);
    expect(await sqlOf(wallet, "SELECT * FROM erasures")).toEqual([]);
  });

  it("loses nothing to an eviction between its steps: what was decided is done by the next one", async () => {
    const wallet = freshWallet();
    const { orderId, plan } = await store(wallet);
    await advance(wallet, 31 * DAY_MS);
    const world = worldOf(wallet);
    // The tombstone is written; whoever was about to erase is gone, again and again.
    for (let turn = 0; turn < 3; turn++) {
      let evicted = false;
      world.erase = async () => {
        evicted = true;
        return { end: "unknown", detail: "nobody is left to hear it" };
      };
      await advance(wallet, DAY_MS + 60_000);
      expect(evicted).toBe(true);
      await evict(wallet);
      expect(await stateOf(wallet, orderId)).toBe("ended");
    }
    world.erase = async () => ({ end: "done" });
    await advance(wallet, 2 * 3_600_000);
    expect(world.erased.at(-1)?.key).toBe(plan.s3Key);
    expect(await sqlOf(wallet, "SELECT * FROM erasures")).toEqual([]);
  });

  it("does every kind of errand whose rows can be read when those of another kind cannot", async () => {
    const wallet = freshWallet();
    const { orderId, plan } = await store(wallet);
    await sqlOf(wallet, "UPDATE payments SET state = 'open', review_ms = 1, authorization = 'no authorization'");
    worldOf(wallet).aheadMs += 33 * DAY_MS;
    await runDurableObjectAlarm(env.WALLET.getByName(wallet));
    expect(await stateOf(wallet, orderId)).toBe("ended");
    await wait(wallet, 60_000);
    await runDurableObjectAlarm(env.WALLET.getByName(wallet));
    expect(worldOf(wallet).erased.map(({ key }) => key)).toContain(plan.s3Key);
  });

  it("gives back as credit what was paid for a region that is sold no more, and says so meanwhile", async () => {
    const wallet = freshWallet();
    const { orderId } = await buy(wallet);
    const world = worldOf(wallet);
    world.stores = { "eu-north-1": "s3" };
    await evict(wallet);
    await advance(wallet, 3_600_000);
    expect(await planOf(wallet, orderId, contentOf())).toMatchObject({ ok: false, code: "storage_unavailable" });
    const { bucket, state } = (await sqlOf(wallet, "SELECT bucket, state FROM orders"))[0] ?? {};
    expect([bucket, state]).toEqual([null, "paid"]);
    await advance(wallet, DAY_MS + 3_600_000);
    expect(await sqlOf(wallet, "SELECT ended FROM orders")).toEqual([{ ended: "credited" }]);
    expect((await sqlOf(wallet, "SELECT value FROM meta WHERE key = 'credit'"))[0]?.["value"]).toBe("20000");
  });
});
