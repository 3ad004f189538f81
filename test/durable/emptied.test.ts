import { describe, expect, it } from "vitest";
import { DOWNLOAD_URL_TTL_MAX_S, EMPTIED_BUCKET_KEEP_S, UPLOAD_URL_TTL_S } from "#contract/limits";
import type { Wallet } from "#contract/wallet";
import { DAY_MS } from "#rules/calendar";
import {
  advance,
  buy,
  claimOf,
  contentOf,
  evict,
  freshHex,
  freshWallet,
  good,
  planOf,
  sqlOf,
  store,
  walletAt,
  wantedOf,
} from "./fixture.ts";
import { clockOf, worldOf } from "./world.ts";

const KEEP_MS = EMPTIED_BUCKET_KEEP_S * 1000;
const MINUTE_MS = 60_000;

/** The world's S3, asked to remove buckets; answers `gone` until told otherwise. */
function watched(wallet: Wallet) {
  const asked: { name: string; atMs: number }[] = [];
  const world = worldOf(wallet);
  const answer = { now: world.removeBucket };
  world.removeBucket = async (name) => {
    asked.push({ name, atMs: clockOf(wallet).nowMs() });
    return answer.now(name);
  };
  return { asked, answer };
}

async function remove(wallet: Wallet, objectKey = wantedOf().objectKey) {
  const { places } = good(await walletAt(wallet).beginDelete(undefined, "main", objectKey));
  for (const place of places) await walletAt(wallet).finishErase(place.key, true);
}

const statesOf = async (wallet: Wallet) =>
  (await sqlOf<{ state: string }>(wallet, "SELECT state FROM buckets ORDER BY region, sequence")).map(
    ({ state }) => state,
  );

describe("an emptied bucket", () => {
  it("outlives every URL into it by its keep alone", () => {
    expect(EMPTIED_BUCKET_KEEP_S).toBeGreaterThan(Math.max(DOWNLOAD_URL_TTL_MAX_S, UPLOAD_URL_TTL_S));
  });

  it("is removed a day after the last order ended, not before, and made again by the next payment", async () => {
    const wallet = freshWallet();
    const { asked } = watched(wallet);
    const { place } = await store(wallet);
    await store(wallet, { objectKey: "other" });
    await remove(wallet);
    await advance(wallet, 2 * DAY_MS);
    expect(asked).toEqual([]);
    const endedMs = clockOf(wallet).nowMs();
    await remove(wallet, "other");
    await advance(wallet, KEEP_MS - MINUTE_MS);
    expect(asked).toEqual([]);
    await advance(wallet, 2 * MINUTE_MS);
    expect(asked).toMatchObject([{ name: place.bucket }]);
    expect(asked[0]?.atMs).toBeGreaterThanOrEqual(endedMs + KEEP_MS);
    expect(await statesOf(wallet)).toEqual(["gone"]);
    expect(
      good(await walletAt(wallet).takeList(undefined, { agentId: undefined, region: undefined, prefix: "" }, undefined))
        .sections,
    ).toEqual([]);
    const { orderId } = await buy(wallet);
    const ask = () => walletAt(wallet).plan(undefined, { orderId }, contentOf(), "wallet", undefined, undefined);
    expect(await ask()).toMatchObject({ step: "bucket", bucket: { name: place.bucket, intended: false } });
    // Asked again before it was made: now an untagged bucket of that name is our own unfinished one.
    expect(await ask()).toMatchObject({ step: "bucket", bucket: { name: place.bucket, intended: true } });
    expect(good(await planOf(wallet, orderId, contentOf()))).toMatchObject({
      step: "put",
      place: { bucket: place.bucket },
    });
    await advance(wallet, 10 * DAY_MS);
    expect(asked).toHaveLength(1);
  });

  it("stays while anything names it: a lease, a paid order, a payment on its way, an erasure not done", async () => {
    const wallet = freshWallet();
    const { asked } = watched(wallet);
    await store(wallet);
    worldOf(wallet).erase = async () => ({ end: "unknown", detail: "503" });
    good(await walletAt(wallet).beginDelete(undefined, "main", wantedOf().objectKey));
    await advance(wallet, KEEP_MS + 60 * MINUTE_MS);
    expect(asked).toEqual([]);
    worldOf(wallet).erase = async () => ({ end: "done" });
    const claim = claimOf(wallet);
    good(await walletAt(wallet).beginPayment(undefined, claim, { wanted: wantedOf() }, undefined));
    await advance(wallet, KEEP_MS + 60 * MINUTE_MS);
    expect(await sqlOf(wallet, "SELECT s3_key FROM erasures")).toEqual([]);
    expect(asked).toEqual([]);
    await walletAt(wallet).finishPayment(claim.claimKey, { end: "refused", reason: "r", detail: "d", leftUs: true });
    await advance(wallet, KEEP_MS - MINUTE_MS);
    expect(asked).toEqual([]);
    await buy(wallet, { objectKey: "unsent" });
    await advance(wallet, 2 * DAY_MS);
    expect(asked).toEqual([]);
  });

  it("goes after a lapse as after a delete", async () => {
    const wallet = freshWallet();
    const { asked } = watched(wallet);
    const { place } = await store(wallet);
    await advance(wallet, 32 * DAY_MS + KEEP_MS - 5 * MINUTE_MS);
    expect(asked).toEqual([]);
    await advance(wallet, 60 * MINUTE_MS);
    expect(asked.map(({ name }) => name)).toEqual([place.bucket]);
    expect(await statesOf(wallet)).toEqual(["gone"]);
  });

  it("is one region's; the other region's objects do not keep it", async () => {
    const wallet = freshWallet();
    const { asked } = watched(wallet);
    const { place } = await store(wallet, { objectKey: "far", region: "eu-north-1" });
    await store(wallet);
    await remove(wallet, "far");
    await advance(wallet, KEEP_MS + MINUTE_MS);
    expect(asked.map(({ name }) => name)).toEqual([place.bucket]);
    expect(await statesOf(wallet)).toEqual(["gone", "ready"]);
  });

  it("that has bytes in it stays; what was given up before is erased, and a day later it is tried again", async () => {
    const wallet = freshWallet();
    const { asked, answer } = watched(wallet);
    const { place } = await store(wallet);
    await remove(wallet);
    answer.now = async () => ({ end: "occupied", keys: [place.key, "somebody/else"] });
    const erased = worldOf(wallet).erased.length;
    await advance(wallet, KEEP_MS + 5 * MINUTE_MS);
    expect(asked).toHaveLength(1);
    expect(await statesOf(wallet)).toEqual(["ready"]);
    expect(
      worldOf(wallet)
        .erased.slice(erased)
        .map(({ key }) => key),
    ).toContain(place.key);
    answer.now = async () => ({ end: "gone" });
    await advance(wallet, DAY_MS);
    expect(asked).toHaveLength(2);
    expect(await statesOf(wallet)).toEqual(["gone"]);
  });

  it("gives no URL while its removal is on its way, whatever dies meanwhile, and is there again after", async () => {
    const wallet = freshWallet();
    const { asked, answer } = watched(wallet);
    await store(wallet);
    await remove(wallet);
    answer.now = async () => {
      throw new Error("the line is cut");
    };
    await advance(wallet, KEEP_MS + MINUTE_MS);
    expect(await statesOf(wallet)).toEqual(["leaving"]);
    await evict(wallet);
    const { orderId } = await buy(wallet);
    const ask = () =>
      walletAt(wallet).plan(undefined, { orderId }, contentOf({ sha256: freshHex() }), "wallet", undefined, undefined);
    expect(await ask()).toMatchObject({ code: "storage_unavailable" });
    // Nobody knows whether it is gone: it is asked to go until S3 says so, and only then made again.
    await advance(wallet, 10 * MINUTE_MS);
    expect(asked.length).toBeGreaterThan(10);
    expect(await ask()).toMatchObject({ code: "storage_unavailable" });
    answer.now = async () => ({ end: "gone" });
    await advance(wallet, MINUTE_MS);
    expect(await ask()).toMatchObject({ step: "bucket" });
    good(await planOf(wallet, orderId, contentOf()));
  });
});
