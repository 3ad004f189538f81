/** The aws-chunked decoder as a property: however the network cuts the bytes, the same content comes out or none. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeChunked } from "../../worker/s3-door/chunked.ts";
import { S3Error } from "../../worker/s3-door/errors.ts";
import { concat } from "../../worker/s3-door/stream.ts";

const form = { seal: undefined, trailers: ["x-amz-checksum-crc32"] };

function encode(content: Uint8Array, size: number): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < content.length; at += size) {
    const piece = content.subarray(at, at + size);
    parts.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from("\r\n"));
  }
  parts.push(Buffer.from("0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"));
  return concat(parts);
}

async function* cut(bytes: Uint8Array, cuts: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (const size of cuts) {
    yield bytes.subarray(at, at + size);
    at += size;
  }
  if (at < bytes.length) yield bytes.subarray(at);
}

async function decode(
  source: AsyncGenerator<Uint8Array>,
): Promise<{ content: Uint8Array; trailers: Map<string, string> }> {
  const trailers = new Map<string, string>();
  const pieces: Uint8Array[] = [];
  for await (const piece of decodeChunked(source, form, trailers)) pieces.push(piece.slice());
  return { content: concat(pieces), trailers };
}

const content = fc.uint8Array({ maxLength: 300 });
const size = fc.integer({ min: 1, max: 64 });
const cuts = fc.array(fc.integer({ min: 1, max: 40 }));

describe("aws-chunked", () => {
  it("decodes what was encoded, cut anywhere", async () => {
    await fc.assert(
      fc.asyncProperty(content, size, cuts, async (bytes, chunk, pieces) => {
        const decoded = await decode(cut(encode(bytes, chunk), pieces));
        expect(Buffer.compare(decoded.content, bytes)).toBe(0);
        expect(decoded.trailers.get("x-amz-checksum-crc32")).toBe("AAAAAA==");
      }),
    );
  });

  it("never takes a body that breaks off before its trailer", async () => {
    await fc.assert(
      fc.asyncProperty(content, size, cuts, fc.nat(), async (bytes, chunk, pieces, stop) => {
        const whole = encode(bytes, chunk);
        // Up to the last character of the trailer's value; what follows is line ends.
        const broken = whole.subarray(0, stop % (whole.length - 4));
        await expect(decode(cut(broken, pieces))).rejects.toBeInstanceOf(S3Error);
      }),
    );
  });
});
