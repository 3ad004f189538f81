import { describe, expect, it } from "vitest";
import { UPLOAD_URL_TTL_S } from "#contract/limits";
import {
  advance,
  buy,
  claimOf,
  contentOf,
  freshHex,
  freshWallet,
  good,
  planOf,
  putPlanOf,
  sqlOf,
  store,
  walletAt,
  wantedOf,
} from "./fixture.ts";
import { clockOf, worldOf } from "./world.ts";

const NAME = wantedOf().objectKey;

function remove(wallet: string, name = NAME) {
  return walletAt(wallet).beginDelete(undefined, "main", name);
}

describe("delete", () => {
  it("puts a tombstone first: the name is free, nothing of the order works any more", async () => {
    const wallet = freshWallet();
    const { orderId, plan, claim } = await store(wallet);
    expect(good(await remove(wallet)).order).toMatchObject({ orderId, state: "ended", ended: "deleted" });
    expect(await walletAt(wallet).stat(undefined, "main", NAME)).toMatchObject({ code: "object_not_found" });
    expect(await walletAt(wallet).finishConfirm(orderId, plan.plan)).toMatchObject({ code: "gone" });
    expect(await walletAt(wallet).beginConfirm(undefined, { orderId })).toMatchObject({ code: "gone" });
    expect(await planOf(wallet, orderId, contentOf())).toMatchObject({ code: "gone" });
    // The old payment is spent: it answers with the ended order and opens nothing.
    const again = await walletAt(wallet).beginPayment(undefined, claim, { wanted: wantedOf() }, undefined);
    expect(again).toMatchObject({ begun: "bought", order: { orderId, state: "ended" } });
    const fresh = await walletAt(wallet).beginPayment(undefined, claimOf(wallet), { wanted: wantedOf() }, undefined);
    expect(fresh).toMatchObject({ ok: true, begun: "open" });
  });

  it("names every content that must go, and the alarm erases each twice", async () => {
    const wallet = freshWallet();
    const { orderId, place } = await store(wallet);
    const { place: late } = await putPlanOf(wallet, orderId, contentOf({ sha256: freshHex() }));
    const { places } = good(await remove(wallet));
    expect(places.map((each) => each.key).sort()).toEqual([place.key, late.key].sort());
    const urlDeadMs = clockOf(wallet).nowMs() + UPLOAD_URL_TTL_S * 1000;
    for (const each of places) await walletAt(wallet).finishErase(each.key, true);
    await advance(wallet, 3_600_000);
    // The caller erased at once; what is left is the erase after the last URL.
    expect(
      worldOf(wallet)
        .erased.map((each) => each.key)
        .sort(),
    ).toEqual([place.key, late.key].sort());
    for (const each of worldOf(wallet).erased) expect(each.atMs).toBeGreaterThan(urlDeadMs);
    expect(await sqlOf(wallet, "SELECT * FROM erasures")).toEqual([]);
  });

  it("a second time, or of a name nobody has, is 404", async () => {
    const wallet = freshWallet();
    await store(wallet);
    good(await remove(wallet));
    expect(await remove(wallet)).toMatchObject({ code: "object_not_found" });
    expect(await remove(wallet, "never")).toMatchObject({ code: "object_not_found" });
    expect(await walletAt(wallet).beginDelete(undefined, "other", NAME)).toMatchObject({ code: "object_not_found" });
  });

  it("while the payment is open is a conflict and changes nothing", async () => {
    const wallet = freshWallet();
    const claim = claimOf(wallet);
    good(await walletAt(wallet).beginPayment(undefined, claim, { wanted: wantedOf() }, undefined));
    expect(await remove(wallet)).toMatchObject({ code: "payment_pending" });
    expect(await sqlOf(wallet, "SELECT state FROM orders")).toEqual([{ state: "paying" }]);
  });

  it("of a paid order without bytes ends it and has nothing to erase", async () => {
    const wallet = freshWallet();
    await buy(wallet);
    expect(good(await remove(wallet)).places).toEqual([]);
  });
});

describe("an erase that fails", () => {
  it("is tried again with growing pauses, whether the store says so or throws, and done in the end", async () => {
    const wallet = freshWallet();
    await store(wallet);
    let answers = 0;
    worldOf(wallet).erase = async () => {
      answers += 1;
      if (answers % 2 === 1) throw new Error("the store does not answer");
      return { end: "unknown", detail: "503" };
    };
    good(await remove(wallet));
    await advance(wallet, 2 * 3_600_000);
    const times = worldOf(wallet).erased.map((each) => each.atMs);
    expect(times.length).toBeGreaterThan(5);
    expect(times.length).toBeLessThan(20);
    worldOf(wallet).erase = async () => ({ end: "done" });
    await advance(wallet, 2 * 3_600_000);
    expect(await sqlOf(wallet, "SELECT * FROM erasures")).toEqual([]);
  });
});
