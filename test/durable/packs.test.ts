import { describe, expect, it } from "vitest";
import { INCLUDED_DOWNLOADS, INCLUDED_LISTS, PACK_HOURS, PACK_LISTS, PACK_REPLAYS_MAX } from "#contract/limits";
import type { Wallet } from "#contract/wallet";
import type { Claim } from "../../durable/ledger.ts";
import type { PackAsk } from "../../durable/packs.ts";
import {
  advance,
  claimOf,
  contentOf,
  freshHex,
  freshWallet,
  good,
  putPlanOf,
  refusedAs,
  settledAt,
  sqlOf,
  store,
  UNKNOWN,
  walletAt,
  wantedOf,
} from "./fixture.ts";
import { clockOf, worldOf } from "./world.ts";

const NAME = wantedOf().objectKey;
const SIZE = 1_000_000;

function take(wallet: Wallet, claimKey?: string, range?: [number, number]) {
  return walletAt(wallet).takeDownload(undefined, {
    agentId: "main",
    objectKey: NAME,
    range: range && { first: range[0], last: range[1] },
    claimKey,
  });
}

/** An object whose period's downloads are used up. */
async function usedUp() {
  const wallet = freshWallet();
  const { orderId, place } = await store(wallet, { sizeMax: SIZE }, contentOf({ lengthBytes: SIZE }));
  for (let n = 0; n < INCLUDED_DOWNLOADS; n++) good(await take(wallet));
  return { wallet, orderId, place };
}

function packOf(orderId: string, over: Partial<PackAsk> = {}): PackAsk {
  return { kind: "download", orderId, units: SIZE, wanted: SIZE, amount: "20000", ...over };
}

function begin(wallet: Wallet, pack: PackAsk, claim: Claim = claimOf(wallet), key?: string) {
  const use = key === undefined ? undefined : { route: "payment-identifier /storage/download", key, fields: {} };
  return walletAt(wallet).beginPayment(undefined, claim, { pack }, undefined, use);
}

const settle = (wallet: Wallet, claim: Claim) =>
  walletAt(wallet).finishPayment(claim.claimKey, settledAt(clockOf(wallet).nowMs()));

async function bought(wallet: Wallet, pack: PackAsk): Promise<Claim> {
  const claim = claimOf(wallet);
  expect(await begin(wallet, pack, claim)).toMatchObject({ begun: "open" });
  expect(await settle(wallet, claim)).toMatchObject({ state: "settled" });
  return claim;
}

const creditOf = async (wallet: Wallet) =>
  (await sqlOf<{ value: string }>(wallet, "SELECT value FROM meta WHERE key = 'credit'"))[0]?.value;

describe("a download beyond the allowance", () => {
  it("is refused with what could be sold, and served by a pack once it is paid", async () => {
    const { wallet, orderId } = await usedUp();
    expect(await take(wallet)).toMatchObject({
      code: "allowance_used",
      beyond: { orderId, region: "us-east-1", sizeBytes: SIZE, wanted: SIZE },
    });
    await bought(wallet, packOf(orderId));
    expect(await take(wallet)).toMatchObject({ ok: true, allowance: { downloadsLeft: 0 } });
    expect(await take(wallet)).toMatchObject({ code: "allowance_used" });
  });

  it("uses up what is left of the allowance first, and what is left of the pack serves ranges", async () => {
    const wallet = freshWallet();
    const { orderId } = await store(wallet, { sizeMax: SIZE }, contentOf({ lengthBytes: SIZE }));
    for (let n = 1; n < INCLUDED_DOWNLOADS; n++) good(await take(wallet));
    good(await take(wallet, undefined, [0, 699_999]));
    expect(await take(wallet)).toMatchObject({ beyond: { wanted: 700_000 } });
    await bought(wallet, packOf(orderId, { wanted: 700_000 }));
    expect(good(await take(wallet))).toMatchObject({ allowance: { bytesLeft: 0 }, pack: { left: 300_000 } });
    expect(good(await take(wallet, undefined, [0, 99_999]))).toMatchObject({ pack: { left: 200_000 } });
    expect(await take(wallet, undefined, [0, 299_999])).toMatchObject({ beyond: { wanted: 300_000 } });
  });

  it("is not sold twice: neither while one payment is open nor while a pack is enough", async () => {
    const { wallet, orderId } = await usedUp();
    const claim = claimOf(wallet);
    expect(await begin(wallet, packOf(orderId), claim)).toMatchObject({ begun: "open" });
    expect(await begin(wallet, packOf(orderId))).toMatchObject({ code: "payment_pending" });
    await walletAt(wallet).finishPayment(claim.claimKey, UNKNOWN);
    expect(await begin(wallet, packOf(orderId))).toMatchObject({ code: "payment_pending" });
    await settle(wallet, claim);
    expect(await begin(wallet, packOf(orderId))).toMatchObject({ begun: "bought", sameClaim: false });
    expect(await begin(wallet, packOf(orderId), claim)).toMatchObject({ begun: "bought", sameClaim: true });
    good(await take(wallet));
    expect(await begin(wallet, packOf(orderId))).toMatchObject({ begun: "open" });
  });

  it("whose pack has a rest that is not enough takes the rest into the next one", async () => {
    const { wallet, orderId } = await usedUp();
    await bought(wallet, packOf(orderId));
    good(await take(wallet, undefined, [0, 599_999]));
    expect(await take(wallet)).toMatchObject({ beyond: { wanted: SIZE } });
    await bought(wallet, packOf(orderId));
    expect(good(await take(wallet)).pack).toMatchObject({ left: 400_000 });
    expect(await sqlOf(wallet, "SELECT count(*) AS n FROM packs WHERE units_left > 0")).toEqual([{ n: 1 }]);
  });

  it(`may come for ${PACK_HOURS} hours after, and not a minute longer`, async () => {
    const { wallet, orderId } = await usedUp();
    await bought(wallet, packOf(orderId));
    worldOf(wallet).aheadMs += PACK_HOURS * 3_600_000 - 60_000;
    good(await take(wallet, undefined, [0, 9_999]));
    worldOf(wallet).aheadMs += 120_000;
    expect(await take(wallet, undefined, [0, 9_999])).toMatchObject({ code: "allowance_used" });
    expect(await begin(wallet, packOf(orderId))).toMatchObject({ begun: "open" });
  });

  it("is given again to the payer whose reply was lost, a few times, and to nobody else", async () => {
    const { wallet, orderId } = await usedUp();
    const claim = await bought(wallet, packOf(orderId));
    expect(good(await take(wallet, claim.claimKey)).paidBy?.claimKey).toBe(claim.claimKey);
    for (let n = 0; n < PACK_REPLAYS_MAX; n++)
      expect(good(await take(wallet, claim.claimKey)).paidBy?.claimKey).toBe(claim.claimKey);
    expect(await take(wallet, claim.claimKey)).toMatchObject({ code: "allowance_used" });
    expect(await take(wallet)).toMatchObject({ code: "allowance_used" });
    // Other bytes were not what it was paid for.
    const second = await bought(wallet, packOf(orderId));
    good(await take(wallet, second.claimKey));
    expect(await take(wallet, second.claimKey, [0, 9_999])).toMatchObject({ code: "allowance_used" });
    expect(await take(wallet, claimOf(freshWallet()).claimKey)).toMatchObject({ code: "allowance_used" });
  });

  it("under a payment identifier is bought once, whatever is signed anew under it", async () => {
    const { wallet, orderId } = await usedUp();
    const claim = claimOf(wallet);
    expect(await begin(wallet, packOf(orderId), claim, "pay_one")).toMatchObject({ begun: "open" });
    await settle(wallet, claim);
    good(await take(wallet, claim.claimKey));
    expect(await begin(wallet, packOf(orderId), claimOf(wallet), "pay_one")).toMatchObject({
      begun: "bought",
      payment: { claimKey: claim.claimKey },
    });
    expect(await begin(wallet, packOf(orderId), claimOf(wallet), "pay_two")).toMatchObject({ begun: "open" });
  });

  it("of an object deleted before the money came is credit, once the block is final", async () => {
    const { wallet, orderId } = await usedUp();
    const claim = claimOf(wallet);
    expect(await begin(wallet, packOf(orderId), claim)).toMatchObject({ begun: "open" });
    good(await walletAt(wallet).beginDelete(undefined, "main", NAME));
    expect(await settle(wallet, claim)).toMatchObject({ state: "homeless", refusal: { code: "gone" } });
    expect(await begin(wallet, packOf(orderId), claim)).toMatchObject({ code: "gone" });
    expect(await creditOf(wallet)).toBeUndefined();
    await advance(wallet, 300_000);
    expect(await creditOf(wallet)).toBe("20000");
    await settle(wallet, claim);
    await advance(wallet, 300_000);
    expect(await creditOf(wallet)).toBe("20000");
    expect(await begin(wallet, packOf(orderId))).toMatchObject({ code: "object_not_found" });
  });

  it("of an object deleted after has no value any more", async () => {
    const { wallet, orderId } = await usedUp();
    await bought(wallet, packOf(orderId));
    good(await walletAt(wallet).beginDelete(undefined, "main", NAME));
    await advance(wallet, 300_000);
    expect(await creditOf(wallet)).toBeUndefined();
    expect(await take(wallet)).toMatchObject({ code: "object_not_found" });
  });

  it("refused by the chain leaves nothing behind, and can be bought anew", async () => {
    const { wallet, orderId } = await usedUp();
    const claim = claimOf(wallet);
    expect(await begin(wallet, packOf(orderId), claim)).toMatchObject({ begun: "open" });
    await walletAt(wallet).finishPayment(claim.claimKey, refusedAs(true));
    expect(await sqlOf(wallet, "SELECT * FROM packs")).toEqual([]);
    expect(await take(wallet)).toMatchObject({ code: "allowance_used" });
    await bought(wallet, packOf(orderId));
    // Landed after all: its money has no home.
    await settle(wallet, claim);
    expect(await creditOf(wallet)).toBe("20000");
    good(await take(wallet));
    expect(await take(wallet)).toMatchObject({ code: "allowance_used" });
  });

  it("taken back by a reorg for good serves nobody any more", async () => {
    const { wallet, orderId } = await usedUp();
    const claim = await bought(wallet, packOf(orderId));
    worldOf(wallet).recheck = () => ({ end: "vanished" });
    worldOf(wallet).settle = () => refusedAs(true);
    await advance(wallet, 200_000);
    expect(await take(wallet, claim.claimKey)).toMatchObject({ code: "allowance_used" });
    expect(await sqlOf(wallet, "SELECT state FROM packs")).toEqual([{ state: "reversed" }]);
  });

  it("is paid with what the wallet is owed, where that is enough", async () => {
    const { wallet, orderId } = await usedUp();
    await sqlOf(wallet, "INSERT INTO meta (key, value) VALUES ('credit', '30000')");
    const proof = { nonce: freshHex(), request: freshHex(), expiresMs: clockOf(wallet).nowMs() + 300_000 };
    const spent = good(await walletAt(wallet).spendCredit(proof, { pack: packOf(orderId) }, undefined));
    expect(spent.bought?.payment).toMatchObject({ purpose: "pack", amount: "20000" });
    expect(await creditOf(wallet)).toBe("10000");
    good(await take(wallet));
  });

  it("of a content replaced meanwhile is served as long as it fits", async () => {
    const { wallet, orderId } = await usedUp();
    const claim = await bought(wallet, packOf(orderId));
    const { plan } = await putPlanOf(wallet, orderId, contentOf({ lengthBytes: 500_000, sha256: freshHex() }));
    good(await walletAt(wallet).finishConfirm(orderId, plan.plan));
    expect(good(await take(wallet, claim.claimKey)).pack).toMatchObject({ left: 500_000 });
  });
});

describe("list calls beyond the month's", () => {
  const scope = { agentId: undefined, region: undefined, prefix: "" };
  const list = (wallet: Wallet, claimKey?: string) => walletAt(wallet).takeList(undefined, scope, undefined, claimKey);
  const lists: PackAsk = { kind: "list", orderId: "", units: PACK_LISTS, wanted: 1, amount: "20000" };

  it("are sold by the pack, one call each, and a new month comes first", async () => {
    const wallet = freshWallet();
    await store(wallet);
    await sqlOf(wallet, `INSERT INTO meta (key, value) VALUES ('lists_since_ms', '${clockOf(wallet).nowMs()}')`);
    await sqlOf(wallet, `INSERT INTO meta (key, value) VALUES ('lists_used', '${INCLUDED_LISTS}')`);
    expect(await list(wallet)).toMatchObject({ code: "allowance_used", beyond: { wanted: 1 } });
    const claim = await bought(wallet, lists);
    expect(good(await list(wallet, claim.claimKey))).toMatchObject({
      pack: { left: PACK_LISTS - 1 },
      paidBy: { claimKey: claim.claimKey },
    });
    expect(await begin(wallet, lists)).toMatchObject({ begun: "bought" });
    await sqlOf(wallet, "UPDATE packs SET units_left = 1");
    good(await list(wallet));
    expect(await list(wallet)).toMatchObject({ code: "allowance_used" });
    expect(await begin(wallet, lists)).toMatchObject({ begun: "open" });
  });
});
