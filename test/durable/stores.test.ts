/** The store a region has today gets what is bought today; what was stored yesterday stays where it is. */
import { describe, expect, it } from "vitest";
import { bucketName } from "#contract/wallet";
import {
  buy,
  claimOf,
  contentOf,
  evict,
  freshWallet,
  good,
  planOf,
  putPlanOf,
  sqlOf,
  store,
  walletAt,
} from "./fixture.ts";
import { worldOf } from "./world.ts";

describe("a region that moved to another store", () => {
  it("gets a bucket there, and every order keeps the place it was given", async () => {
    const wallet = freshWallet();
    const before = await store(wallet, { objectKey: "before" });
    expect(before.place).toMatchObject({ store: "s3", bucket: bucketName(wallet, "us-east-1", "us-east-1") });
    worldOf(wallet).stores = { "us-east-1": "r2" };
    await evict(wallet);
    expect(await walletAt(wallet).isNewTo("us-east-1", undefined)).toBe(true);
    const { orderId } = await buy(wallet, { objectKey: "after" });
    const ask = () => walletAt(wallet).plan(undefined, { orderId }, contentOf(), "wallet", undefined, undefined);
    const step = good(await ask());
    if (step.step !== "bucket") throw new Error("another store has no bucket yet");
    const name = bucketName(wallet, "us-east-1", "us-east-1", 1);
    expect(step.bucket).toMatchObject({ store: "r2", name, ready: false, intended: false });
    // A caller who comes meanwhile finds the intent.
    expect(await ask()).toMatchObject({ bucket: { store: "r2", name, intended: true } });
    await walletAt(wallet).finishBucket(step.bucket, "ready");
    expect((await putPlanOf(wallet, orderId, contentOf())).place).toMatchObject({ store: "r2", bucket: name });
    expect(await walletAt(wallet).isNewTo("us-east-1", undefined)).toBe(false);
    const again = await putPlanOf(wallet, before.orderId, contentOf({ sha256: "cd".repeat(32) }));
    expect(again.place).toMatchObject({ store: "s3", bucket: before.place.bucket });
    expect(await sqlOf(wallet, "SELECT object_key, store FROM orders ORDER BY object_key")).toEqual([
      { object_key: "after", store: "r2" },
      { object_key: "before", store: "s3" },
    ]);
  });
});

describe("a newcomer", () => {
  it("is who has no bucket in the region, unless the payment is known", async () => {
    const wallet = freshWallet();
    const isNew = (region: string, claimKey?: string) => walletAt(wallet).isNewTo(region, claimKey);
    expect(await isNew("us-east-1")).toBe(true);
    const { orderId, claim } = await buy(wallet);
    expect([await isNew("us-east-1"), await isNew("us-east-1", claim.claimKey)]).toEqual([true, false]);
    expect(await isNew("us-east-1", claimOf(wallet).claimKey)).toBe(true);
    good(await planOf(wallet, orderId, contentOf()));
    expect([await isNew("us-east-1"), await isNew("eu-north-1")]).toEqual([false, true]);
  });

  it("whose names are all taken is given the next one in sequence", async () => {
    const wallet = freshWallet();
    const { orderId } = await buy(wallet);
    for (const sequence of [0, 1, 2]) {
      const ask = walletAt(wallet).plan(undefined, { orderId }, contentOf(), "wallet", undefined, undefined);
      const step = good(await ask);
      if (step.step !== "bucket") throw new Error("no bucket is ready yet");
      expect(step.bucket).toMatchObject({ sequence, name: bucketName(wallet, "us-east-1", "us-east-1", sequence) });
      await walletAt(wallet).finishBucket(step.bucket, sequence < 2 ? "taken" : "ready");
    }
    const { place } = await putPlanOf(wallet, orderId, contentOf());
    expect(place.bucket).toBe(bucketName(wallet, "us-east-1", "us-east-1", 2));
  });
});
