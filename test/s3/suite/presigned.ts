/** What a presigned URL covers, and what it must not. */
import { beforeAll, describe, expect } from "vitest";
import { base64Hash, expectRefusal, expectStatus, makeBucket, presign, request, send, sha256Hex } from "../client.ts";
import { it } from "../judge.ts";
import type { Subject } from "../subject.ts";

const DAY = 86_400;

export function presignedSuite(subject: () => Subject): void {
  describe("presigned URLs", () => {
    let bucket = "";
    beforeAll(async () => {
      bucket = await makeBucket(subject());
      await expectStatus(await send(subject(), `/${bucket}/kept`, { method: "PUT", body: "kept" }), 200);
    });

    it("GET works without any header", async () => {
      const { url } = await presign(subject(), `/${bucket}/kept`);
      expect(await (await fetch(url)).text()).toBe("kept");
    });

    it("a GET URL does not cover HEAD, PUT or DELETE", async () => {
      const { url } = await presign(subject(), `/${bucket}/kept`);
      expect((await fetch(url, { method: "HEAD" })).status).toBe(403);
      await expectRefusal(await fetch(url, { method: "PUT", body: "x" }), 403, "SignatureDoesNotMatch");
      await expectRefusal(await fetch(url, { method: "DELETE" }), 403, "SignatureDoesNotMatch");
    });

    it("another key is refused", async () => {
      const { url } = await presign(subject(), `/${bucket}/kept`);
      await expectRefusal(await fetch(url.replace("/kept?", "/other?")), 403, "SignatureDoesNotMatch");
    });

    it("a stretched expiry is refused", async () => {
      const { url } = await presign(subject(), `/${bucket}/kept`, { expires: 60 });
      await expectRefusal(await fetch(url.replace("Expires=60", "Expires=600")), 403, "SignatureDoesNotMatch");
    });

    it("an added query parameter is refused", async () => {
      const { url } = await presign(subject(), `/${bucket}/kept`);
      await expectRefusal(await fetch(`${url}&response-content-type=text/html`), 403, "SignatureDoesNotMatch");
    });

    it("it expires", async () => {
      const { url } = await presign(subject(), `/${bucket}/kept`, { expires: 60, atMs: Date.now() - 61_000 });
      const text = await expectRefusal(await fetch(url), 403, "AccessDenied");
      expect(text).toContain("Request has expired");
      expect(text).toContain("<X-Amz-Expires>60</X-Amz-Expires>");
    });

    it("a week is the longest life", async () => {
      const week = await presign(subject(), `/${bucket}/kept`, { expires: 7 * DAY });
      await expectStatus(await fetch(week.url), 200);
      const more = await presign(subject(), `/${bucket}/kept`, { expires: 7 * DAY + 1 });
      await expectRefusal(await fetch(more.url), 400, "AuthorizationQueryParametersError");
    });

    it("a URL from the future is not yet valid", async () => {
      const { url } = await presign(subject(), `/${bucket}/kept`, { atMs: Date.now() + 16 * 60_000 });
      expect(await expectRefusal(await fetch(url), 403, "AccessDenied")).toContain("Request is not yet valid");
    });

    it("a missing parameter is refused", async () => {
      const { url } = await presign(subject(), `/${bucket}/kept`);
      for (const name of ["X-Amz-Expires", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Credential"]) {
        const cut = new URL(url);
        cut.searchParams.delete(name);
        await expectRefusal(await fetch(cut), 400, "AuthorizationQueryParametersError");
      }
    });

    it("a signed content-length binds the length", async () => {
      const headers = { "content-length": "5" };
      const signed = await presign(subject(), `/${bucket}/five`, { method: "PUT", headers });
      await expectRefusal(await fetch(signed.url, request("PUT", {}, "123456")), 403, "SignatureDoesNotMatch");
      await expectRefusal(await fetch(signed.url, request("PUT", {}, "1234")), 403, "SignatureDoesNotMatch");
      await expectStatus(await fetch(signed.url, request("PUT", {}, "12345")), 200);
    });

    it("a signed checksum binds the content", async () => {
      const headers = { "content-length": "5", "x-amz-checksum-sha256": base64Hash("sha256", "right") };
      const signed = await presign(subject(), `/${bucket}/sum`, { method: "PUT", headers });
      await expectRefusal(await fetch(signed.url, request("PUT", signed.headers, "wrong")), 400, "BadDigest");
      expect((await send(subject(), `/${bucket}/sum`, { method: "HEAD" })).status).toBe(404);
      await expectRefusal(await fetch(signed.url, request("PUT", {}, "right")), 403, "SignatureDoesNotMatch");
      const other = { ...signed.headers, "x-amz-checksum-sha256": base64Hash("sha256", "wrong") };
      await expectRefusal(await fetch(signed.url, request("PUT", other, "wrong")), 403, "SignatureDoesNotMatch");
      const stored = await fetch(signed.url, request("PUT", signed.headers, "right"));
      expect((await expectStatus(stored, 200)).headers.get("x-amz-checksum-sha256")).toBe(
        base64Hash("sha256", "right"),
      );
    });

    it("a signed Content-MD5 binds the content", async () => {
      const headers = { "content-md5": base64Hash("md5", "right") };
      const signed = await presign(subject(), `/${bucket}/md5`, { method: "PUT", headers });
      await expectRefusal(await fetch(signed.url, request("PUT", signed.headers, "wrong")), 400, "BadDigest");
      await expectStatus(await fetch(signed.url, request("PUT", signed.headers, "right")), 200);
    });

    it("a signed content-type is bound, an unsigned one is free", async () => {
      const bound = await presign(subject(), `/${bucket}/type`, { method: "PUT", headers: { "content-type": "a/b" } });
      const other = request("PUT", { ...bound.headers, "content-type": "c/d" }, "x");
      await expectRefusal(await fetch(bound.url, other), 403, "SignatureDoesNotMatch");
      const free = await presign(subject(), `/${bucket}/type`, { method: "PUT" });
      await expectStatus(await fetch(free.url, request("PUT", { "content-type": "c/d" }, "x")), 200);
      const head = await send(subject(), `/${bucket}/type`, { method: "HEAD" });
      expect(head.headers.get("content-type")).toBe("c/d");
    });

    it("a signed x-amz-content-sha256 is verified against the body", async () => {
      const headers = { "x-amz-content-sha256": sha256Hex("right") };
      const signed = await presign(subject(), `/${bucket}/hash`, { method: "PUT", headers });
      const wrong = await fetch(signed.url, request("PUT", signed.headers, "wrong"));
      await expectRefusal(wrong, 400, "XAmzContentSHA256Mismatch");
      await expectStatus(await fetch(signed.url, request("PUT", signed.headers, "right")), 200);
    });

    it("a signed If-None-Match: * writes once", async () => {
      const headers = { "if-none-match": "*" };
      const signed = await presign(subject(), `/${bucket}/once`, { method: "PUT", headers });
      await expectStatus(await fetch(signed.url, request("PUT", signed.headers, "one")), 200);
      await expectRefusal(await fetch(signed.url, request("PUT", signed.headers, "two")), 412, "PreconditionFailed");
      await expectRefusal(await fetch(signed.url, request("PUT", {}, "two")), 403, "SignatureDoesNotMatch");
      expect(await (await send(subject(), `/${bucket}/once`)).text()).toBe("one");
    });

    it("a signed Range is bound", async () => {
      const signed = await presign(subject(), `/${bucket}/kept`, { headers: { range: "bytes=1-2" } });
      const part = await fetch(signed.url, request("GET", signed.headers));
      expect([part.status, await part.text()]).toEqual([206, "ep"]);
      await expectRefusal(await fetch(signed.url), 403, "SignatureDoesNotMatch");
    });

    it("a checksum hoisted into the query is ignored, as S3 ignores it", async () => {
      const path = `/${bucket}/hoisted?x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32`;
      const { url } = await presign(subject(), path, { method: "PUT" });
      await expectStatus(await fetch(url, { method: "PUT", body: "anything" }), 200);
    });
  });
}
