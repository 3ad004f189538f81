/** Files: sealed ones that S3 can be told about beforehand, opened ones that appear whole or not at all, and old ones. */
import { createCipheriv, createHash, randomBytes } from "node:crypto";
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { identityToRecipient } from "age-encryption";
import { describe, expect, test } from "vitest";
import { unpackArchive } from "../../client-plugin/archive/unpack.ts";
import { openToFile, recoverToFile, sealToFile } from "../../client-plugin/envelope/files.ts";
import { kidOf } from "../../client-plugin/envelope/kek.ts";
import { formatOf, openLegacyToFile } from "../../client-plugin/envelope/legacy.ts";
import { headerLength, sealedLength } from "../../client-plugin/envelope/seal.ts";
import { context, kek, patterned, pieces, recovery, refusal, scratch, sealed } from "./fixture.ts";
import old from "./vectors/legacy.json" with { type: "json" };

const root = scratch();
const fresh = () => mkdtemp(join(root, "case-"));
const kekFor = (kid: string) => (kid === kidOf(kek) ? kek : undefined);
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest();
const PLAIN = patterned(200_001);

async function* failing(): AsyncGenerator<Uint8Array, void, undefined> {
  yield PLAIN;
  throw new Error("disk gone");
}

describe("sealToFile", () => {
  test("tells length and hashes of both sides, in a private file", async () => {
    const path = join(await fresh(), "object");
    const recipient = await identityToRecipient(recovery.identity);
    const file = await sealToFile({ source: pieces(PLAIN), kek, context, recovery: recipient, path });
    const bytes = readFileSync(path);
    expect(file).toMatchObject({ path, plainBytes: PLAIN.length, plainSha256Hex: sha256(PLAIN).toString("hex") });
    expect(file.sealedBytes).toBe(sealedLength(PLAIN.length, headerLength(true)));
    expect(file.sealedBytes).toBe(bytes.length);
    expect(file.sha256Hex).toBe(sha256(bytes).toString("hex"));
    expect(file.sha256Base64).toBe(sha256(bytes).toString("base64"));
    expect(bytes.subarray(0, file.header.length).equals(file.header)).toBe(true);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test("refuses a taken path, a link included, and leaves nothing behind when the source fails", async () => {
    const dir = await fresh();
    const path = join(dir, "object");
    symlinkSync(join(dir, "elsewhere"), path);
    expect(await refusal(sealToFile({ source: pieces(PLAIN), kek, context, path }))).toBe("EEXIST");
    expect(existsSync(join(dir, "elsewhere"))).toBe(false);
    await expect(sealToFile({ source: failing(), kek, context, path: join(dir, "b") })).rejects.toThrow("disk gone");
    expect(readdirSync(dir)).toEqual(["object"]);
  });
});

describe("openToFile", () => {
  test("lands the plaintext with its hash, in a private file", async () => {
    const destination = join(await fresh(), "plain");
    const landed = await openToFile({ source: pieces(await sealed(PLAIN)), kekFor, context, destination });
    expect(landed).toMatchObject({ path: destination, bytes: PLAIN.length, sha256Hex: sha256(PLAIN).toString("hex") });
    expect(readFileSync(destination).equals(PLAIN)).toBe(true);
    expect(statSync(destination).mode & 0o777).toBe(0o600);
  });

  test("nothing appears for an object that is cut or altered at its end", async () => {
    const dir = await fresh();
    const object = await sealed(PLAIN);
    const destination = join(dir, "plain");
    for (const bytes of [object.subarray(0, -1), Buffer.concat([object, Buffer.of(0)])]) {
      expect(await refusal(openToFile({ source: pieces(bytes), kekFor, context, destination }))).toBe("bad_payload");
      expect(readdirSync(dir)).toEqual([]);
    }
  });

  test("an existing file stays, unless overwriting is asked for; a failed overwrite leaves the old one", async () => {
    const destination = join(await fresh(), "plain");
    writeFileSync(destination, "mine");
    const object = await sealed(PLAIN);
    const attempt = (bytes: Uint8Array, overwrite: boolean) =>
      refusal(openToFile({ source: pieces(bytes), kekFor, context, destination, overwrite }));
    expect(await attempt(object, false)).toBe("destination_exists");
    expect(await attempt(object.subarray(0, -1), true)).toBe("bad_payload");
    expect(readFileSync(destination, "utf8")).toBe("mine");
    expect(await attempt(object, true)).toBe("nothing was refused");
    expect(readFileSync(destination).equals(PLAIN)).toBe(true);
  });

  test("a taken destination is refused before a byte is asked for", async () => {
    const destination = join(await fresh(), "plain");
    writeFileSync(destination, "mine");
    let asked = false;
    const source = (async function* () {
      asked = true;
      yield PLAIN;
    })();
    expect(await refusal(openToFile({ source, kekFor, context, destination }))).toBe("destination_exists");
    expect(asked).toBe(false);
  });

  test("a file that appears while the object is being opened is not replaced", async () => {
    const dir = await fresh();
    const destination = join(dir, "plain");
    const onProgress = () => writeFileSync(destination, "mine");
    const opening = openToFile({ source: pieces(await sealed(PLAIN)), kekFor, context, destination, onProgress });
    expect(await refusal(opening)).toBe("destination_exists");
    expect(readFileSync(destination, "utf8")).toBe("mine");
    expect(readdirSync(dir)).toEqual(["plain"]);
  });

  test("recoverToFile lands by the recovery key alone", async () => {
    const destination = join(await fresh(), "plain");
    const object = await sealed(PLAIN, { recovery: await identityToRecipient(recovery.identity) });
    await recoverToFile({ source: pieces(object), identity: recovery.identity, destination });
    expect(readFileSync(destination).equals(PLAIN)).toBe(true);
  });
});

describe("the earlier client's format", () => {
  const object = Buffer.from(old.object, "base64");
  const read = async (change: {
    source?: Uint8Array;
    wrappedDek?: string | undefined;
    kek?: Uint8Array;
    size?: number;
  }) => {
    const dir = await fresh();
    const destination = join(dir, "archive.tar.gz");
    const source = pieces(change.source ?? object, change.size ?? 7);
    const wrappedDek = "wrappedDek" in change ? change.wrappedDek : old.wrappedDek;
    const code = await refusal(openLegacyToFile({ source, wrappedDek, keks: [change.kek ?? kek], destination }));
    return { code, dir, destination, left: readdirSync(dir) };
  };

  test("the stored vector opens and unpacks", async () => {
    const { code, dir, destination } = await read({});
    expect(code).toBe("nothing was refused");
    const out = join(dir, "out");
    await unpackArchive({
      source: pieces(readFileSync(destination)),
      destination: out,
      gzip: true,
      maxEntries: 10,
      maxBytes: 1e6,
    });
    expect(readFileSync(join(out, old.path), "utf8")).toBe(old.content);
  });

  test("is told from age by its first line", async () => {
    expect(formatOf(object)).toBe("legacy");
    expect(formatOf(await sealed(PLAIN))).toBe("age");
    expect(formatOf(new Uint8Array(0))).toBe("legacy");
  });

  test("large objects stream through any piece size", async () => {
    const dek = randomBytes(32);
    const box = (key: Uint8Array, plain: Uint8Array): Buffer => {
      const nonce = randomBytes(12);
      const cipher = createCipheriv("aes-256-gcm", key, nonce);
      return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
    };
    const plain = patterned(1_000_003);
    const wrappedDek = box(kek, dek).toString("base64");
    for (const size of [16, 65_536, 300_000, 2_000_000]) {
      const { code, destination } = await read({ source: box(dek, plain), wrappedDek, size });
      expect(code).toBe("nothing was refused");
      expect(readFileSync(destination).equals(plain)).toBe(true);
    }
    expect((await read({ source: box(dek, new Uint8Array(0)), wrappedDek })).code).toBe("nothing was refused");
  });

  test("nothing appears when a byte is flipped, the end is cut, or the key is wrong or missing", async () => {
    const altered = (at: number): Buffer => {
      const copy = Buffer.from(object);
      copy[at] = (copy[at] ?? 0) ^ 1;
      return copy;
    };
    for (const source of [
      altered(0),
      altered(20),
      altered(object.length - 1),
      object.subarray(0, -1),
      object.subarray(0, 20),
    ]) {
      expect(await read({ source })).toMatchObject({ code: "bad_payload", left: [] });
    }
    expect(await read({ kek: randomBytes(32) })).toMatchObject({ code: "wrong_key_or_context", left: [] });
    const newer = Buffer.from("-> mnemospark-kek 0fa901428c99a90d QkJCQkJCQkJCQkJC\n").toString("base64");
    for (const wrappedDek of [undefined, "", "not base64", old.wrappedDek.slice(4), newer]) {
      expect(await read({ wrappedDek })).toMatchObject({ code: "bad_wrapped_key", left: [] });
    }
  });

  test("a new object whose first line was altered does not open as an old one", async () => {
    const bytes = await sealed(PLAIN);
    bytes[0] = 0x41;
    expect(formatOf(bytes)).toBe("legacy");
    expect((await read({ source: bytes, wrappedDek: undefined })).code).toBe("bad_wrapped_key");
  });
});

test("a directory that cannot be written to is the operating system's refusal, not ours", async () => {
  const dir = await fresh();
  chmodSync(dir, 0o500);
  const code = await refusal(sealToFile({ source: pieces(PLAIN), kek, context, path: join(dir, "none", "object") }));
  expect(["ENOENT", "EACCES"]).toContain(code);
  chmodSync(dir, 0o700);
});
