/** Objects: what is kept, what is given back, and under which conditions. */
import { beforeAll, describe, expect } from "vitest";
import { base64Hash, expectRefusal, expectStatus, makeBucket, presign, send } from "../client.ts";
import { check, it } from "../judge.ts";
import type { Subject } from "../subject.ts";

const BODY = "0123456789";
const ETAG = '"781e5e245d69b566979b86e28d23f2c7"';

export function objectsSuite(subject: () => Subject): void {
  describe("objects", () => {
    let bucket = "";
    const at = (key: string, ask: Parameters<typeof send>[2] = {}) => send(subject(), `/${bucket}/${key}`, ask);
    const put = (key: string, body: string, headers: Record<string, string> = {}) =>
      at(key, { method: "PUT", body, headers });
    beforeAll(async () => {
      bucket = await makeBucket(subject());
      await expectStatus(await put("ten", BODY, { "content-type": "text/x" }), 200);
    });

    it("headers and metadata come back on GET and HEAD", async () => {
      const headers = {
        "content-type": "text/plain; charset=utf-8",
        "cache-control": "no-store",
        "content-disposition": 'attachment; filename="a b.txt"',
        "content-language": "cy",
        "x-amz-meta-order": "42",
      };
      const stored = await expectStatus(await put("kept", BODY, headers), 200);
      expect(stored.headers.get("etag")).toBe(ETAG);
      for (const method of ["GET", "HEAD"]) {
        const got = await at("kept", { method });
        for (const [name, value] of Object.entries(headers)) expect(got.headers.get(name)).toBe(value);
        expect(got.headers.get("etag")).toBe(ETAG);
        expect(got.headers.get("content-length")).toBe("10");
        expect(got.headers.get("accept-ranges")).toBe("bytes");
        expect(Date.parse(got.headers.get("last-modified") ?? "")).toBeGreaterThan(Date.now() - 60_000);
        expect(await got.text()).toBe(method === "GET" ? BODY : "");
      }
    });

    it("a storage class is kept", async () => {
      await expectStatus(await put("class", BODY, { "x-amz-storage-class": "STANDARD_IA" }), 200);
      const head = await at("class", { method: "HEAD" });
      check(() => expect(head.headers.get("x-amz-storage-class")).toBe("STANDARD_IA"));
    });

    it("an encoded object leaves as it came", async () => {
      await expectStatus(await put("packed", BODY, { "content-encoding": "zstd,aws-chunked" }), 200);
      const got = await at("packed", { headers: { "accept-encoding": "identity" } });
      check(() => expect(got.headers.get("content-encoding")).toBe("zstd"));
      expect(got.headers.get("content-length")).toBe("10");
    });

    it("what is not there is NoSuchKey, and HEAD says so without a body", async () => {
      await expectRefusal(await at("absent"), 404, "NoSuchKey");
      const head = await at("absent", { method: "HEAD" });
      expect([head.status, await head.text()]).toEqual([404, ""]);
      expect(head.headers.get("x-amz-request-id")).toMatch(/^[\w-]{16,}$/);
      await expectRefusal(await send(subject(), "/no-such-bucket-here/x"), 404, "NoSuchBucket");
    });

    it.each([
      ["bytes=2-4", "234", "bytes 2-4/10"],
      ["bytes=7-", "789", "bytes 7-9/10"],
      ["bytes=-3", "789", "bytes 7-9/10"],
      ["bytes=5-99", "56789", "bytes 5-9/10"],
      ["bytes=-99", BODY, "bytes 0-9/10"],
    ])("Range %s", async (range, body, contentRange) => {
      const got = await at("ten", { headers: { range } });
      expect([got.status, got.headers.get("content-range"), await got.text()]).toEqual([206, contentRange, body]);
      expect(got.headers.get("content-length")).toBe(String(body.length));
    });

    it("a range outside is 416, a range that is none is ignored", async () => {
      for (const range of ["bytes=10-", "bytes=-0"]) {
        const response = await at("ten", { headers: { range } });
        check(() => expect(response.headers.get("content-range")).toBe("bytes */10"));
        await expectRefusal(response, 416, "InvalidRange");
      }
      for (const range of ["bytes=4-2", "lines=1-2", "bytes=0-1,3-4"]) {
        expect((await at("ten", { headers: { range } })).status).toBe(200);
      }
    });

    it("response-* overrides the headers of a signed GET", async () => {
      const path = `/${bucket}/ten?response-content-type=text%2Fhtml&response-content-disposition=inline&response-cache-control=private`;
      const { url } = await presign(subject(), path);
      const got = await fetch(url);
      expect(got.headers.get("content-type")).toBe("text/html");
      expect(got.headers.get("content-disposition")).toBe("inline");
      expect(got.headers.get("cache-control")).toBe("private");
    });

    it("read conditions", async () => {
      const status = async (headers: Record<string, string>) => (await at("ten", { headers })).status;
      const past = "Fri, 01 Jan 2021 00:00:00 GMT";
      const future = new Date(Date.now() + 60_000).toUTCString();
      expect(await status({ "if-match": ETAG })).toBe(200);
      expect(await status({ "if-match": '"other"' })).toBe(412);
      expect(await status({ "if-none-match": ETAG })).toBe(304);
      expect(await status({ "if-none-match": '"other"' })).toBe(200);
      expect(await status({ "if-modified-since": future })).toBe(304);
      expect(await status({ "if-modified-since": past })).toBe(200);
      expect(await status({ "if-unmodified-since": past })).toBe(412);
      expect(await status({ "if-match": ETAG, "if-unmodified-since": past })).toBe(200);
      expect(await status({ "if-none-match": '"other"', "if-modified-since": future })).toBe(200);
      const head = await at("ten", { method: "HEAD", headers: { "if-none-match": ETAG } });
      expect([head.status, head.headers.get("etag")]).toEqual([304, ETAG]);
    });

    it("If-None-Match: * writes only what is not there", async () => {
      await expectStatus(await put("once", "one", { "if-none-match": "*" }), 200);
      await expectRefusal(await put("once", "two", { "if-none-match": "*" }), 412, "PreconditionFailed");
      await expectRefusal(await put("once", "two", { "if-none-match": ETAG }), 501, "NotImplemented");
      expect(await (await at("once")).text()).toBe("one");
    });

    it("of many conditional writes at once exactly one wins", async () => {
      const all = await Promise.all([1, 2, 3, 4, 5].map((n) => put("race", `writer ${n}`, { "if-none-match": "*" })));
      const winner = all.findIndex(({ status }) => status === 200);
      expect(all.map(({ status }) => status).sort()).toEqual([200, 412, 412, 412, 412]);
      expect(await (await at("race")).text()).toBe(`writer ${winner + 1}`);
    });

    it("If-Match replaces only what is known", async () => {
      await expectStatus(await put("known", BODY), 200);
      await expectRefusal(await put("known", "new", { "if-match": '"other"' }), 412, "PreconditionFailed");
      await expectRefusal(await put("unknown", "new", { "if-match": ETAG }), 404, "NoSuchKey");
      await expectStatus(await put("known", "new", { "if-match": ETAG }), 200);
      expect(await (await at("known")).text()).toBe("new");
    });

    it("many plain writes at once leave one whole object", async () => {
      const bodies = [1, 2, 3, 4, 5, 6].map((n) => String(n).repeat(50_000));
      await Promise.all(bodies.map((body) => put("busy", body)));
      expect(bodies).toContain(await (await at("busy")).text());
    });

    it("deleting is idempotent", async () => {
      await put("gone", "x");
      await expectStatus(await at("gone", { method: "DELETE" }), 204);
      await expectStatus(await at("gone", { method: "DELETE" }), 204);
      await expectRefusal(await at("gone"), 404, "NoSuchKey");
    });

    it("DeleteObjects deletes, reports, and must prove its body", async () => {
      for (const key of ["d/1", "d/2", "d/&<"]) await put(encodeURIComponent(key), "x");
      const list = (inner: string) => `<Delete>${inner}</Delete>`;
      const ask = (body: string, headers = { "content-md5": base64Hash("md5", body) } as Record<string, string>) =>
        send(subject(), `/${bucket}?delete`, { method: "POST", body, headers });
      const body = list(
        "<Object><Key>d/1</Key></Object><Object><Key>never</Key></Object><Object><Key>d/&amp;&lt;</Key></Object>",
      );
      await expectRefusal(await ask(body, {}), 400, "InvalidRequest");
      const text = await (await ask(body, { "x-amz-checksum-sha256": base64Hash("sha256", body) })).text();
      expect(text.match(/<Deleted>/g)).toHaveLength(3);
      expect(text).toContain("<Key>d/&amp;&lt;</Key>");
      const quiet = list("<Quiet>true</Quiet><Object><Key>d/2</Key></Object>");
      expect(await (await ask(quiet)).text()).not.toContain("Deleted");
      await expectRefusal(await at("d/2"), 404, "NoSuchKey");
      await expectRefusal(await ask(list("")), 400, "MalformedXML");
      await expectRefusal(await ask(list("<Object><Key>k</Key></Object>".repeat(1001))), 400, "MalformedXML");
    });

    it("a key of 1,024 bytes is kept, one more is refused", async () => {
      const longest = `${"é".repeat(511)}ab`;
      await expectStatus(await put(encodeURIComponent(longest), "long"), 200);
      expect(await (await at(encodeURIComponent(longest))).text()).toBe("long");
      await expectRefusal(await put(encodeURIComponent(`${longest}c`), "x"), 400, "KeyTooLongError");
      await expectStatus(await at(encodeURIComponent(longest), { method: "DELETE" }), 204);
    });

    it("too much metadata and an unknown storage class are refused", async () => {
      await expectRefusal(await put("meta", "x", { "x-amz-meta-a": "x".repeat(2048) }), 400, "MetadataTooLarge");
      await expectRefusal(await put("class", "x", { "x-amz-storage-class": "WARM" }), 400, "InvalidStorageClass");
      const locked = { "x-amz-object-lock-mode": "COMPLIANCE" };
      await expectRefusal(await put("lock", "x", locked), 400, "InvalidRequest");
      const own = { "x-amz-server-side-encryption-customer-algorithm": "AES256" };
      await expectRefusal(await put("ssec", "x", own), 501, "NotImplemented");
    });

    it("a path that is not UTF-8 is refused", async () => {
      await expectRefusal(await fetch(`${subject().origin}/${bucket}/%ff`), 400, "InvalidURI");
    });

    it("CopyObject copies bytes, metadata on demand", async () => {
      await put("from", BODY, { "x-amz-meta-a": "1", "content-type": "text/x" });
      const source = { "x-amz-copy-source": `/${bucket}/from` };
      const copied = await (await put("to", "", source)).text();
      check(() => expect(copied).toContain(`<ETag>&quot;781e5e245d69b566979b86e28d23f2c7&quot;</ETag>`));
      await at("from", { method: "DELETE" });
      const got = await at("to");
      expect([got.headers.get("x-amz-meta-a"), got.headers.get("content-type"), await got.text()]).toEqual([
        "1",
        "text/x",
        BODY,
      ]);
      await expectRefusal(await put("to", "", { "x-amz-copy-source": `/${bucket}/from` }), 404, "NoSuchKey");
      await expectRefusal(await put("to", "", { "x-amz-copy-source": `/${bucket}/to` }), 400, "InvalidRequest");
      const replace = {
        "x-amz-copy-source": `/${bucket}/to`,
        "x-amz-metadata-directive": "REPLACE",
        "x-amz-meta-b": "2",
      };
      await expectStatus(await put("to", "", replace), 200);
      const again = await at("to");
      expect([again.headers.get("x-amz-meta-a"), again.headers.get("x-amz-meta-b"), await again.text()]).toEqual([
        null,
        "2",
        BODY,
      ]);
    });

    it("object tags are kept and counted", async () => {
      await expectStatus(await put("tagged", "x", { "x-amz-tagging": "a=1&b=two%20words" }), 200);
      expect((await at("tagged", { method: "HEAD" })).headers.get("x-amz-tagging-count")).toBe("2");
      expect(await (await at("tagged?tagging")).text()).toContain("<Value>two words</Value>");
      await expectStatus(await at("tagged?tagging", { method: "DELETE" }), 204);
      expect(await (await at("tagged?tagging")).text()).not.toContain("<Tag>");
    });
  });
}
