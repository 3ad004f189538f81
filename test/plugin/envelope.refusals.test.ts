/** What must never open: altered, cut, moved, extended or exchanged objects. Every case says how it is refused. */
import { Encrypter, identityToRecipient } from "age-encryption";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { CHUNK_BYTES, TAG_BYTES } from "../../client-plugin/envelope/chunks.ts";
import { encodeHeader, readHeader } from "../../client-plugin/envelope/header.ts";
import { type KekLookup, kidOf, type SealContext, unlock, wrapWithKek } from "../../client-plugin/envelope/kek.ts";
import { open, recover } from "../../client-plugin/envelope/open.ts";
import { ByteReader } from "../../client-plugin/envelope/reader.ts";
import { EnvelopeError } from "../../client-plugin/envelope/refusal.ts";
import { headerLength, seal } from "../../client-plugin/envelope/seal.ts";
import { collect, context, kek, otherWallet, patterned, pieces, recovery, refusal, sealed } from "./fixture.ts";

const SEALED_CHUNK = CHUNK_BYTES + TAG_BYTES;
const BODY = headerLength(true) + 16;
const PLAIN = patterned(2 * CHUNK_BYTES + 100);
const byKid: KekLookup = (kid) => (kid === kidOf(kek) ? kek : undefined);

let recipient: string;
let object: Buffer;
beforeAll(async () => {
  recipient = await identityToRecipient(recovery.identity);
  object = await sealed(PLAIN, { recovery: recipient });
});

function opening(bytes: Uint8Array, change: Partial<SealContext> = {}, kekFor = byKid): Promise<Buffer> {
  return collect(open({ source: pieces(bytes, 50_000), kekFor, context: { ...context, ...change } }));
}

function flipped(bytes: Uint8Array, at: number, bit = 1): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ bit;
  return copy;
}

describe("one flipped bit", () => {
  test("anywhere in the header, and in the payload nonce", async () => {
    for (let at = 0; at < BODY; at++) {
      const [everyday, byOwner] = await Promise.all([
        refusal(opening(flipped(object, at))),
        refusal(collect(recover({ source: pieces(flipped(object, at)), identity: recovery.identity }))),
      ]);
      expect(everyday, `byte ${at}`).toMatch(
        /^(not_sealed|bad_header|no_kek_stanza|unknown_kid|wrong_key_or_context|bad_header_mac|bad_payload)$/,
      );
      expect(byOwner, `byte ${at}`).toMatch(/^(not_sealed|bad_header|no_recovery_stanza|bad_header_mac|bad_payload)$/);
    }
  });

  test.each([
    ["the first chunk", 0],
    ["the first chunk's tag", CHUNK_BYTES],
    ["the second chunk", SEALED_CHUNK + 9],
    ["the second chunk's tag", 2 * SEALED_CHUNK - 1],
    ["the last chunk", 2 * SEALED_CHUNK + 50],
    ["the last chunk's tag", 2 * SEALED_CHUNK + 100 + 15],
  ])("in %s", async (_, at) => {
    expect(await refusal(opening(flipped(object, BODY + at)))).toBe("bad_payload");
  });

  test("at any place of the object", async () => {
    const place = fc.tuple(fc.integer({ min: 0, max: object.length - 1 }), fc.integer({ min: 0, max: 7 }));
    await fc.assert(
      fc.asyncProperty(place, async ([at, bit]) => {
        await expect(opening(flipped(object, at, 1 << bit))).rejects.toBeInstanceOf(EnvelopeError);
      }),
      { numRuns: 100 },
    );
  });

  test("releases no byte of the damaged chunk or of those after it", async () => {
    const released: Uint8Array[] = [];
    const source = pieces(flipped(object, BODY + SEALED_CHUNK + 9));
    const reading = (async () => {
      for await (const piece of open({ source, kekFor: byKid, context })) released.push(piece);
    })();
    expect(await refusal(reading)).toBe("bad_payload");
    expect(Buffer.concat(released).equals(PLAIN.subarray(0, CHUNK_BYTES))).toBe(true);
  });
});

describe("cut, moved, extended", () => {
  test("at every chunk border, inside chunks, inside the header", async () => {
    for (const at of [
      0,
      1,
      22,
      100,
      BODY - 17,
      BODY - 1,
      BODY,
      BODY + 5,
      BODY + SEALED_CHUNK,
      BODY + 2 * SEALED_CHUNK,
    ]) {
      await expect(opening(object.subarray(0, at)), `cut at ${at}`).rejects.toBeInstanceOf(EnvelopeError);
    }
    expect(await refusal(opening(object.subarray(0, -1)))).toBe("bad_payload");
  });

  test("chunks in another order, missing from the middle, or twice", async () => {
    const chunk = (index: number): Buffer =>
      object.subarray(BODY + index * SEALED_CHUNK, BODY + (index + 1) * SEALED_CHUNK);
    const front = object.subarray(0, BODY);
    for (const order of [[1, 0, 2], [0, 2], [1, 2], [0, 0, 1, 2], [0, 1, 1, 2], [2]]) {
      const bytes = Buffer.concat([front, ...order.map(chunk)]);
      expect(await refusal(opening(bytes)), order.join()).toBe("bad_payload");
    }
  });

  test("bytes or whole chunks after the last", async () => {
    for (const tail of [Buffer.alloc(1), Buffer.alloc(TAG_BYTES), object.subarray(BODY, BODY + SEALED_CHUNK)]) {
      expect(await refusal(opening(Buffer.concat([object, tail])))).toBe("bad_payload");
    }
  });

  test("the payload of another object of the same wallet", async () => {
    const other = await sealed(PLAIN, { recovery: recipient });
    expect(await refusal(opening(Buffer.concat([object.subarray(0, BODY), other.subarray(BODY)])))).toBe("bad_payload");
    expect(await refusal(opening(Buffer.concat([object.subarray(0, BODY - 16), other.subarray(BODY - 16)])))).toBe(
      "bad_payload",
    );
  });
});

describe("exchanged", () => {
  test.each<[string, Partial<SealContext>]>([
    ["wallet", { wallet: otherWallet }],
    ["object", { objectId: "notes/2025" }],
    ["version", { version: 4 }],
    ["older version", { version: 2 }],
    ["chain", { chainId: 84_532 }],
  ])("sealed for another %s", async (_, change) => {
    expect(await refusal(opening(object, change))).toBe("wrong_key_or_context");
  });

  test("contexts whose fields join to the same text stay apart", async () => {
    const bytes = await sealed(PLAIN, { context: { ...context, objectId: "a", version: 11 } });
    expect(await refusal(opening(bytes, { objectId: "a1", version: 1 }))).toBe("wrong_key_or_context");
  });

  test("a KEK that is not here, and a lookup that returns another one", async () => {
    expect(await refusal(opening(object, {}, () => undefined))).toBe("unknown_kid");
    expect(await refusal(opening(object, {}, () => new Uint8Array(32)))).toBe("bad_input");
  });

  test("a wrapped key of another object in this header, even under a right MAC", async () => {
    const header = await readHeader(new ByteReader(pieces(object)));
    const { fileKey } = await unlock(header, byKid, context);
    const foreign = wrapWithKek(fileKey, kek, new Uint8Array(12), { ...context, objectId: "other" });
    const bytes = Buffer.concat([encodeHeader([foreign], fileKey), object.subarray(BODY - 16)]);
    expect(await refusal(opening(bytes))).toBe("wrong_key_or_context");
  });

  test("no KEK stanza, two of them, or one whose spelling differs", async () => {
    const header = await readHeader(new ByteReader(pieces(object)));
    const { fileKey } = await unlock(header, byKid, context);
    const [ours, x25519] = header.stanzas;
    if (ours === undefined || x25519 === undefined) throw new Error("the object has two stanzas");
    const under = (stanzas: (typeof ours)[]) =>
      refusal(opening(Buffer.concat([encodeHeader(stanzas, fileKey), object.subarray(BODY - 16)])));
    expect(await under([])).toBe("bad_header");
    expect(await under([ours])).toBe("nothing was refused");
    expect(await under([x25519])).toBe("no_kek_stanza");
    expect(await under([ours, ours])).toBe("no_kek_stanza");
    expect(await under([{ ...ours, args: [...ours.args, "more"] }])).toBe("bad_header");
    const [kid = "", nonce = ""] = ours.args;
    // The version that the stanza names is authenticated, not believed; one that names none was sealed before versions were counted.
    expect(await under([{ ...ours, args: [kid, nonce] }])).toBe("nothing was refused");
    for (const version of ["000000004", "000000002"])
      expect(await under([{ ...ours, args: [kid, nonce, version] }])).toBe("wrong_key_or_context");
    for (const version of ["3", "0000000003", "000000000", "00000000x", "+00000003"])
      expect(await under([{ ...ours, args: [kid, nonce, version] }])).toBe("bad_header");
    expect(await under([{ ...ours, args: ours.args.slice(0, 1) }])).toBe("bad_header");
    expect(await under([{ ...ours, body: ours.body.subarray(1) }])).toBe("bad_header");
    expect(await under([{ ...ours, args: ["../../../etc/abc", "AAAAAAAAAAAAAAAA"] }])).toBe("bad_header");
  });

  test("a stranger's recovery key, one with a typo, and a file that is not sealed at all", async () => {
    const by = (identity: string, bytes: Uint8Array = object) =>
      refusal(collect(recover({ source: pieces(bytes), identity })));
    expect(await by(recovery.stranger)).toBe("no_recovery_stanza");
    expect(await by(recovery.identity.replace("EGTZ", "EGTS"))).toBe("bad_recovery_key");
    expect(await by(recovery.identity, PLAIN)).toBe("not_sealed");
    expect(await by(recovery.identity, await sealed(PLAIN))).toBe("no_recovery_stanza");
    const encrypter = new Encrypter();
    encrypter.setScryptWorkFactor(1);
    encrypter.setPassphrase("x");
    expect(await by(recovery.identity, await encrypter.encrypt("x"))).toBe("no_recovery_stanza");
  });
});

describe("nothing is sealed under nonsense", () => {
  const source = () => pieces(PLAIN);
  test.each<[string, () => unknown]>([
    ["a short KEK", () => seal({ source: source(), kek: kek.subarray(1), context })],
    ["version 0", () => seal({ source: source(), kek, context: { ...context, version: 0 } })],
    ["a chain id that is no integer", () => seal({ source: source(), kek, context: { ...context, chainId: 1.5 } })],
    ["no object id", () => seal({ source: source(), kek, context: { ...context, objectId: "" } })],
    ["half a surrogate pair", () => seal({ source: source(), kek, context: { ...context, objectId: "\ud800" } })],
    ["a mistyped recipient", () => seal({ source: source(), kek, context, recovery: `${recipient.slice(0, -1)}q` })],
    [
      "an identity in the recipient's place",
      () => seal({ source: source(), kek, context, recovery: recovery.identity }),
    ],
  ])("%s", (_, attempt) => {
    expect(attempt).toThrow(EnvelopeError);
  });

  test("a source that fails fails the sealing, and is closed when reading stops early", async () => {
    const broken = (async function* () {
      yield PLAIN;
      throw new Error("disk gone");
    })();
    await expect(collect(seal({ source: broken, kek, context }).bytes)).rejects.toThrow("disk gone");

    let closed = false;
    const watched = (async function* () {
      try {
        for (;;) yield object;
      } finally {
        closed = true;
      }
    })();
    for await (const _ of open({ source: watched, kekFor: byKid, context })) break;
    expect(closed).toBe(true);
  });
});
