/**
 * Other people's vectors: the C2SP CCTV age suite, its files for X25519 recipients, headers and payloads, read by our
 * recovery path, which shares header, MAC and chunk code with everyday reading. Origin and licence stand in the file.
 */
import { createHash } from "node:crypto";
import { inflateSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { recover } from "../../client-plugin/envelope/open.ts";
import { pieces, recovery, refusal } from "./fixture.ts";
import suite from "./vectors/age-cctv.json" with { type: "json" };

const CODES: Readonly<Record<string, readonly unknown[]>> = {
  success: ["nothing was refused"],
  "no match": ["no_recovery_stanza"],
  "HMAC failure": ["bad_header_mac"],
  "header failure": ["bad_header", "not_sealed"],
  "payload failure": ["bad_payload"],
};

function parse(encoded: string) {
  const file = Buffer.from(encoded, "base64");
  const split = file.indexOf("\n\n");
  const field = (key: string): string | undefined =>
    new RegExp(`^${key}: (.*)$`, "m").exec(file.subarray(0, split).toString())?.[1];
  const body = file.subarray(split + 2);
  return {
    expect: field("expect") ?? "",
    identity: field("identity") ?? recovery.identity,
    payload: field("payload"),
    object: field("compressed") === "zlib" ? inflateSync(body) : body,
  };
}

describe("C2SP CCTV", () => {
  test.each(Object.entries(suite.vectors))("%s", async (_, encoded) => {
    const vector = parse(encoded);
    const hash = createHash("sha256");
    const reading = (async () => {
      for await (const piece of recover({ source: pieces(vector.object), identity: vector.identity }))
        hash.update(piece);
    })();
    expect(CODES[vector.expect]).toContain(await refusal(reading));
    // A refused payload may release less than the reference does, never something else; only whole ones are compared.
    if (vector.expect === "success") expect(hash.digest("hex")).toBe(vector.payload);
  });
});
