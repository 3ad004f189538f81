/** The Store on R2 as it is documented: what R2 has not is found out once, and whose a bucket is, is known all the same. */
import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { send } from "../s3/client.ts";
import { r2Like } from "./r2-like.ts";
import { bucketOf, freshWallet, type Shelf, startShelf, wordFor } from "./shelf.ts";

describe("R2", () => {
  let shelf: Shelf;
  beforeEach(async () => {
    shelf = await startShelf({
      door: { regions: ["auto"] },
      config: { kind: "r2", accountId: undefined, signingRegion: "auto" },
      always: r2Like,
    });
  });
  afterEach(() => shelf.close());
  const at = (over: object = {}) => bucketOf(freshWallet(), { region: "auto", ...over });
  const read = async (name: string, path: string) =>
    (await send(shelf.subject, `/${name}${path}`, { region: "auto" })).text();

  it("gets the settings it has, and is asked for the others once", async () => {
    const first = at();
    expect(await shelf.store.ensureBucket(first)).toEqual({ end: "ready" });
    expect(await read(first.name, "?cors")).toContain("<AllowedMethod>PUT</AllowedMethod>");
    expect(await read(first.name, "?lifecycle")).toContain("<DaysAfterInitiation>35</DaysAfterInitiation>");
    const refusedIn = (words: readonly string[]) => words.filter((word) => word.endsWith(" 501"));
    expect(refusedIn(shelf.asked)).toEqual([
      "GET tagging 501",
      "GET publicAccessBlock 501",
      "GET ownershipControls 501",
    ]);
    const before = shelf.asked.length;
    expect(await shelf.store.ensureBucket(at())).toEqual({ end: "ready" });
    expect(shelf.asked.slice(before)).toEqual([
      "GET .mnemospark/wallet 404",
      "PUT 200",
      "GET .mnemospark/wallet 404",
      "PUT .mnemospark/wallet 200",
      "GET .mnemospark/wallet 200",
      "PUT lifecycle 200",
      "PUT cors 200",
    ]);
  });

  it("says whose a bucket is by an object that is written once", async () => {
    const bucket = at();
    await shelf.store.ensureBucket(bucket);
    expect(await read(bucket.name, "/.mnemospark/wallet")).toBe(bucket.wallet);
    // Nothing else was left behind, and no agent's objects begin like it.
    const all = await shelf.store.list({
      ...bucket,
      bucket: bucket.name,
      prefix: "",
      maxKeys: 10,
      startAfter: undefined,
    });
    expect(all).toMatchObject({ entries: [{ key: ".mnemospark/wallet" }] });
    const mine = { ...bucket, bucket: bucket.name, prefix: "agent=", maxKeys: 10, startAfter: undefined };
    expect(await shelf.store.list(mine)).toMatchObject({ entries: [] });
    expect(await shelf.another().ensureBucket({ ...bucket, wallet: freshWallet(), intended: true })).toEqual({
      end: "taken",
    });
    expect(await shelf.another().ensureBucket({ ...bucket, intended: true })).toEqual({ end: "ready" });
  });

  it("of two wallets of one hash at once, one has the bucket", async () => {
    const bucket = at();
    const other = { ...bucket, wallet: freshWallet() };
    let looks = 0;
    let release = () => {};
    const bothLooked = new Promise<void>((resolve) => {
      release = resolve;
    });
    // Both have created, and both find nobody's word in the bucket.
    shelf.between = async (request, server) => {
      const answer = await server(request);
      if (wordFor(request) !== "PUT") return answer;
      looks += 1;
      if (looks === 2) release();
      await bothLooked;
      return answer;
    };
    const ends = await Promise.all([shelf.store.ensureBucket(bucket), shelf.another().ensureBucket(other)]);
    expect(ends.map(({ end }) => end).sort()).toEqual(["ready", "taken"]);
    const kept = await read(bucket.name, "/.mnemospark/wallet");
    expect(kept).toBe(ends[0]?.end === "ready" ? bucket.wallet : other.wallet);
  });

  it("a bucket of the account that says nothing and was not intended is never taken", async () => {
    const bucket = at();
    await shelf.store.ensureBucket(bucket);
    await send(shelf.subject, `/${bucket.name}/.mnemospark/wallet`, { method: "DELETE", region: "auto" });
    expect(await shelf.store.ensureBucket(bucket)).toEqual({ end: "taken" });
    await send(shelf.subject, `/${bucket.name}/theirs`, { method: "PUT", body: "x", region: "auto" });
    expect(await shelf.store.ensureBucket({ ...bucket, intended: true })).toEqual({ end: "taken" });
    await send(shelf.subject, `/${bucket.name}/theirs`, { method: "DELETE", region: "auto" });
    expect(await shelf.store.ensureBucket({ ...bucket, intended: true })).toEqual({ end: "ready" });
  });

  it("a crash after the creation, or after the word was written, is finished", async () => {
    for (const step of ["PUT", "PUT .mnemospark/wallet"]) {
      const bucket = at();
      shelf.between = async (request, server) => {
        const answer = await server(request);
        return wordFor(request) === step ? new Response(null, { status: 500 }) : answer;
      };
      expect(await shelf.store.ensureBucket(bucket)).toMatchObject({ end: "unknown" });
      shelf.between = undefined;
      expect(await shelf.another().ensureBucket({ ...bucket, intended: true })).toEqual({ end: "ready" });
    }
  });

  it("takes an upload bound by length and hash, once, gives it back and lets it go", async () => {
    const bucket = at();
    await shelf.store.ensureBucket(bucket);
    const place = { store: "r2", region: "auto", bucket: bucket.name, key: "agent=main/a/order.1" };
    const bytes = Buffer.from("sealed bytes");
    const sha256Hex = createHash("sha256").update(bytes).digest("hex");
    const target = { ...place, lengthBytes: bytes.length, sha256Hex, wrappedDek: "a2V5", expiresInS: 60 };
    const { url, headers } = await shelf.store.signPut(target);
    expect(Object.keys(headers).filter((name) => name.startsWith("x-amz-"))).toEqual([
      "x-amz-checksum-sha256",
      "x-amz-meta-wrapped-dek",
    ]);
    const { "content-length": _, ...sent } = headers;
    const put = async (body: string) => (await fetch(url, { method: "PUT", headers: sent, body })).status;
    expect(await put("other bytes!")).toBe(400);
    expect(await put("longer than was announced")).toBe(403);
    expect(await shelf.store.look(place)).toEqual({ end: "absent" });
    expect(await put("sealed bytes")).toBe(200);
    expect(await put("sealed bytes")).toBe(412);
    // No checksum is given back; the length is, and the URL had bound the rest.
    expect(await shelf.store.look(place)).toMatchObject({ end: "found", lengthBytes: 12, sha256Hex: undefined });
    const get = await shelf.store.signGet({ ...place, expiresInS: 60, span: undefined, disposition: "attachment" });
    expect(await (await fetch(get.url)).text()).toBe("sealed bytes");
    expect(await shelf.store.erase(place)).toEqual({ end: "done" });
    expect(await shelf.store.look(place)).toEqual({ end: "absent" });
  });

  it("lets an emptied bucket go, its own word with it, and keeps one that is used", async () => {
    const bucket = at();
    await shelf.store.ensureBucket(bucket);
    const path = `/${bucket.name}/agent%3Dmain/a/order.1`;
    await send(shelf.subject, path, { method: "PUT", body: "x", region: "auto" });
    expect(await shelf.store.removeBucket(bucket)).toEqual({ end: "occupied", keys: ["agent=main/a/order.1"] });
    expect(await read(bucket.name, "/.mnemospark/wallet")).toBe(bucket.wallet);
    await send(shelf.subject, path, { method: "DELETE", region: "auto" });
    // Written after the look and before the delete: the bucket stays, and says again whose it is.
    shelf.between = async (request, server) => {
      if (wordFor(request) === "DELETE") {
        shelf.between = undefined;
        await send(shelf.subject, path, { method: "PUT", body: "x", region: "auto" });
      }
      return server(request);
    };
    expect(await shelf.store.removeBucket(bucket)).toEqual({ end: "occupied", keys: [] });
    expect(await read(bucket.name, "/.mnemospark/wallet")).toBe(bucket.wallet);
    await send(shelf.subject, path, { method: "DELETE", region: "auto" });
    // The removal fails after the word was taken out; asked again it is finished.
    shelf.between = async (request, server) =>
      wordFor(request) === "DELETE" ? new Response(null, { status: 500 }) : server(request);
    expect(await shelf.store.removeBucket(bucket)).toMatchObject({ end: "unknown" });
    shelf.between = undefined;
    expect(await read(bucket.name, "/.mnemospark/wallet")).toContain("NoSuchKey");
    expect(await shelf.store.removeBucket(bucket)).toEqual({ end: "gone" });
    expect(await shelf.store.removeBucket(bucket)).toEqual({ end: "gone" });
    expect(await read(bucket.name, "/.mnemospark/wallet")).toContain("NoSuchBucket");
  });

  it("takes parts bound by their hash, and makes one object of them", async () => {
    const bucket = at();
    await shelf.store.ensureBucket(bucket);
    const place = { store: "r2", region: "auto", bucket: bucket.name, key: "agent=main/big/order.1" };
    const begun = await shelf.store.beginParts({ ...place, wrappedDek: "a2V5" });
    if (begun.end !== "done") throw new Error(begun.detail);
    const { uploadId } = begun;
    const parts = [Buffer.alloc(5 * 1024 * 1024, 1), Buffer.from("the end")].map((bytes, index) => ({
      bytes,
      part: index + 1,
      lengthBytes: bytes.length,
      sha256Hex: createHash("sha256").update(bytes).digest("hex"),
    }));
    for (const { bytes, ...part } of parts) {
      const { url, headers } = await shelf.store.signPart({ ...place, uploadId, ...part, expiresInS: 60 });
      expect(headers).toMatchObject({ "x-amz-content-sha256": part.sha256Hex });
      expect(headers).not.toHaveProperty("x-amz-checksum-sha256");
      const { "content-length": _, ...sent } = headers;
      const put = async (body: Buffer) => (await fetch(url, { method: "PUT", headers: sent, body })).status;
      expect(await put(Buffer.alloc(part.lengthBytes, "x"))).toBe(400);
      expect(await put(bytes)).toBe(200);
    }
    expect(await shelf.store.assemble({ ...place, uploadId }, parts)).toMatchObject({
      end: "found",
      lengthBytes: 5 * 1024 * 1024 + 7,
    });
  });

  it("is counted through all its pages", async () => {
    for (let made = 0; made < 5; made++) await shelf.store.ensureBucket(at());
    expect(await shelf.another({ bucketQuota: 5 }).room({ store: "r2" })).toBe(false);
    expect(await shelf.another({ bucketQuota: 6 }).room({ store: "r2" })).toBe(true);
  });
});
