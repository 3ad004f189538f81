import { describe, expect, it } from "vitest";
import { INCLUDED_DOWNLOADS, INCLUDED_LISTS } from "#contract/limits";
import type { Wallet } from "#contract/wallet";
import { DAY_MS } from "#rules/calendar";
import type { DownloadAsk } from "../../durable/downloads.ts";
import type { Cursor, ListScope, Section } from "../../durable/lists.ts";
import type { ProofUse } from "../../durable/proofs.ts";
import {
  advance,
  buy,
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
import { clockOf } from "./world.ts";

const NAME = wantedOf().objectKey;
/** Large enough that a download is counted in bytes and not in requests. */
const BIG = { sizeMax: 1_000_000 };
const bigContent = contentOf({ lengthBytes: 1_000_000 });

function take(wallet: Wallet, over: Partial<DownloadAsk> = {}, proof?: ProofUse) {
  return walletAt(wallet).takeDownload(proof, {
    agentId: "main",
    objectKey: NAME,
    range: undefined,
    ...over,
  });
}

function list(wallet: Wallet, over: Partial<ListScope> = {}, from?: Cursor, proof?: ProofUse) {
  return walletAt(wallet).takeList(proof, { agentId: "main", region: undefined, prefix: "", ...over }, from);
}

function proofOf(wallet: Wallet): ProofUse {
  return { nonce: freshHex(), request: freshHex(), expiresMs: clockOf(wallet).nowMs() + 300_000 };
}

describe("the downloads of a paid period", () => {
  it(`are ${INCLUDED_DOWNLOADS}, counted before the URL exists`, async () => {
    const wallet = freshWallet();
    await store(wallet);
    for (let left = INCLUDED_DOWNLOADS - 1; left >= 0; left--)
      expect(good(await take(wallet)).allowance).toMatchObject({ downloadsLeft: left });
    expect(await take(wallet)).toMatchObject({ code: "allowance_used", facts: { downloads_left: 0 } });
    expect(await take(wallet)).toMatchObject({ code: "allowance_used" });
  });

  it("are counted per object, and downloads at once are counted each", async () => {
    const wallet = freshWallet();
    await store(wallet);
    await store(wallet, { objectKey: "other" });
    const taken = await Promise.all(Array.from({ length: 5 }, () => take(wallet)));
    expect(taken.filter((each) => each.ok)).toHaveLength(INCLUDED_DOWNLOADS);
    good(await take(wallet, { objectKey: "other" }));
  });

  it("are bytes: a part debits that part, and a resumed download the rest", async () => {
    const wallet = freshWallet();
    await store(wallet, BIG, bigContent);
    good(await take(wallet));
    good(await take(wallet));
    const half = good(await take(wallet, { range: { first: 0, last: 499_999 } }));
    expect(half).toMatchObject({
      span: { first: 0, last: 499_999 },
      allowance: { bytesLeft: 500_000, downloadsLeft: 0 },
    });
    expect(await take(wallet)).toMatchObject({
      code: "allowance_used",
      facts: { download_bytes_left: 500_000 },
    });
    const rest = good(await take(wallet, { range: { first: 500_000, last: undefined } }));
    expect(rest).toMatchObject({ span: { first: 500_000, last: 999_999 }, allowance: { bytesLeft: 0 } });
    expect(await take(wallet, { range: { first: 0, last: 0 } })).toMatchObject({ code: "allowance_used" });
  });

  it("are of the room that was paid for: a smaller content is downloaded more often", async () => {
    const wallet = freshWallet();
    await store(wallet, BIG, contentOf({ lengthBytes: 500_000 }));
    expect(good(await walletAt(wallet).stat(undefined, "main", NAME)).allowance.downloadsLeft).toBe(6);
    const { orderId } = good(await walletAt(wallet).stat(undefined, "main", NAME)).order;
    good(await take(wallet));
    const { plan } = await putPlanOf(wallet, orderId, contentOf({ lengthBytes: 1_000_000, sha256: freshHex() }));
    good(await walletAt(wallet).finishConfirm(orderId, plan.plan));
    expect(good(await walletAt(wallet).stat(undefined, "main", NAME)).allowance).toMatchObject({
      downloadsLeft: 2,
      bytesLeft: 2_500_000,
    });
  });

  it("cannot be stretched by tiny parts: a request has its price", async () => {
    const wallet = freshWallet();
    await store(wallet, { sizeMax: 8_192 }, contentOf({ lengthBytes: 8_192 }));
    let taken = 0;
    while ((await take(wallet, { range: { first: taken, last: taken } })).ok) taken += 1;
    expect(taken).toBe(2 * INCLUDED_DOWNLOADS);
  });

  it("are not debited for a range that the object has not, nor for an object that is not there", async () => {
    const wallet = freshWallet();
    await store(wallet, BIG, bigContent);
    await buy(wallet, { objectKey: "unsent" });
    expect(await take(wallet, { range: { first: 1_000_000, last: undefined } })).toMatchObject({
      code: "range_not_satisfiable",
      facts: { size_bytes: 1_000_000 },
    });
    expect(await take(wallet, { objectKey: "unsent" })).toMatchObject({ code: "object_not_found" });
    expect(await take(wallet, { objectKey: "never" })).toMatchObject({ code: "object_not_found" });
    expect(await sqlOf(wallet, "SELECT read_bytes FROM orders")).toEqual([{ read_bytes: 0 }, { read_bytes: 0 }]);
  });

  it("are debited once for one proof, however often its reply is lost", async () => {
    const wallet = freshWallet();
    await store(wallet, BIG, bigContent);
    const proof = proofOf(wallet);
    for (let n = 0; n < 3; n++) expect(good(await take(wallet, {}, proof)).allowance.bytesLeft).toBe(2_000_000);
    expect(good(await take(wallet, {}, proofOf(wallet))).allowance.bytesLeft).toBe(1_000_000);
    // Other bytes are another debit, under whatever proof.
    const { orderId } = good(await walletAt(wallet).stat(undefined, "main", NAME)).order;
    const { plan } = await putPlanOf(wallet, orderId, { ...bigContent, sha256: freshHex() });
    good(await walletAt(wallet).finishConfirm(orderId, plan.plan));
    expect(good(await take(wallet, {}, proof)).allowance.bytesLeft).toBe(0);
  });

  it("are debited once for what a reader names, and what it was debited for, for an hour", async () => {
    const wallet = freshWallet();
    await store(wallet, BIG, bigContent);
    const named = (first: number, last: number, downloadId = "one-download") =>
      take(wallet, { range: { first, last }, downloadId });
    const leftAfter = async (...asked: Parameters<typeof named>) => good(await named(...asked)).allowance.bytesLeft;
    expect(await leftAfter(0, 399_999)).toBe(2_600_000);
    // The answer was lost; then it broke off in the middle, twice.
    expect(await leftAfter(0, 399_999)).toBe(2_600_000);
    expect(await leftAfter(150_000, 399_999)).toBe(2_600_000);
    await advance(wallet, 3_500_000);
    expect(await leftAfter(390_000, 399_999)).toBe(2_600_000);
    // A byte more, another name, no name, an hour later: each is another debit.
    expect(await leftAfter(390_000, 400_000)).toBe(2_589_999);
    expect(await leftAfter(0, 399_999, "another-download")).toBe(2_189_999);
    expect(good(await take(wallet, { range: { first: 0, last: 99_999 } })).allowance.bytesLeft).toBe(2_089_999);
    await advance(wallet, 200_000);
    expect(await leftAfter(0, 99_999)).toBe(1_989_999);
    // Another content under the name is other bytes.
    const { orderId } = good(await walletAt(wallet).stat(undefined, "main", NAME)).order;
    const { plan } = await putPlanOf(wallet, orderId, { ...bigContent, sha256: freshHex() });
    good(await walletAt(wallet).finishConfirm(orderId, plan.plan));
    expect(await leftAfter(0, 99_999)).toBe(1_889_999);
  });

  it("begin anew when a period that was paid ahead begins, and not before", async () => {
    const wallet = freshWallet();
    const { orderId } = await store(wallet, BIG, bigContent);
    for (let n = 0; n < INCLUDED_DOWNLOADS; n++) good(await take(wallet));
    await sqlOf(
      wallet,
      `UPDATE orders SET paid_through_ms = paid_through_ms + ${30 * DAY_MS} WHERE order_id = '${orderId}'`,
    );
    expect(await take(wallet)).toMatchObject({ code: "allowance_used" });
    await advance(wallet, 30 * DAY_MS + 2_000);
    expect(good(await take(wallet)).allowance).toMatchObject({ bytesLeft: 2_000_000 });
  });
});

describe("the list calls of a month", () => {
  it(`are ${INCLUDED_LISTS} an object, and a new month begins with the first call after the old one`, async () => {
    const wallet = freshWallet();
    await store(wallet);
    await store(wallet, { objectKey: "other" });
    for (let left = 2 * INCLUDED_LISTS - 1; left >= 0; left--)
      expect(good(await list(wallet)).left).toMatchObject({ lists: left });
    expect(await list(wallet)).toMatchObject({ code: "allowance_used" });
    await advance(wallet, 30 * DAY_MS - 60_000);
    expect(await list(wallet)).toMatchObject({ code: "allowance_used" });
    await advance(wallet, 120_000);
    good(await list(wallet));
  });

  it("are not debited where nothing is kept, nor twice for one proof", async () => {
    const wallet = freshWallet();
    for (let n = 0; n < INCLUDED_LISTS + 5; n++)
      expect(await list(wallet)).toEqual({ ok: true, sections: [], left: undefined });
    await store(wallet);
    const proof = proofOf(wallet);
    for (let n = 0; n < 3; n++)
      expect(good(await list(wallet, {}, undefined, proof)).left).toMatchObject({ lists: INCLUDED_LISTS - 1 });
  });
});

describe("the sections of a list", () => {
  const shapeOf = ({ region, bucket, agentId, prefix }: Section) =>
    [region, bucket === undefined ? "no bucket" : "bucket", agentId ?? "all", prefix].join(" ");

  it("are the regions where something is kept; under a prefix each agent is one", async () => {
    const wallet = freshWallet();
    await store(wallet, { objectKey: "a1" });
    await buy(wallet, { objectKey: "a2", region: "eu-north-1" });
    await store(wallet, { objectKey: "a3", agentId: "night" });
    await store(wallet, { objectKey: "b", agentId: "other" });
    const sections = async (over: Partial<ListScope>, from?: Cursor) =>
      good(await list(wallet, over, from)).sections.map(shapeOf);
    expect(await sections({})).toEqual(["eu-north-1 no bucket main agent=main/", "us-east-1 bucket main agent=main/"]);
    expect(await sections({ agentId: undefined })).toEqual([
      "eu-north-1 no bucket all agent=",
      "us-east-1 bucket all agent=",
    ]);
    const us = { agentId: undefined, region: "us-east-1" };
    expect(await sections({ ...us, prefix: "a" })).toEqual([
      "us-east-1 bucket main agent=main/a",
      "us-east-1 bucket night agent=night/a",
    ]);
    expect(await sections({ ...us, prefix: "a" }, { region: "us-east-1", agentId: "night", after: "" })).toEqual([
      "us-east-1 bucket night agent=night/a",
    ]);
    expect(await sections({ agentId: "nobody" })).toEqual([]);
    expect(await sections({ region: "ap-southeast-2" })).toEqual([]);
  });
});

describe("the leases of a section", () => {
  const everything: Section = {
    store: "s3",
    region: "us-east-1",
    bucket: undefined,
    agentId: undefined,
    prefix: "agent=",
  };
  const names = async (wallet: Wallet, section: Partial<Section> = {}, after = "", until?: string, atMost = 100) =>
    (await walletAt(wallet).leasesIn({ ...everything, ...section }, after, until, atMost)).map(
      ({ order }) => `${order.agentId}/${order.objectKey}`,
    );

  it("are those of live orders, in the order in which S3 has their keys", async () => {
    const wallet = freshWallet();
    // By UTF-8 byte U+FFFD comes before U+1F600; by UTF-16, as JavaScript compares, after it. "a!" comes before "a", whose key goes on with "/".
    for (const objectKey of ["b", "a", "a!", "\u{1f600}", "\ufffd", "%_'"]) await buy(wallet, { objectKey });
    await store(wallet, { objectKey: "a", agentId: "main2" });
    await buy(wallet, { objectKey: "elsewhere", region: "eu-north-1" });
    await store(wallet, { objectKey: "gone" });
    good(await walletAt(wallet).beginDelete(undefined, "main", "gone"));
    const all = ["main/%_'", "main/a!", "main/a", "main/b", "main/\ufffd", "main/\u{1f600}", "main2/a"];
    expect(await names(wallet)).toEqual(all);
    expect(await names(wallet, { agentId: "main", prefix: "agent=main/" })).toEqual(all.slice(0, -1));
    expect(await names(wallet, { agentId: "main", prefix: "agent=main/a" })).toEqual(["main/a!", "main/a"]);
    expect(await names(wallet, { agentId: "main", prefix: "agent=main/%" })).toEqual(["main/%_'"]);
    expect(await names(wallet, {}, "agent=main/a/~")).toEqual(all.slice(3));
    expect(await names(wallet, {}, "agent=main/a!/~", "agent=main/b/0123.1")).toEqual(["main/a", "main/b"]);
    expect(await names(wallet, {}, "", undefined, 2)).toEqual(all.slice(0, 2));
    expect(await names(wallet, {}, "' OR 1=1 --")).toEqual(all);
  });

  it("have content only once something is stored", async () => {
    const wallet = freshWallet();
    const { orderId } = await buy(wallet);
    await planOf(wallet, orderId, contentOf());
    expect((await walletAt(wallet).leasesIn(everything, "", undefined, 1))[0]).toMatchObject({
      order: { orderId, state: "paid" },
      content: undefined,
    });
  });
});

describe("bytes that no lease elects", () => {
  it("are erased again when they were given up, and left alone while somebody may still want them", async () => {
    const wallet = freshWallet();
    const { orderId, place: stored } = await store(wallet);
    const { place: open } = await putPlanOf(wallet, orderId, contentOf({ sha256: freshHex() }));
    const { place: gone } = await store(wallet, { objectKey: "gone" });
    good(await walletAt(wallet).beginDelete(undefined, "main", "gone"));
    await walletAt(wallet).finishErase(gone.key, true);
    await advance(wallet, DAY_MS);
    expect(await sqlOf(wallet, "SELECT s3_key FROM erasures")).toEqual([]);
    const keys = [stored.key, open.key, gone.key, "agent=main/forged/0.1", "' OR 1=1 --"];
    expect(await walletAt(wallet).noteStrays(keys)).toBe(2);
    expect(await sqlOf(wallet, "SELECT s3_key FROM erasures")).toEqual([{ s3_key: gone.key }]);
    await advance(wallet, 60_000);
    expect(await sqlOf(wallet, "SELECT s3_key FROM erasures")).toEqual([]);
  });
});
