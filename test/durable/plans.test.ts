import { describe, expect, it } from "vitest";
import { PLANS_PER_ORDER_HOUR_MAX, UPLOAD_URL_TTL_S } from "#contract/limits";
import { DAY_MS } from "#rules/calendar";
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
  refusedAs,
  sqlOf,
  store,
  walletAt,
  wantedOf,
} from "./fixture.ts";
import { clockOf, worldOf } from "./world.ts";

const other = () => contentOf({ sha256: freshHex() });

describe("a plan", () => {
  it("of the same content is signed again under the same key, for as long as a URL lives", async () => {
    const wallet = freshWallet();
    const { orderId } = await buy(wallet);
    const first = await putPlanOf(wallet, orderId, contentOf());
    await advance(wallet, 600_000);
    const second = await putPlanOf(wallet, orderId, contentOf());
    expect(second.place).toEqual(first.place);
    expect(second.plan.plan).toBe(first.plan.plan);
    expect(second.plan.urlUntilMs - clockOf(wallet).nowMs()).toBeGreaterThan((UPLOAD_URL_TTL_S - 5) * 1000);
  });

  it("of other bytes, another length or another wrapped key has a key nobody used before", async () => {
    const wallet = freshWallet();
    const { orderId } = await buy(wallet);
    const contents = [contentOf(), other(), contentOf({ lengthBytes: 899 }), contentOf({ wrappedDek: "AAAA" })];
    const keys = [];
    for (const content of contents) keys.push((await putPlanOf(wallet, orderId, content)).place.key);
    expect(new Set(keys).size).toBe(contents.length);
    // Back to the first content: the key it had may have been written late, so it gets a new one as well.
    expect(keys).not.toContain((await putPlanOf(wallet, orderId, contentOf())).place.key);
  });

  it("of more bytes than were paid for is refused, of exactly as many is not", async () => {
    const wallet = freshWallet();
    const { orderId } = await buy(wallet);
    expect(await planOf(wallet, orderId, contentOf({ lengthBytes: 1_001 }))).toMatchObject({
      code: "size_out_of_range",
    });
    good(await planOf(wallet, orderId, contentOf({ lengthBytes: 1_000 })));
  });

  it("that replaces another takes more than a payment: that names no reader and no replacer", async () => {
    const wallet = freshWallet();
    const { orderId } = await buy(wallet);
    good(await planOf(wallet, orderId, contentOf(), "payment"));
    good(await planOf(wallet, orderId, contentOf(), "payment"));
    expect(await planOf(wallet, orderId, other(), "payment")).toMatchObject({ code: "object_key_exists" });
    good(await planOf(wallet, orderId, other(), "wallet"));
  });

  it("may be changed by whoever holds the ticket until something is stored, and from then on by the wallet alone", async () => {
    const wallet = freshWallet();
    const { orderId } = await buy(wallet);
    good(await planOf(wallet, orderId, contentOf(), "holder"));
    const chosen = other();
    good(await planOf(wallet, orderId, chosen, "holder"));
    const { plan } = await putPlanOf(wallet, orderId, chosen);
    good(await walletAt(wallet).finishConfirm(orderId, plan.plan));
    expect(await planOf(wallet, orderId, other(), "holder")).toMatchObject({ code: "object_key_exists" });
    good(await planOf(wallet, orderId, other(), "wallet"));
  });

  it(`is given ${PLANS_PER_ORDER_HOUR_MAX} times an hour for new contents; an old content may still be signed again`, async () => {
    const wallet = freshWallet();
    const { orderId } = await buy(wallet);
    let last = contentOf();
    for (let n = 0; n < PLANS_PER_ORDER_HOUR_MAX; n++) {
      last = other();
      good(await planOf(wallet, orderId, last));
    }
    expect(await planOf(wallet, orderId, other())).toMatchObject({ code: "too_many_requests" });
    good(await planOf(wallet, orderId, last));
    await advance(wallet, 3_601_000);
    good(await planOf(wallet, orderId, other()));
  });

  it("waits for the payment, lives as long as the entitlement, and not longer", async () => {
    const wallet = freshWallet();
    const claim = claimOf(wallet);
    const begun = good(
      await walletAt(wallet).beginPayment(undefined, claim, { wanted: wantedOf({ objectKey: "open" }) }, undefined),
    );
    expect(await planOf(wallet, begun.payment.orderId, contentOf())).toMatchObject({ code: "not_paid" });
    worldOf(wallet).settle = () => refusedAs(false);
    await walletAt(wallet).finishPayment(claim.claimKey, refusedAs(false));
    const { orderId } = await buy(wallet);
    await advance(wallet, 30 * DAY_MS - 60_000);
    good(await planOf(wallet, orderId, contentOf()));
    await advance(wallet, 120_000);
    expect(await planOf(wallet, orderId, contentOf())).toMatchObject({ code: "gone" });
  });
});

describe("a confirmed plan", () => {
  it("makes the object stored, again and again", async () => {
    const wallet = freshWallet();
    const { orderId } = await buy(wallet);
    const { plan } = await putPlanOf(wallet, orderId, contentOf());
    for (let n = 0; n < 2; n++)
      expect(good(await walletAt(wallet).finishConfirm(orderId, plan.plan)).order).toMatchObject({
        state: "stored",
        storedPlan: plan.plan,
      });
    expect(await sqlOf(wallet, "SELECT * FROM journal WHERE kind = 'order.stored'")).toHaveLength(1);
    const again = good(await planOf(wallet, orderId, contentOf()));
    expect(again).toMatchObject({ step: "put", plan: { plan: plan.plan, state: "stored" } });
  });

  it("sends every older content away, now and once more after its last URL has died", async () => {
    const wallet = freshWallet();
    const { orderId, place: old } = await store(wallet);
    const { plan } = await putPlanOf(wallet, orderId, other());
    good(await walletAt(wallet).finishConfirm(orderId, plan.plan));
    const urlDeadMs = clockOf(wallet).nowMs() + UPLOAD_URL_TTL_S * 1000;
    await advance(wallet, 3_600_000);
    const erased = worldOf(wallet).erased;
    expect(erased.map((each) => each.key)).toEqual([old.key, old.key]);
    expect(erased[0]?.atMs).toBeLessThan(urlDeadMs - 800_000);
    expect(erased[1]?.atMs).toBeGreaterThan(urlDeadMs);
    expect(await sqlOf(wallet, "SELECT * FROM erasures")).toEqual([]);
  });

  it("loses to a newer one that was seen first", async () => {
    const wallet = freshWallet();
    const { orderId } = await buy(wallet);
    const { plan: older } = await putPlanOf(wallet, orderId, contentOf());
    const { plan: newer } = await putPlanOf(wallet, orderId, other());
    good(await walletAt(wallet).finishConfirm(orderId, newer.plan));
    expect(await walletAt(wallet).finishConfirm(orderId, older.plan)).toMatchObject({ ok: false });
    const { order } = good(await walletAt(wallet).readOrder(undefined, { orderId }));
    expect(order.storedPlan).toBe(newer.plan);
  });

  it("leaves a newer plan that is still under way alone", async () => {
    const wallet = freshWallet();
    const { orderId } = await buy(wallet);
    const { plan: older } = await putPlanOf(wallet, orderId, contentOf());
    const { plan: newer } = await putPlanOf(wallet, orderId, other());
    good(await walletAt(wallet).finishConfirm(orderId, older.plan));
    const begun = good(await walletAt(wallet).beginConfirm(undefined, { orderId }));
    expect(begun.plans.map((each) => each.plan.plan)).toEqual([newer.plan, older.plan]);
    good(await walletAt(wallet).finishConfirm(orderId, newer.plan));
  });

  it("cannot be discarded; one with foreign bytes can, and its order stays paid", async () => {
    const wallet = freshWallet();
    const { orderId, plan: stored } = await store(wallet);
    await walletAt(wallet).discardPlan(orderId, stored.plan);
    expect(good(await walletAt(wallet).stat(undefined, "main", "letters.tar")).content?.plan).toBe(stored.plan);
    const { plan, place } = await putPlanOf(wallet, orderId, other());
    await walletAt(wallet).discardPlan(orderId, plan.plan);
    expect(await walletAt(wallet).finishConfirm(orderId, plan.plan)).toMatchObject({ code: "gone" });
    await advance(wallet, 3_600_000);
    expect(worldOf(wallet).erased.map((each) => each.key)).toEqual([place.key, place.key]);
  });

  it("is asked for in vain before the payment has settled", async () => {
    const wallet = freshWallet();
    const claim = claimOf(wallet);
    const begun = good(await walletAt(wallet).beginPayment(undefined, claim, { wanted: wantedOf() }, undefined));
    const ref = { orderId: begun.payment.orderId };
    expect(await walletAt(wallet).beginConfirm(undefined, ref)).toMatchObject({ code: "not_paid" });
    expect(await walletAt(wallet).finishConfirm(ref.orderId, 1)).toMatchObject({ ok: false });
  });
});
