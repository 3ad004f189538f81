/**
 * The examples AWS publishes for Signature Version 4 in S3 ("Examples: signature calculations", "…using query parameters",
 * "…multiple chunks", "…trailing headers"), sent through the front door with the clock at their hour.
 */
import { beforeAll, describe, expect, it } from "vitest";
import type { S3Door } from "../../worker/s3-door/door.ts";
import { handleS3 } from "../../worker/s3-door/handle.ts";
import { memoryStore } from "../../worker/s3-door/memory-store.ts";

const AT = Date.UTC(2013, 4, 24);
const EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE";
const CREDENTIAL = `${ACCESS_KEY}/20130524/us-east-1/s3/aws4_request`;

const account = { secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", accountId: "123456789012" };
const door: S3Door = {
  store: memoryStore(),
  credentials: (id) => (id === ACCESS_KEY ? account : undefined),
  regions: ["us-east-1"],
  hostSuffix: "s3.amazonaws.com",
  now: () => AT,
};

function authorization(signedHeaders: string, signature: string): string {
  return `AWS4-HMAC-SHA256 Credential=${CREDENTIAL},SignedHeaders=${signedHeaders},Signature=${signature}`;
}

async function ask(url: string, init: RequestInit & { headers?: Record<string, string> }): Promise<string> {
  const response = await handleS3(new Request(url, init), door);
  const text = await response.text();
  return `${response.status} ${/<Code>(.*?)<\/Code>/.exec(text)?.[1] ?? text}`.trim();
}

const seed = { headers: { "x-amz-date": "20130524T000000Z", "x-amz-content-sha256": EMPTY } };

beforeAll(async () => {
  const write = (name: string) =>
    door.store.write({
      name: `bucket/${name}`,
      text: JSON.stringify({
        name,
        id: name,
        ownerId: account.accountId,
        region: "us-east-1",
        createdMs: AT,
        configs: {},
        writeId: name,
      }),
      summary: "",
      expected: "any",
    });
  await write("examplebucket");
});

describe("the examples AWS publishes are accepted", () => {
  it("PUT an object, date header and a dollar in the key", async () => {
    const headers = {
      Date: "Fri, 24 May 2013 00:00:00 GMT",
      "content-length": "21",
      "x-amz-content-sha256": "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
      "x-amz-date": "20130524T000000Z",
      "x-amz-storage-class": "REDUCED_REDUNDANCY",
      Authorization: authorization(
        "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
      ),
    };
    const url = "http://examplebucket.s3.amazonaws.com/test$file.text";
    expect(await ask(url, { method: "PUT", headers, body: "Welcome to Amazon S3." })).toBe("200");
    expect(await ask(url, { method: "PUT", headers, body: "Welcome to Amazon S4." })).toBe(
      "400 XAmzContentSHA256Mismatch",
    );
    expect(await ask(url.replace(".text", ".txt"), { method: "PUT", headers, body: "Welcome to Amazon S3." })).toBe(
      "403 SignatureDoesNotMatch",
    );
  });

  it("GET an object with a range", async () => {
    const headers = {
      ...seed.headers,
      Range: "bytes=0-9",
      Authorization: authorization(
        "host;range;x-amz-content-sha256;x-amz-date",
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
      ),
    };
    // Signature right, object absent.
    expect(await ask("http://examplebucket.s3.amazonaws.com/test.txt", { headers })).toBe("404 NoSuchKey");
  });

  it("GET the lifecycle, a query parameter without a value", async () => {
    const signature = "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543";
    const headers = {
      ...seed.headers,
      Authorization: authorization("host;x-amz-content-sha256;x-amz-date", signature),
    };
    expect(await ask("http://examplebucket.s3.amazonaws.com/?lifecycle", { headers })).toBe(
      "404 NoSuchLifecycleConfiguration",
    );
  });

  it("list objects, two query parameters", async () => {
    const signature = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7";
    const headers = {
      ...seed.headers,
      Authorization: authorization("host;x-amz-content-sha256;x-amz-date", signature),
    };
    expect(await ask("http://examplebucket.s3.amazonaws.com/?max-keys=2&prefix=J", { headers })).toContain("200 ");
  });

  it("a presigned GET for a day", async () => {
    const query =
      `X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=${encodeURIComponent(CREDENTIAL)}` +
      "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host" +
      "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
    const url = `http://examplebucket.s3.amazonaws.com/test.txt?${query}`;
    expect(await ask(url, {})).toBe("404 NoSuchKey");
    expect(await ask(url.replace("86400", "86401"), {})).toBe("403 SignatureDoesNotMatch");
  });
});

describe("the published aws-chunked examples are accepted, chunk by chunk", () => {
  const url = "http://s3.amazonaws.com/examplebucket/chunkObject.txt";

  function chunkedBody(signatures: readonly [string, string, string], tail: string): string {
    const [first, second, last] = signatures;
    return (
      `10000;chunk-signature=${first}\r\n${"a".repeat(65_536)}\r\n` +
      `400;chunk-signature=${second}\r\n${"a".repeat(1024)}\r\n0;chunk-signature=${last}\r\n${tail}`
    );
  }

  it("signed chunks", async () => {
    const headers = {
      "x-amz-date": "20130524T000000Z",
      "x-amz-storage-class": "REDUCED_REDUNDANCY",
      "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
      "content-encoding": "aws-chunked",
      "x-amz-decoded-content-length": "66560",
      "content-length": "66824",
      Authorization: authorization(
        "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class",
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
      ),
    };
    const body = chunkedBody(
      [
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
      ],
      "\r\n",
    );
    expect(await ask(url, { method: "PUT", headers, body })).toBe("200");
    expect(await ask(url, { method: "PUT", headers, body: body.replace("aaaa\r\n0", "aaab\r\n0") })).toBe(
      "403 SignatureDoesNotMatch",
    );
  });

  it("signed chunks and a signed trailer", async () => {
    const headers = {
      "x-amz-date": "20130524T000000Z",
      "x-amz-storage-class": "REDUCED_REDUNDANCY",
      "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
      "content-encoding": "aws-chunked",
      "x-amz-decoded-content-length": "66560",
      "x-amz-trailer": "x-amz-checksum-crc32c",
      Authorization: authorization(
        "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer",
        "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
      ),
    };
    const trailer = (signature: string) =>
      `x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:${signature}\r\n\r\n`;
    const chunks = [
      "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
      "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
      "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
    ] as const;
    const good = chunkedBody(chunks, trailer("d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"));
    expect(await ask(url, { method: "PUT", headers, body: good })).toBe("200");
    const bad = chunkedBody(chunks, trailer("0".repeat(64)));
    expect(await ask(url, { method: "PUT", headers, body: bad })).toBe("403 SignatureDoesNotMatch");
  });
});
