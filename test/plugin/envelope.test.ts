/** The sealed format from outside: what goes in comes out, for us, for the age library and for Debian's age. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Decrypter, Encrypter, identityToRecipient } from "age-encryption";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { CHUNK_BYTES } from "../../client-plugin/envelope/chunks.ts";
import { readHeader } from "../../client-plugin/envelope/header.ts";
import { kidOf, wrappedDek } from "../../client-plugin/envelope/kek.ts";
import { open, recover } from "../../client-plugin/envelope/open.ts";
import { ByteReader } from "../../client-plugin/envelope/reader.ts";
import { headerLength, seal, sealedLength, sealWith } from "../../client-plugin/envelope/seal.ts";
import { collect, context, kek, patterned, pieces, recovery, refusal, scratch, sealed } from "./fixture.ts";
import golden from "./vectors/sealed-golden.json" with { type: "json" };
import unversioned from "./vectors/sealed-golden-unversioned.json" with { type: "json" };

const kekFor = (kid: string) => (kid === kidOf(kek) ? kek : undefined);
const opened = (bytes: Uint8Array, size?: number) => collect(open({ source: pieces(bytes, size), kekFor, context }));
const recovered = (bytes: Uint8Array, identity: string = recovery.identity) =>
  collect(recover({ source: pieces(bytes), identity }));

let recipient: string;
beforeAll(async () => {
  recipient = await identityToRecipient(recovery.identity);
});

/** Sizes where a chunk boundary could be miscounted, and any in between. */
const plainSize = fc.oneof(
  fc
    .tuple(fc.constantFrom(0, 1, 2, 3), fc.integer({ min: -17, max: 17 }))
    .map(([chunks, off]) => Math.max(0, chunks * CHUNK_BYTES + off)),
  fc.integer({ min: 0, max: 3 * CHUNK_BYTES }),
);

describe("round trip", () => {
  test.each([0, 1, 65_535, 65_536, 65_537, 131_072, 196_609])("%i bytes", async (size) => {
    const plain = patterned(size);
    const object = await sealed(plain, { recovery: recipient });
    expect(object.length).toBe(sealedLength(size, headerLength(true)));
    expect((await opened(object)).equals(plain)).toBe(true);
    expect((await recovered(object)).equals(plain)).toBe(true);
  });

  test("any size, cut into any pieces, with and without recovery: exact length, same bytes", async () => {
    const piece = fc.constantFrom(1_000, 4_095, 65_536, 65_552, 1_000_000);
    await fc.assert(
      fc.asyncProperty(plainSize, piece, piece, fc.boolean(), async (size, inPiece, outPiece, withRecovery) => {
        const plain = patterned(size);
        const options = {
          source: pieces(plain, inPiece),
          kek,
          context,
          recovery: withRecovery ? recipient : undefined,
        };
        const object = await collect(seal(options).bytes);
        expect(object.length).toBe(sealedLength(size, headerLength(withRecovery)));
        expect((await opened(object, outPiece)).equals(plain)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test("two sealings of one plaintext share nothing but the header's fixed words", async () => {
    const [a, b] = [await sealed(patterned(64)), await sealed(patterned(64))];
    const body = headerLength(false);
    expect(a.subarray(body).equals(b.subarray(body))).toBe(false);
    expect(a.subarray(body, body + 16).equals(b.subarray(body, body + 16))).toBe(false);
  });

  test("progress counts plain bytes up to all of them", async () => {
    const seen: number[] = [];
    await sealed(patterned(150_000), { onProgress: (bytes) => seen.push(bytes) });
    expect(seen).toEqual([65_536, 131_072, 150_000]);
  });
});

describe("the wrapped key", () => {
  test("is the KEK stanza, small enough for S3 metadata, naming the kid and no key", async () => {
    const sealing = seal({ source: pieces(new Uint8Array(0)), kek, context, recovery: recipient });
    const stanza = Buffer.from(sealing.wrappedDek, "base64").toString("latin1");
    expect(stanza).toMatch(
      new RegExp(`^-> mnemospark-kek ${kidOf(kek)} [A-Za-z0-9+/]{16} 000000003\n[A-Za-z0-9+/]{43}\n$`),
    );
    expect(sealing.wrappedDek).toHaveLength(144);
    expect(Buffer.from(sealing.header).includes(stanza)).toBe(true);
    expect(wrappedDek(await readHeader(new ByteReader(pieces(sealing.header))))).toBe(sealing.wrappedDek);
  });
});

describe("with the age library", () => {
  test.each([0, 65_536, 65_537, 257 * CHUNK_BYTES + 5])("ours of %i bytes opens there", async (size) => {
    const plain = patterned(size);
    const decrypter = new Decrypter();
    decrypter.addIdentity(recovery.identity);
    const theirs = await decrypter.decrypt(await sealed(plain, { recovery: recipient }));
    expect(Buffer.from(theirs).equals(plain)).toBe(true);
  });

  test.each([0, 1, 65_536, 65_537, 200_000])("theirs of %i bytes opens by recover, never by open", async (size) => {
    const plain = patterned(size);
    const encrypter = new Encrypter();
    encrypter.addRecipient(await identityToRecipient(recovery.stranger));
    encrypter.addRecipient(recipient);
    const object = await encrypter.encrypt(plain);
    expect((await recovered(object)).equals(plain)).toBe(true);
    expect(await refusal(opened(object))).toBe("no_kek_stanza");
  });
});

const age = spawnSync("age", ["--version"]).error === undefined;
if (!age) console.warn("SKIPPED: no `age` binary on this machine, so the cross-test against it did not run.");

describe.skipIf(!age)("with the age binary", () => {
  const dir = scratch();
  test("each opens what the other sealed", () => {
    const key = join(dir, "key.txt");
    writeFileSync(key, `${recovery.identity}\n`, { mode: 0o600 });
    return Promise.all(
      [0, 1, 65_536, 131_073].map(async (size) => {
        const plain = patterned(size);
        const path = join(dir, `object-${size}`);
        writeFileSync(path, await sealed(plain, { recovery: recipient }));
        const theirs = spawnSync("age", ["-d", "-i", key, path], { maxBuffer: 1e7 });
        expect(theirs.stderr.toString()).toBe("");
        expect(theirs.stdout.equals(plain)).toBe(true);

        const made = spawnSync("age", ["-r", recipient], { input: plain, maxBuffer: 1e7 });
        expect((await recovered(made.stdout)).equals(plain)).toBe(true);
      }),
    );
  });
});

describe("golden vectors", () => {
  test.each(golden.vectors)("$plainBytes bytes are sealed as they always were, and open", async (vector) => {
    const hex = (text: string) => Buffer.from(text, "hex");
    const { material } = golden;
    const plain = patterned(vector.plainBytes);
    const fixed = {
      fileKey: hex(material.fileKey),
      kekNonce: hex(material.kekNonce),
      ephemeral: hex(material.ephemeral),
      payloadNonce: hex(material.payloadNonce),
    };
    const sealing = sealWith(fixed, { source: pieces(plain), kek, context, recovery: recipient });
    const object = await collect(sealing.bytes);
    expect(createHash("sha256").update(object).digest("hex")).toBe(vector.sha256);
    expect(sealing.wrappedDek).toBe(golden.wrappedDek);
    if (vector.sealed !== undefined) {
      expect((await opened(Buffer.from(vector.sealed, "base64"))).equals(plain)).toBe(true);
      expect((await recovered(Buffer.from(vector.sealed, "base64"))).equals(plain)).toBe(true);
    }
  });

  const before = unversioned.vectors.flatMap(({ plainBytes, sealed }) => (sealed ? [{ plainBytes, sealed }] : []));
  test.each(before)("$plainBytes bytes sealed before the stanza named its version open", async (vector) => {
    const object = Buffer.from(vector.sealed, "base64");
    const plain = patterned(vector.plainBytes);
    expect((await opened(object)).equals(plain)).toBe(true);
    expect((await recovered(object)).equals(plain)).toBe(true);
    const { version: _, ...named } = context;
    // Without a version from anywhere it is the first, and this one was sealed as the third.
    expect(await refusal(collect(open({ source: pieces(object), kekFor, context: named })))).toBe(
      "wrong_key_or_context",
    );
  });
});

test("sealing and opening 256 MiB stays within a constant", () => {
  const program = fileURLToPath(new URL("./envelope.memory.ts", import.meta.url));
  const { stdout, stderr } = spawnSync(process.execPath, [program, "256"]);
  expect(stderr.toString()).toBe("");
  expect(Number(stdout.toString())).toBeGreaterThan(0);
  expect(Number(stdout.toString())).toBeLessThan(120);
});
