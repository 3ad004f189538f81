import { describe, expect, it } from "vitest";
import {
  buy,
  claimOf,
  contentOf,
  freshWallet,
  good,
  putPlanOf,
  refusedAs,
  sqlOf,
  store,
  walletAt,
  wantedOf,
} from "./fixture.ts";

function begin(wallet: ReturnType<typeof freshWallet>, over = {}) {
  return walletAt(wallet).beginPayment(undefined, claimOf(wallet), { wanted: wantedOf(over) }, undefined);
}

describe("a fresh authorization for a name that is paid already", () => {
  it("is never sent: the caller gets the order, for the same size and for less", async () => {
    const wallet = freshWallet();
    const { orderId } = await buy(wallet);
    for (const sizeMax of [1_000, 999, 1])
      expect(await begin(wallet, { sizeMax })).toMatchObject({
        ok: true,
        begun: "bought",
        sameClaim: false,
        order: { orderId },
      });
    expect(await sqlOf(wallet, "SELECT * FROM payments")).toHaveLength(1);
  });

  it("is refused for more room, and for another region", async () => {
    const wallet = freshWallet();
    await buy(wallet);
    expect(await begin(wallet, { sizeMax: 1_001 })).toMatchObject({ code: "object_key_exists" });
    expect(await begin(wallet, { region: "eu-north-1" })).toMatchObject({ code: "object_key_exists" });
    expect(await walletAt(wallet).bought(undefined, wantedOf({ sizeMax: 1_001 }))).toMatchObject({
      code: "object_key_exists",
    });
    expect(await sqlOf(wallet, "SELECT * FROM payments")).toHaveLength(1);
  });

  it("by a later quote links that quote to the order, which then serves it", async () => {
    const wallet = freshWallet();
    const { orderId } = await store(wallet);
    const { quote } = good(await walletAt(wallet).quote(undefined, wantedOf()));
    const purchase = { quoteId: quote.quoteId, objectKey: quote.objectKey };
    expect(await walletAt(wallet).beginPayment(undefined, claimOf(wallet), purchase, undefined)).toMatchObject({
      begun: "bought",
      order: { orderId },
    });
    expect(good(await walletAt(wallet).readQuote(undefined, quote.quoteId)).quote.orderId).toBe(orderId);
    expect(good(await walletAt(wallet).readOrder(undefined, { quoteId: quote.quoteId })).order.orderId).toBe(orderId);
  });

  it("by a later and greater quote never reaches the smaller order", async () => {
    const wallet = freshWallet();
    await buy(wallet);
    const { quote } = good(await walletAt(wallet).quote(undefined, wantedOf({ sizeMax: 2_000 })));
    expect(await walletAt(wallet).readOrder(undefined, { quoteId: quote.quoteId })).toMatchObject({
      code: "object_key_exists",
    });
  });

  it("for a purchase whose quote's order has ended is refused, and a new quote opens", async () => {
    const wallet = freshWallet();
    const { quote } = good(await walletAt(wallet).quote(undefined, wantedOf()));
    await buy(wallet);
    const purchase = { quoteId: quote.quoteId, objectKey: quote.objectKey };
    good(await walletAt(wallet).beginPayment(undefined, claimOf(wallet), purchase, undefined));
    good(await walletAt(wallet).beginDelete(undefined, "main", quote.objectKey));
    expect(await walletAt(wallet).beginPayment(undefined, claimOf(wallet), purchase, undefined)).toMatchObject({
      code: "gone",
    });
    expect(await begin(wallet)).toMatchObject({ ok: true, begun: "open" });
  });
});

describe("an order without bytes", () => {
  it("moves to another free name before its first plan, and not after", async () => {
    const wallet = freshWallet();
    const { orderId } = await buy(wallet, { objectKey: "old name" });
    await buy(wallet, { objectKey: "taken" });
    const rename = (name: string) =>
      walletAt(wallet).plan(undefined, { orderId }, contentOf(), "wallet", undefined, name);
    expect(await rename("taken")).toMatchObject({ code: "object_key_exists" });
    const step = good(await rename("new name"));
    if (step.step === "bucket") await walletAt(wallet).finishBucket(step.bucket, "ready");
    expect(good(await rename("new name"))).toMatchObject({ step: "put", order: { objectKey: "new name" } });
    expect(await rename("third name")).toMatchObject({ code: "quote_mismatch" });
    expect(await begin(wallet, { objectKey: "old name" })).toMatchObject({ begun: "open" });
    expect(await begin(wallet, { objectKey: "new name" })).toMatchObject({ begun: "bought", order: { orderId } });
  });

  it("is bought under another name than its quote's when the purchase says so", async () => {
    const wallet = freshWallet();
    const { quote } = good(await walletAt(wallet).quote(undefined, wantedOf()));
    const purchase = { quoteId: quote.quoteId, objectKey: "moved" };
    const begun = good(await walletAt(wallet).beginPayment(undefined, claimOf(wallet), purchase, undefined));
    expect(begun.order?.objectKey).toBe("moved");
    await walletAt(wallet).finishPayment(begun.payment.claimKey, refusedAs(false));
    expect(await begin(wallet)).toMatchObject({ begun: "open" });
  });
});

describe("the bucket of a wallet", () => {
  it("is proposed, its intent written down, passed over when taken, and then kept for the region", async () => {
    const wallet = freshWallet();
    const { orderId } = await buy(wallet);
    const ask = async () =>
      good(await walletAt(wallet).plan(undefined, { orderId }, contentOf(), "wallet", undefined, undefined));
    const first = await ask();
    if (first.step !== "bucket") throw new Error("a new wallet has no bucket");
    expect(first.bucket).toMatchObject({ sequence: 0, intended: false, ready: false });
    expect(await ask()).toMatchObject({ step: "bucket", bucket: { name: first.bucket.name, intended: true } });
    await walletAt(wallet).finishBucket(first.bucket, "taken");
    const second = await ask();
    if (second.step !== "bucket") throw new Error("a taken name is no bucket");
    expect(second.bucket.name).toBe(`${first.bucket.name}-1`);
    await walletAt(wallet).finishBucket(second.bucket, "ready");
    // A slower caller that saw the name as taken must not undo it.
    await walletAt(wallet).finishBucket(second.bucket, "taken");
    expect(await ask()).toMatchObject({ step: "put", place: { bucket: second.bucket.name } });
    const { orderId: other } = await buy(wallet, { objectKey: "other" });
    expect((await putPlanOf(wallet, other, contentOf())).place.bucket).toBe(second.bucket.name);
    const { orderId: north } = await buy(wallet, { objectKey: "north", region: "eu-north-1" });
    expect((await putPlanOf(wallet, north, contentOf())).place.bucket).toBe(`${first.bucket.name}-eu-north-1`);
  });
});
