/** Virtual-host style: the bucket in the name of the host, the key alone in the path. The same bucket, and the same strictness. */
import { Agent } from "node:http";
import type { LookupFunction } from "node:net";
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { beforeAll, describe, expect } from "vitest";
import { expectStatus, makeBucket, presign, send, signAsk } from "../client.ts";
import { it } from "../judge.ts";
import { rawRequest } from "../raw-request.ts";
import { alice, type Subject } from "../subject.ts";

export function hostedSuite(subject: () => Subject): void {
  describe("virtual-host style", () => {
    let bucket = "";
    const hosted = (name = bucket): Subject => ({
      ...subject(),
      origin: subject().origin.replace("127.0.0.1", `${name}.localhost`),
    });
    /** By hand: not every resolver knows *.localhost, and fetch does not let one choose the Host header. */
    const at = (
      url: string,
      method: string,
      headers: Record<string, string> = {},
      body = "",
      host = new URL(url).host,
    ) => {
      const { "content-length": _, host: __, ...rest } = headers;
      const lines = { ...rest, connection: "close", "content-length": String(Buffer.byteLength(body)) };
      const text = Object.entries(lines).map(([name, value]) => `${name}: ${value}\r\n`);
      return rawRequest(url.replace(new URL(url).origin, subject().origin), method, text.join(""), body, { host });
    };
    beforeAll(async () => {
      bucket = await makeBucket(subject());
      await expectStatus(await send(subject(), `/${bucket}/kept`, { method: "PUT", body: "kept" }), 200);
    });

    it("a presigned GET reads what was written path-style", async () => {
      const { url } = await presign(hosted(), "/kept");
      expect(await at(url, "GET")).toMatch(/^HTTP\/1.1 200 [\s\S]*\r\n\r\nkept$/);
    });

    it("a presigned PUT writes what is read path-style, and is bound by its length", async () => {
      const signed = await presign(hosted(), "/five", { method: "PUT", headers: { "content-length": "5" } });
      expect(await at(signed.url, "PUT", signed.headers, "123456")).toMatch(/^HTTP\/1.1 403 /);
      expect(await at(signed.url, "PUT", signed.headers, "12345")).toMatch(/^HTTP\/1.1 200 /);
      expect(await (await send(subject(), `/${bucket}/five`)).text()).toBe("12345");
    });

    it("a header-signed list and a subresource are the bucket's", async () => {
      const list = await signAsk(hosted(), "/?list-type=2&prefix=kept");
      expect(await at(list.url, "GET", list.headers)).toContain("<Key>kept</Key>");
      const tagging = await signAsk(hosted(), "/?tagging");
      expect(await at(tagging.url, "GET", tagging.headers)).toContain("<Code>NoSuchTagSet</Code>");
    });

    it("a signature for one host does not open another", async () => {
      const other = await makeBucket(subject());
      const { url } = await presign(hosted(), "/kept");
      const host = new URL(hosted(other).origin).host;
      expect(await at(url, "GET", {}, "", host)).toMatch(/^HTTP\/1.1 403 [\s\S]*<Code>SignatureDoesNotMatch<\/Code>/);
    });

    it("AWS SDK v3 without forcePathStyle", async () => {
      const client = new S3Client({
        endpoint: subject().origin.replace("127.0.0.1", "localhost"),
        region: "us-east-1",
        credentials: alice,
        requestHandler: { httpAgent: new Agent({ lookup: toLoopback }) },
        requestChecksumCalculation: "WHEN_REQUIRED",
      });
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: "sdk/ü", Body: "by name" }));
      const got = await client.send(new GetObjectCommand({ Bucket: bucket, Key: "sdk/ü" }));
      expect(await got.Body?.transformToString()).toBe("by name");
      const listed = await client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: "sdk/" }));
      expect(listed.Contents?.map(({ Key }) => Key)).toEqual(["sdk/ü"]);
      client.destroy();
    });
  });
}

/** *.localhost, for resolvers that have never heard of it. */
const toLoopback: LookupFunction = (_, options, answer) => {
  if (options.all) answer(null, [{ address: "127.0.0.1", family: 4 }]);
  else answer(null, "127.0.0.1", 4);
};
