/** The shipped Store adapter on a real radosgw: what it finds out, what it promises there all the same, by path and by host. */
import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openStore } from "../../worker/adapters/s3/store.ts";
import { makeBucket, send } from "../s3/client.ts";
import { rawRequest } from "../s3/raw-request.ts";
import { bob, type Subject } from "../s3/subject.ts";
import { bucketOf, configOf, freshWallet, type Opened } from "../store/shelf.ts";
import { type Radosgw, startRadosgw } from "./radosgw.ts";

describe("the Store on radosgw", () => {
  let radosgw: Radosgw;
  let subject: Subject;
  let store: Opened;
  const open = (over: object = {}) => openStore({ ...configOf(radosgw.origin), ...over }, { nowMs: () => Date.now() });
  beforeAll(async () => {
    radosgw = await startRadosgw();
    subject = { origin: radosgw.origin, close: radosgw.stop };
    store = open();
  }, 300_000);
  afterAll(() => radosgw?.stop());

  const text = async (path: string) => (await send(subject, path)).text();
  const hashOf = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
  const ready = async () => {
    const bucket = bucketOf(freshWallet());
    expect(await store.ensureBucket(bucket)).toEqual({ end: "ready" });
    return { bucket, place: { store: "s3", region: "us-east-1", bucket: bucket.name, key: "agent=main/a b/order.1" } };
  };
  const urlFor = async (place: Awaited<ReturnType<typeof ready>>["place"], bytes: Buffer) => {
    const target = {
      ...place,
      lengthBytes: bytes.length,
      sha256Hex: hashOf(bytes),
      wrappedDek: "a2V5",
      expiresInS: 60,
    };
    const { url, headers } = await store.signPut(target);
    const { "content-length": _, ...sent } = headers;
    return async (body: Buffer) => (await fetch(url, { method: "PUT", headers: sent, body })).status;
  };

  it("makes a bucket with the settings it knows, and does without the one that would refuse every PUT", async () => {
    const { bucket } = await ready();
    expect(await text(`/${bucket.name}?tagging`)).toContain(bucket.wallet);
    expect(await text(`/${bucket.name}?lifecycle`)).toContain("<DaysAfterInitiation>35</DaysAfterInitiation>");
    expect(await text(`/${bucket.name}?cors`)).toContain("<AllowedMethod>PUT</AllowedMethod>");
    expect(await text(`/${bucket.name}?policy`)).toContain("aws:PrincipalAccount");
    expect(await text(`/${bucket.name}?publicAccessBlock`)).not.toContain(">true<");
    // The next one is made without asking again, and takes a write at once.
    const { place } = await ready();
    expect(await text(`/${place.bucket}?publicAccessBlock`)).not.toContain(">true<");
    expect(await (await urlFor(place, Buffer.from("x")))(Buffer.from("x"))).toBe(200);
  });

  it("two first payments at once make one bucket; a foreign one and a collided one are taken", async () => {
    const bucket = bucketOf(freshWallet());
    const ends = await Promise.all([open().ensureBucket(bucket), open().ensureBucket({ ...bucket, intended: true })]);
    expect(ends).toEqual([{ end: "ready" }, { end: "ready" }]);
    expect(await text(`/${bucket.name}?tagging`)).toContain(bucket.wallet);
    expect(await open().ensureBucket({ ...bucket, wallet: freshWallet(), intended: true })).toEqual({ end: "taken" });
    const name = await makeBucket(subject, { account: bob });
    expect(await store.ensureBucket(bucketOf(freshWallet(), { name }))).toEqual({ end: "taken" });
    const silent = bucketOf(freshWallet(), { name: await makeBucket(subject) });
    expect(await store.ensureBucket(silent)).toEqual({ end: "taken" });
    expect(await store.ensureBucket({ ...silent, intended: true })).toEqual({ end: "ready" });
  });

  it("binds an upload to its length, its content and one write, though it verifies no x-amz-checksum-sha256", async () => {
    const { place } = await ready();
    const bytes = Buffer.from("sealed bytes");
    const put = await urlFor(place, bytes);
    expect(await put(Buffer.from("other bytes!"))).toBe(400);
    expect(await put(Buffer.from("longer than it was announced"))).toBe(403);
    expect(await store.look(place)).toEqual({ end: "absent" });
    expect(await put(bytes)).toBe(200);
    expect(await put(bytes)).toBe(412);
    const looked = await store.look(place);
    expect(looked).toMatchObject({ end: "found", lengthBytes: bytes.length });
    // It gives back what it was told, or nothing; never something else.
    expect([undefined, hashOf(bytes)]).toContain(looked.end === "found" ? looked.sha256Hex : "none");
    const get = await store.signGet({
      ...place,
      expiresInS: 60,
      span: { first: 7, last: 11 },
      disposition: "attachment",
    });
    const part = await fetch(get.url, { headers: get.headers });
    expect([part.status, await part.text()]).toEqual([206, "bytes"]);
    const page = { ...place, prefix: "agent=", maxKeys: 10, startAfter: undefined };
    expect(await store.list(page)).toMatchObject({ entries: [{ key: place.key, sizeBytes: bytes.length }] });
    const bucket = { store: "s3", region: place.region, name: place.bucket };
    expect(await store.erase(place)).toEqual({ end: "done" });
    expect(await store.look(place)).toEqual({ end: "absent" });
    expect(await store.removeBucket({ ...bucket, wallet: freshWallet() })).toEqual({ end: "gone" });
  });

  it("an emptied bucket goes, a used one stays", async () => {
    const { bucket, place } = await ready();
    await (await urlFor(place, Buffer.from("x")))(Buffer.from("x"));
    expect(await store.removeBucket(bucket)).toEqual({ end: "occupied", keys: [place.key] });
    await store.erase(place);
    expect(await store.removeBucket(bucket)).toEqual({ end: "gone" });
    expect(await text(`/${bucket.name}?tagging`)).toContain("NoSuchBucket");
    expect(await store.ensureBucket(bucket)).toEqual({ end: "ready" });
  });

  it("parts are bound by length and content, are made one object, and an upload that was aborted is absent", async () => {
    const { place } = await ready();
    const begun = await store.beginParts({ ...place, wrappedDek: "a2V5" });
    if (begun.end !== "done") throw new Error(begun.detail);
    const upload = { ...place, uploadId: begun.uploadId };
    const bodies = [Buffer.alloc(5 * 1024 * 1024, 1), Buffer.from("the end")];
    const parts = bodies.map((bytes, index) => ({
      part: index + 1,
      lengthBytes: bytes.length,
      sha256Hex: hashOf(bytes),
    }));
    for (const [index, part] of parts.entries()) {
      const { url, headers } = await store.signPart({ ...upload, ...part, expiresInS: 60 });
      const { "content-length": _, ...sent } = headers;
      const put = async (body: Buffer) => (await fetch(url, { method: "PUT", headers: sent, body })).status;
      expect(await put(Buffer.alloc(part.lengthBytes, "x"))).toBe(400);
      expect(await put(bodies[index] ?? Buffer.of())).toBe(200);
    }
    const lengthBytes = 5 * 1024 * 1024 + 7;
    expect(await store.assemble(upload, parts)).toMatchObject({ end: "found", lengthBytes });
    // Asked again, as after a lost answer.
    expect(await store.assemble(upload, parts)).toMatchObject({ end: "found", lengthBytes });
    const other = { ...place, key: "agent=main/other/order.2" };
    const second = await store.beginParts({ ...other, wrappedDek: undefined });
    if (second.end !== "done") throw new Error(second.detail);
    expect(await store.abortParts({ ...other, uploadId: second.uploadId })).toEqual({ end: "done" });
    expect(await store.listParts({ ...other, uploadId: second.uploadId })).toEqual({ end: "absent" });
  });

  it("is reached by host as well", async () => {
    const { place } = await ready();
    const port = new URL(radosgw.origin).port;
    const hosted = open({ endpoint: `http://localhost:${port}`, style: "virtual" });
    const bytes = Buffer.from("x");
    const target = { ...place, lengthBytes: 1, sha256Hex: hashOf(bytes), wrappedDek: undefined, expiresInS: 60 };
    const { url, headers } = await hosted.signPut(target);
    const at = new URL(url);
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const asked = `${radosgw.origin}${at.pathname}${at.search}`;
    const answer = await rawRequest(asked, "PUT", `${lines.join("")}connection: close\r\n`, "x", { host: at.host });
    expect(answer).toMatch(/^HTTP\/1.1 200 /);
    expect(await store.look(place)).toMatchObject({ end: "found", lengthBytes: 1 });
  });

  it("is counted, and full when the quota says so", async () => {
    expect(await open({ bucketQuota: 1 }).room({ store: "s3" })).toBe(false);
    expect(await open({ bucketQuota: 10_000 }).room({ store: "s3" })).toBe(true);
  });
});
