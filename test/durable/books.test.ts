/** What a wallet object keeps about itself: keys of retried requests, the journal, the alarm, its own name. */
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { firstBreak, type JournalRow } from "../../durable/journal.ts";
import {
  advance,
  alarmOf,
  buy,
  claimOf,
  contentOf,
  evict,
  freshWallet,
  good,
  putPlanOf,
  refusedAs,
  sqlOf,
  store,
  thrownBy,
  walletAt,
  wantedOf,
} from "./fixture.ts";
import { clockOf, worldOf } from "./world.ts";

describe("an idempotency key", () => {
  const keyOf = (fields: Record<string, string>, key = "one purchase", route = "/storage/upload") => ({
    route,
    key,
    fields,
  });
  const FIELDS = { object_key: "letters.tar", content_sha256: "ab" };

  it("used for other fields is refused, and the field is named", async () => {
    const wallet = freshWallet();
    const { orderId } = await buy(wallet);
    await putPlanOf(wallet, orderId, contentOf());
    const ask = (fields: Record<string, string>, key?: string, route?: string) =>
      walletAt(wallet).plan(undefined, { orderId }, contentOf(), "wallet", keyOf(fields, key, route), undefined);
    good(await ask(FIELDS));
    good(await ask(FIELDS));
    expect(await ask({ ...FIELDS, content_sha256: "cd" })).toMatchObject({
      code: "key_reused",
      facts: { field: "content_sha256" },
    });
    expect(await ask({ ...FIELDS, wrapped_dek: "AAAA" })).toMatchObject({ facts: { field: "wrapped_dek" } });
    expect(await ask({ content_sha256: "ab" })).toMatchObject({ facts: { field: "object_key" } });
    good(await ask({ ...FIELDS, content_sha256: "cd" }, "another purchase"));
    good(await ask({ ...FIELDS, content_sha256: "cd" }, "one purchase", "/payment/settle"));
  });

  it("of a refused request is free for the corrected one", async () => {
    const wallet = freshWallet();
    const { orderId } = await buy(wallet);
    await putPlanOf(wallet, orderId, contentOf());
    const ask = (lengthBytes: number) =>
      walletAt(wallet).plan(
        undefined,
        { orderId },
        contentOf({ lengthBytes }),
        "wallet",
        keyOf({ content_length_bytes: String(lengthBytes) }),
        undefined,
      );
    expect(await ask(5_000)).toMatchObject({ code: "size_out_of_range" });
    good(await ask(500));
    expect(await ask(501)).toMatchObject({ code: "key_reused" });
  });

  it("of a payment binds before anything is sent", async () => {
    const wallet = freshWallet();
    const purchase = { wanted: wantedOf() };
    const claim = claimOf(wallet);
    good(await walletAt(wallet).beginPayment(undefined, claim, purchase, keyOf(FIELDS)));
    expect(
      await walletAt(wallet).beginPayment(undefined, claim, purchase, keyOf({ ...FIELDS, content_sha256: "cd" })),
    ).toMatchObject({ code: "key_reused" });
    good(await walletAt(wallet).beginPayment(undefined, claim, purchase, keyOf(FIELDS)));
  });
});

describe("the journal", () => {
  const rowsOf = (wallet: string) =>
    sqlOf<JournalRow & Record<string, SqlStorageValue>>(wallet, "SELECT * FROM journal ORDER BY seq");

  it("tells the story in order, and its chain holds", async () => {
    const wallet = freshWallet();
    await store(wallet);
    good(await walletAt(wallet).beginDelete(undefined, "main", "letters.tar"));
    const rows = await rowsOf(wallet);
    expect(rows.map((row) => row.kind)).toEqual([
      "payment.claimed",
      "payment.settled",
      "order.settled",
      "plan.made",
      "bucket.intended",
      "bucket.ready",
      "order.stored",
      "order.deleted",
      "bytes.discarded",
    ]);
    expect(firstBreak(rows)).toBeUndefined();
  });

  it("shows which row was altered, removed or moved", async () => {
    const wallet = freshWallet();
    await store(wallet);
    const rows = await rowsOf(wallet);
    const altered = rows.map((row) => (row.seq === 3 ? { ...row, data: row.data.replace("paid", "free") } : row));
    expect(firstBreak(altered)).toBe(3);
    expect(firstBreak(rows.map((row) => (row.seq === 2 ? { ...row, at_ms: row.at_ms + 1 } : row)))).toBe(2);
    expect(firstBreak(rows.filter((row) => row.seq !== 4))).toBe(4);
    expect(firstBreak(rows.toReversed())).toBe(1);
    await sqlOf(wallet, "UPDATE journal SET kind = 'order.gift' WHERE seq = 5");
    expect(firstBreak(await rowsOf(wallet))).toBe(5);
  });

  it("is not told when the same end is written again", async () => {
    const wallet = freshWallet();
    const claim = claimOf(wallet);
    good(await walletAt(wallet).beginPayment(undefined, claim, { wanted: wantedOf() }, undefined));
    for (let n = 0; n < 4; n++) await walletAt(wallet).finishPayment(claim.claimKey, refusedAs(true));
    expect(await sqlOf(wallet, "SELECT * FROM journal WHERE kind = 'payment.refused'")).toHaveLength(1);
  });
});

describe("the alarm", () => {
  it("is set for the first deadline there is", async () => {
    const wallet = freshWallet();
    expect(await alarmOf(wallet)).toBeNull();
    good(await walletAt(wallet).quote(undefined, wantedOf()));
    expect(await alarmOf(wallet)).toBeNull();
    good(await walletAt(wallet).beginPayment(undefined, claimOf(wallet), { wanted: wantedOf() }, undefined));
    const at = (await alarmOf(wallet)) ?? 0;
    expect(at - clockOf(wallet).nowMs()).toBeGreaterThan(30_000);
    expect(at - clockOf(wallet).nowMs()).toBeLessThanOrEqual(35_000);
  });

  it("never throws, whatever the world does, and comes back", async () => {
    const wallet = freshWallet();
    good(await walletAt(wallet).beginPayment(undefined, claimOf(wallet), { wanted: wantedOf() }, undefined));
    worldOf(wallet).settle = () => {
      throw new Error("the lane cannot be reached");
    };
    await advance(wallet, 36_000);
    expect(await alarmOf(wallet)).not.toBeNull();
    await evict(wallet);
    worldOf(wallet).closed = true;
    expect(await runDurableObjectAlarm(env.WALLET.getByName(wallet))).toBe(true);
    expect(await alarmOf(wallet)).not.toBeNull();
    worldOf(wallet).closed = false;
    const asked = worldOf(wallet).asked.length;
    await advance(wallet, 60_000);
    expect(worldOf(wallet).asked.length).toBeGreaterThan(asked);
  });

  it("that was lost is set again by whatever wakes the object", async () => {
    const wallet = freshWallet();
    good(await walletAt(wallet).beginPayment(undefined, claimOf(wallet), { wanted: wantedOf() }, undefined));
    await runInDurableObject(env.WALLET.getByName(wallet), (_, state) => state.storage.deleteAlarm());
    expect(await alarmOf(wallet)).toBeNull();
    await evict(wallet);
    expect(await alarmOf(wallet)).not.toBeNull();
  });
});

describe("a wallet object", () => {
  it("serves nobody under a name that is not a lower-case address", async () => {
    const wallet = freshWallet();
    const names = [wallet.toUpperCase(), `0x${wallet.slice(2).toUpperCase()}`, wallet.slice(2), `${wallet}0`, "main"];
    for (const name of names)
      expect(await thrownBy(name, (object) => object.quote(undefined, wantedOf()))).toContain("lower-case address");
    good(await walletAt(wallet).quote(undefined, wantedOf()));
  });

  it("gives ids that nobody else's object knows", async () => {
    const wallet = freshWallet();
    const { orderId } = await store(wallet);
    const other = walletAt(freshWallet());
    expect(await other.readOrder(undefined, { orderId })).toMatchObject({ code: "not_found" });
    expect(await other.beginConfirm(undefined, { orderId })).toMatchObject({ code: "not_found" });
    expect(await other.finishConfirm(orderId, 1)).toMatchObject({ code: "not_found" });
  });
});
