/** What a body must be: as long as announced, and what its checksums say. */
import { crc32 } from "node:zlib";
import { beforeAll, describe, expect } from "vitest";
import { base64Hash, expectRefusal, expectStatus, makeBucket, presign, send, sha256Hex } from "../client.ts";
import { it } from "../judge.ts";
import { rawRequest } from "../raw-request.ts";
import type { Subject } from "../subject.ts";

const CHECK = "123456789";
/** The published check values of each algorithm over "123456789". */
const CHECKS = {
  crc32: "y/Q5Jg==",
  crc32c: "4waSgw==",
  crc64nvme: "rosUhgp5mIg=",
  sha1: base64Hash("sha1", CHECK),
  sha256: base64Hash("sha256", CHECK),
};

export function contentSuite(subject: () => Subject): void {
  describe("content", () => {
    let bucket = "";
    const put = (key: string, headers: Record<string, string>, body: string | Uint8Array) =>
      send(subject(), `/${bucket}/${key}`, { method: "PUT", headers, body });
    const absent = async (key: string) =>
      expect((await send(subject(), `/${bucket}/${key}`, { method: "HEAD" })).status).toBe(404);
    beforeAll(async () => {
      bucket = await makeBucket(subject());
    });

    it("x-amz-content-sha256 is verified, and nothing is stored when it lies", async () => {
      await expectRefusal(
        await put("hash", { "x-amz-content-sha256": sha256Hex("other") }, "body"),
        400,
        "XAmzContentSHA256Mismatch",
      );
      await absent("hash");
    });

    it("x-amz-content-sha256 must be there and make sense", async () => {
      await expectRefusal(await put("hash", { "x-amz-content-sha256": "nonsense" }, "body"), 400, "InvalidArgument");
      await expectStatus(await put("free", { "x-amz-content-sha256": "UNSIGNED-PAYLOAD" }, "body"), 200);
    });

    it("Content-MD5 is verified and must be an MD5", async () => {
      await expectRefusal(await put("md5", { "content-md5": base64Hash("md5", "other") }, "body"), 400, "BadDigest");
      await absent("md5");
      await expectRefusal(await put("md5", { "content-md5": "bm90IGFuIG1kNQ==" }, "body"), 400, "InvalidDigest");
      await expectStatus(await put("md5", { "content-md5": base64Hash("md5", "body") }, "body"), 200);
    });

    it.each(Object.entries(CHECKS))("x-amz-checksum-%s is verified, stored and returned", async (name, value) => {
      const header = `x-amz-checksum-${name}`;
      await expectRefusal(await put(name, { [header]: value }, "other"), 400, "BadDigest");
      await absent(name);
      await expectRefusal(await put(name, { [header]: "AAAA" }, CHECK), 400, "InvalidRequest");
      const stored = await expectStatus(await put(name, { [header]: value }, CHECK), 200);
      expect(stored.headers.get(header)).toBe(value);
      const mode = { "x-amz-checksum-mode": "ENABLED" };
      for (const method of ["HEAD", "GET"]) {
        const shown = await send(subject(), `/${bucket}/${name}`, { method, headers: mode });
        expect([shown.headers.get(header), shown.headers.get("x-amz-checksum-type")]).toEqual([value, "FULL_OBJECT"]);
      }
      expect((await send(subject(), `/${bucket}/${name}`, { method: "HEAD" })).headers.has(header)).toBe(false);
    });

    it("two checksums at once are refused", async () => {
      const headers = { "x-amz-checksum-crc32": CHECKS.crc32, "x-amz-checksum-sha256": CHECKS.sha256 };
      await expectRefusal(await put("two", headers, CHECK), 400, "InvalidRequest");
    });

    it("an announced algorithm without its checksum is refused", async () => {
      await expectRefusal(
        await put("none", { "x-amz-sdk-checksum-algorithm": "SHA256" }, CHECK),
        400,
        "InvalidRequest",
      );
    });

    it("a body without a length is refused with 411", async () => {
      const { url } = await presign(subject(), `/${bucket}/nolength`, { method: "PUT" });
      const body = new ReadableStream({
        start(controller) {
          controller.enqueue(new TextEncoder().encode("chunk"));
          controller.close();
        },
      });
      const response = await fetch(url, { method: "PUT", body, duplex: "half" } as RequestInit);
      await expectRefusal(response, 411, "MissingContentLength");
    });

    it("more than 5 GiB in one PUT is refused before the body comes", async () => {
      const { url } = await presign(subject(), `/${bucket}/huge`, { method: "PUT" });
      const answer = await rawRequest(url, `PUT`, `content-length: ${5 * 1024 ** 3 + 1}\r\n`, "");
      expect(answer).toContain("<Code>EntityTooLarge</Code>");
    });

    it("a body that is cut short stores nothing", async () => {
      for (const headers of ["", `x-amz-checksum-sha256: ${base64Hash("sha256", "x".repeat(1000))}\r\n`]) {
        const signedHeaders: Record<string, string> =
          headers === "" ? {} : { "x-amz-checksum-sha256": base64Hash("sha256", "x".repeat(1000)) };
        const { url } = await presign(subject(), `/${bucket}/short`, { method: "PUT", headers: signedHeaders });
        await rawRequest(url, "PUT", `content-length: 1000\r\n${headers}`, "x".repeat(400), { cut: true });
        await new Promise((resolve) => setTimeout(resolve, 50));
        await absent("short");
      }
    });

    it("a cut body does not touch the object that was there", async () => {
      await expectStatus(await put("there", {}, "before"), 200);
      const { url } = await presign(subject(), `/${bucket}/there`, { method: "PUT" });
      await rawRequest(url, "PUT", "content-length: 1000\r\n", "x".repeat(999), { cut: true });
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(await (await send(subject(), `/${bucket}/there`)).text()).toBe("before");
    });

    it("an empty object is an object", async () => {
      await expectStatus(await put("empty", { "x-amz-checksum-sha256": base64Hash("sha256", "") }, ""), 200);
      const got = await send(subject(), `/${bucket}/empty`);
      expect([got.status, got.headers.get("content-length"), await got.text()]).toEqual([200, "0", ""]);
      await expectRefusal(await put("void", { "x-amz-checksum-sha256": CHECKS.sha256 }, ""), 400, "BadDigest");
    });
  });
  chunkedSuite(subject);
}

function chunkedSuite(subject: () => Subject): void {
  describe("aws-chunked bodies", () => {
    let bucket = "";
    const put = async (key: string, body: string, headers: Record<string, string>) =>
      send(subject(), `/${bucket}/${key}`, {
        method: "PUT",
        body,
        headers: {
          "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
          "content-encoding": "aws-chunked",
          ...headers,
        },
      });
    const trailed = (sum: string) => `5\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:${sum}\r\n\r\n`;
    const announced = { "x-amz-decoded-content-length": "11", "x-amz-trailer": "x-amz-checksum-crc32" };
    const sum = Buffer.from(crc32("hello world").toString(16).padStart(8, "0"), "hex").toString("base64");
    beforeAll(async () => {
      bucket = await makeBucket(subject());
    });

    it("the framing is taken off, the trailing checksum verified and stored", async () => {
      const stored = await expectStatus(await put("good", trailed(sum), announced), 200);
      expect(stored.headers.get("x-amz-checksum-crc32")).toBe(sum);
      const got = await send(subject(), `/${bucket}/good`);
      // "identity" is the Worker's shield against the dev front's compression (test/stack/s3/worker.ts).
      expect([null, "identity"]).toContain(got.headers.get("content-encoding"));
      expect(await got.text()).toBe("hello world");
    });

    it("a wrong trailing checksum stores nothing", async () => {
      await expectRefusal(await put("bad", trailed("AAAAAA=="), announced), 400, "BadDigest");
      expect((await send(subject(), `/${bucket}/bad`, { method: "HEAD" })).status).toBe(404);
    });

    it("a missing or surprising trailer is refused", async () => {
      await expectRefusal(await put("bad", "b\r\nhello world\r\n0\r\n\r\n", announced), 400, "MalformedTrailerError");
      const other = trailed(sum).replace("crc32", "sha256");
      await expectRefusal(await put("bad", other, announced), 400, "MalformedTrailerError");
    });

    it("content shorter or longer than announced is refused", async () => {
      for (const length of ["10", "12"]) {
        const headers = { ...announced, "x-amz-decoded-content-length": length };
        await expectRefusal(await put("bad", trailed(sum), headers), 400, "IncompleteBody");
      }
    });

    it("the decoded length must be announced", async () => {
      const response = await put("bad", trailed(sum), { "x-amz-trailer": "x-amz-checksum-crc32" });
      await expectRefusal(response, 411, "MissingContentLength");
    });

    it("broken framing and a missing last chunk are refused", async () => {
      await expectRefusal(await put("bad", "zz\r\nhello", announced), 400, "IncompleteBody");
      await expectRefusal(await put("bad", "b\r\nhello world\r\n", announced), 400, "IncompleteBody");
    });

    it("a signed chunk mode with a wrong chunk signature is refused", async () => {
      const frame = `b;chunk-signature=${"0".repeat(64)}\r\nhello world\r\n0;chunk-signature=${"0".repeat(64)}\r\n\r\n`;
      const response = await put("bad", frame, {
        "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "x-amz-decoded-content-length": "11",
      });
      await expectRefusal(response, 403, "SignatureDoesNotMatch");
    });
  });
}
