import { describe, expect, it } from "vitest";
import { INCLUDED_DOWNLOADS, INCLUDED_LISTS } from "#contract/limits";
import { DAY_MS } from "#rules/calendar";
import { advance, buy, freshWallet, good, sqlOf, store, walletAt, wantedOf } from "./fixture.ts";

const NAME = wantedOf().objectKey;

describe("what a paid period includes", () => {
  it(`is ${INCLUDED_DOWNLOADS} downloads of the object, counted before the URL exists`, async () => {
    const wallet = freshWallet();
    await store(wallet);
    const take = () => walletAt(wallet).takeDownload(undefined, "main", NAME);
    for (let left = INCLUDED_DOWNLOADS - 1; left >= 0; left--)
      expect(good(await take())).toMatchObject({ downloadsLeft: left });
    expect(await take()).toMatchObject({ code: "allowance_used" });
    expect(await take()).toMatchObject({ code: "allowance_used" });
  });

  it("is counted per object, and downloads at once are counted each", async () => {
    const wallet = freshWallet();
    await store(wallet);
    await store(wallet, { objectKey: "other" });
    const taken = await Promise.all(
      Array.from({ length: 5 }, () => walletAt(wallet).takeDownload(undefined, "main", NAME)),
    );
    expect(taken.filter((each) => each.ok)).toHaveLength(INCLUDED_DOWNLOADS);
    good(await walletAt(wallet).takeDownload(undefined, "main", "other"));
  });

  it("does not let a missing object cost anything", async () => {
    const wallet = freshWallet();
    await buy(wallet);
    expect(await walletAt(wallet).takeDownload(undefined, "main", NAME)).toMatchObject({ code: "object_not_found" });
    expect(await sqlOf(wallet, "SELECT downloads_used FROM orders")).toEqual([{ downloads_used: 0 }]);
  });

  it(`is ${INCLUDED_LISTS} list calls an object, and a new month begins with the first call after the old one`, async () => {
    const wallet = freshWallet();
    await store(wallet);
    await store(wallet, { objectKey: "other" });
    for (let n = 0; n < 2 * INCLUDED_LISTS; n++) good(await walletAt(wallet).takeList(undefined));
    expect(await walletAt(wallet).takeList(undefined)).toMatchObject({ code: "allowance_used" });
    await advance(wallet, 30 * DAY_MS - 60_000);
    expect(await walletAt(wallet).takeList(undefined)).toMatchObject({ code: "allowance_used" });
    await advance(wallet, 120_000);
    good(await walletAt(wallet).takeList(undefined));
  });

  it("gives a wallet that never stored its empty answer for nothing", async () => {
    const wallet = freshWallet();
    for (let n = 0; n < INCLUDED_LISTS + 5; n++)
      expect(await walletAt(wallet).takeList(undefined)).toEqual({ ok: true, buckets: [] });
  });
});

describe("the leases behind keys", () => {
  it("are those of elected contents of live orders, whatever else is asked", async () => {
    const wallet = freshWallet();
    const a = await store(wallet, { objectKey: "a" });
    const b = await store(wallet, { objectKey: "b" });
    const gone = await store(wallet, { objectKey: "gone" });
    good(await walletAt(wallet).beginDelete(undefined, "main", "gone"));
    const keys = [a.place.key, b.place.key, gone.place.key, "agent=main/forged/0.1", "' OR 1=1 --"];
    const leases = await walletAt(wallet).leasesOf(keys);
    expect(leases.map((each) => each.order.objectKey).sort()).toEqual(["a", "b"]);
  });
});
