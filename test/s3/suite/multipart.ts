/** Multipart uploads, raw: parts by header-signed and presigned PUT, and every way to complete one wrongly. */
import { createHash } from "node:crypto";
import { beforeAll, describe, expect } from "vitest";
import { base64Hash, expectRefusal, expectStatus, makeBucket, presign, request, send } from "../client.ts";
import { check, it } from "../judge.ts";
import type { Subject } from "../subject.ts";

const MIB = 1024 * 1024;
const FIRST = new Uint8Array(5 * MIB).fill(65);
const LAST = new TextEncoder().encode("the end");

export function multipartSuite(subject: () => Subject): void {
  describe("multipart uploads", () => {
    let bucket = "";
    const at = (key: string, query: string, ask: Parameters<typeof send>[2]) =>
      send(subject(), `/${bucket}/${key}?${query}`, ask);
    const start = async (key: string, headers: Record<string, string> = {}) => {
      const text = await (await at(key, "uploads", { method: "POST", headers })).text();
      return /<UploadId>(.*?)</.exec(text)?.[1] ?? text;
    };
    const part = async (
      key: string,
      id: string,
      number: number,
      body: Uint8Array,
      headers: Record<string, string> = {},
    ) =>
      (
        await expectStatus(await at(key, `partNumber=${number}&uploadId=${id}`, { method: "PUT", body, headers }), 200)
      ).headers.get("etag") ?? "";
    const document = (parts: readonly (readonly [number, string])[]) =>
      `<CompleteMultipartUpload>${parts.map(([number, etag]) => `<Part><PartNumber>${number}</PartNumber><ETag>${etag}</ETag></Part>`).join("")}</CompleteMultipartUpload>`;
    const complete = (
      key: string,
      id: string,
      parts: readonly (readonly [number, string])[],
      headers: Record<string, string> = {},
    ) => at(key, `uploadId=${id}`, { method: "POST", body: document(parts), headers });
    beforeAll(async () => {
      bucket = await makeBucket(subject());
    });

    it("parts become one object with an ETag of parts", async () => {
      const id = await start("whole", { "content-type": "text/x", "x-amz-meta-a": "1" });
      // Out of order, and one sent twice.
      const last = await part("whole", id, 7, LAST);
      await part("whole", id, 2, LAST);
      const first = await part("whole", id, 2, FIRST);
      const listed = await (await at("whole", `uploadId=${id}`, {})).text();
      expect([...listed.matchAll(/<PartNumber>(\d+)</g)].map(([, n]) => n)).toEqual(["2", "7"]);
      const text = await (
        await complete(
          "whole",
          id,
          [
            [2, first],
            [7, last],
          ],
          { "if-none-match": "*", "x-amz-mp-object-size": String(FIRST.length + LAST.length) },
        )
      ).text();
      const hash = createHash("md5")
        .update(Buffer.from(first.slice(1, -1), "hex"))
        .update(Buffer.from(last.slice(1, -1), "hex"));
      const etag = `${hash.digest("hex")}-2`;
      check(() => expect(text).toContain(`&quot;${etag}&quot;`));
      const got = await send(subject(), `/${bucket}/whole`);
      const bytes = new Uint8Array(await got.arrayBuffer());
      expect([got.headers.get("etag"), got.headers.get("content-length"), got.headers.get("x-amz-meta-a")]).toEqual([
        `"${etag}"`,
        String(bytes.length),
        "1",
      ]);
      expect(Buffer.compare(bytes, Buffer.concat([FIRST, LAST]))).toBe(0);
      const seam = await send(subject(), `/${bucket}/whole`, {
        headers: { range: `bytes=${5 * MIB - 2}-${5 * MIB + 2}` },
      });
      expect([seam.status, await seam.text()]).toEqual([206, "AAthe"]);
      const second = await send(subject(), `/${bucket}/whole?partNumber=2`);
      expect([second.status, second.headers.get("x-amz-mp-parts-count"), await second.text()]).toEqual([
        206,
        "2",
        "the end",
      ]);
      await expectRefusal(
        await complete("whole", id, [
          [2, first],
          [7, last],
        ]),
        404,
        "NoSuchUpload",
      );
    });

    it("a presigned part is bound by length and checksum", async () => {
      const id = await start("pinned", { "x-amz-checksum-algorithm": "SHA256" });
      const sum = base64Hash("sha256", LAST);
      const headers = { "content-length": String(LAST.length), "x-amz-checksum-sha256": sum };
      const signed = await presign(subject(), `/${bucket}/pinned?partNumber=1&uploadId=${id}`, {
        method: "PUT",
        headers,
      });
      await expectRefusal(await fetch(signed.url, request("PUT", signed.headers, "THE END")), 400, "BadDigest");
      await expectRefusal(
        await fetch(signed.url, request("PUT", signed.headers, "longer than it")),
        403,
        "SignatureDoesNotMatch",
      );
      const stored = await expectStatus(await fetch(signed.url, request("PUT", signed.headers, LAST)), 200);
      expect(await (await at("pinned", `uploadId=${id}`, {})).text()).toContain(
        `<ChecksumSHA256>${sum}</ChecksumSHA256>`,
      );
      const text = await (await complete("pinned", id, [[1, stored.headers.get("etag") ?? ""]])).text();
      const composite = `${createHash("sha256").update(Buffer.from(sum, "base64")).digest("base64")}-1`;
      expect(text).toContain(`<ChecksumSHA256>${composite}</ChecksumSHA256>`);
      const head = await send(subject(), `/${bucket}/pinned`, {
        method: "HEAD",
        headers: { "x-amz-checksum-mode": "ENABLED" },
      });
      expect([head.headers.get("x-amz-checksum-sha256"), head.headers.get("x-amz-checksum-type")]).toEqual([
        composite,
        "COMPOSITE",
      ]);
    });

    it("a part must carry the upload's checksum", async () => {
      const id = await start("typed", { "x-amz-checksum-algorithm": "SHA256" });
      await expectRefusal(
        await at("typed", `partNumber=1&uploadId=${id}`, { method: "PUT", body: LAST }),
        400,
        "InvalidRequest",
      );
    });

    it("a full-object checksum is of all the bytes", async () => {
      const id = await start("full", { "x-amz-checksum-algorithm": "CRC64NVME" });
      const etag = await part("full", id, 1, new TextEncoder().encode("123456789"), {
        "x-amz-checksum-crc64nvme": "rosUhgp5mIg=",
      });
      const wrong = { "x-amz-checksum-crc64nvme": "AAAAAAAAAAA=" };
      await expectRefusal(await complete("full", id, [[1, etag]], wrong), 400, "BadDigest");
      expect(await (await complete("full", id, [[1, etag]])).text()).toContain(
        "<ChecksumCRC64NVME>rosUhgp5mIg=</ChecksumCRC64NVME>",
      );
    });

    it("a wrong list is refused and the upload survives it", async () => {
      const id = await start("list");
      const small = await part("list", id, 1, LAST);
      const big = await part("list", id, 2, FIRST);
      await expectRefusal(
        await complete("list", id, [
          [2, big],
          [1, small],
        ]),
        400,
        "InvalidPartOrder",
      );
      await expectRefusal(
        await complete("list", id, [
          [1, small],
          [2, big],
        ]),
        400,
        "EntityTooSmall",
      );
      await expectRefusal(
        await complete("list", id, [
          [2, big],
          [3, small],
        ]),
        400,
        "InvalidPart",
      );
      await expectRefusal(await complete("list", id, [[2, small]]), 400, "InvalidPart");
      await expectRefusal(await complete("list", id, []), 400, "MalformedXML");
      await expectRefusal(
        await complete("list", id, [[2, big]], { "x-amz-mp-object-size": "1" }),
        400,
        "InvalidRequest",
      );
      await expectStatus(await complete("list", id, [[2, big]]), 200);
    });

    it("Complete with If-None-Match: * does not replace what came meanwhile", async () => {
      const id = await start("late");
      const etag = await part("late", id, 1, LAST);
      await expectStatus(await send(subject(), `/${bucket}/late`, { method: "PUT", body: "first" }), 200);
      await expectRefusal(await complete("late", id, [[1, etag]], { "if-none-match": "*" }), 412, "PreconditionFailed");
      expect(await (await send(subject(), `/${bucket}/late`)).text()).toBe("first");
      await expectStatus(await complete("late", id, [[1, etag]]), 200);
      expect(await (await send(subject(), `/${bucket}/late`)).text()).toBe("the end");
    });

    it("of two Completes at once one wins and the object is whole", async () => {
      const id = await start("twice");
      const etag = await part("twice", id, 1, LAST);
      const all = await Promise.all([1, 2, 3].map(() => complete("twice", id, [[1, etag]])));
      expect(all.filter(({ status }) => status === 200)).toHaveLength(1);
      expect(await (await send(subject(), `/${bucket}/twice`)).text()).toBe("the end");
    });

    it("abort ends it, and an upload belongs to its key", async () => {
      const id = await start("aborted");
      await part("aborted", id, 1, LAST);
      const uploads = await (await send(subject(), `/${bucket}?uploads&prefix=aborted`)).text();
      expect(uploads).toContain(`<UploadId>${id}</UploadId>`);
      await expectRefusal(
        await at("other", `partNumber=1&uploadId=${id}`, { method: "PUT", body: LAST }),
        404,
        "NoSuchUpload",
      );
      await expectRefusal(
        await at("aborted", `partNumber=10001&uploadId=${id}`, { method: "PUT", body: LAST }),
        400,
        "InvalidArgument",
      );
      await expectStatus(await at("aborted", `uploadId=${id}`, { method: "DELETE" }), 204);
      await expectRefusal(await at("aborted", `uploadId=${id}`, {}), 404, "NoSuchUpload");
      await expectRefusal(
        await at("aborted", `partNumber=1&uploadId=${id}`, { method: "PUT", body: LAST }),
        404,
        "NoSuchUpload",
      );
      expect(await (await send(subject(), `/${bucket}?uploads&prefix=aborted`)).text()).not.toContain(id);
    });
  });
}
