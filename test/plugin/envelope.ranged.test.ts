/** Parts of an object, and objects whose key was rotated. */

import { identityToRecipient } from "age-encryption";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CHUNK_BYTES } from "../../client-plugin/envelope/chunks.ts";
import { readHeader } from "../../client-plugin/envelope/header.ts";
import { kidOf, parseWrappedDek, wrappedDek } from "../../client-plugin/envelope/kek.ts";
import { open, recover } from "../../client-plugin/envelope/open.ts";
import { openRanged, type RangeSource } from "../../client-plugin/envelope/range.ts";
import { ByteReader } from "../../client-plugin/envelope/reader.ts";
import { rewrap, rewrapDek, rewrapRecovered } from "../../client-plugin/envelope/rewrap.ts";
import { collect, context, kek, patterned, pieces, recovery, refusal, sealed } from "./fixture.ts";

const next = new Uint8Array(32).fill(9);
const kekFor = (kid: string) => [kek, next].find((each) => kidOf(each) === kid);
const ofBytes =
  (object: Uint8Array, asked: [number, number][] = []): RangeSource =>
  (start, end) => {
    asked.push([start, end]);
    return pieces(object.subarray(start, end), 7_001);
  };
const ranged = (object: Uint8Array, over: { wrappedDek?: string; sealedBytes?: number } = {}) =>
  openRanged({ source: ofBytes(object), sealedBytes: object.length, kekFor, context, ...over });

describe("a part of an object", () => {
  test("any part of any size equals the same part of the plaintext", async () => {
    const size = fc.oneof(fc.constantFrom(0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1), fc.nat(300_000));
    await fc.assert(
      fc.asyncProperty(size, fc.nat(320_000), fc.nat(320_000), async (bytes, one, two) => {
        const plain = patterned(bytes);
        const part = await ranged(await sealed(plain));
        expect(part.plainBytes).toBe(bytes);
        const [start, end] = one < two ? [one, two] : [two, one];
        expect((await collect(part.read(start, end))).equals(plain.subarray(start, end))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test("asks only for the header and the chunks it lies in", async () => {
    const object = await sealed(patterned(10 * CHUNK_BYTES));
    const asked: [number, number][] = [];
    const part = await openRanged({ source: ofBytes(object, asked), sealedBytes: object.length, kekFor, context });
    await collect(part.read(3 * CHUNK_BYTES + 5, 4 * CHUNK_BYTES + 5));
    const body = object.length - 10 * (CHUNK_BYTES + 16);
    expect(asked).toEqual([
      [0, 1024],
      [body + 3 * (CHUNK_BYTES + 16), body + 5 * (CHUNK_BYTES + 16)],
    ]);
  });

  test("of a damaged, cut, grown or misnamed object is refused; of its sound chunks it is not", async () => {
    const plain = patterned(3 * CHUNK_BYTES + 100);
    const object = await sealed(plain);
    const damaged = Uint8Array.from(object);
    damaged.set([0x55 ^ (object.at(-20_000) ?? 0)], object.length - 20_000);
    const part = await ranged(damaged);
    expect((await collect(part.read(0, CHUNK_BYTES))).equals(plain.subarray(0, CHUNK_BYTES))).toBe(true);
    expect(await refusal(collect(part.read(2 * CHUNK_BYTES, 3 * CHUNK_BYTES)))).toBe("bad_payload");
    const cut = object.subarray(0, object.length - 116);
    expect(await refusal(collect((await ranged(cut)).read(2 * CHUNK_BYTES, 3 * CHUNK_BYTES)))).toBe("bad_payload");
    expect(await refusal(ranged(object.subarray(0, object.length - 100)))).toBe("bad_payload");
    const grown = await ranged(object, { sealedBytes: object.length + 5 });
    expect(await refusal(collect(grown.read(3 * CHUNK_BYTES, 4 * CHUNK_BYTES)))).toBe("bad_payload");
    const other = { ...context, objectId: "another" };
    const swapped = openRanged({ source: ofBytes(object), sealedBytes: object.length, kekFor, context: other });
    expect(await refusal(swapped)).toBe("wrong_key_or_context");
    expect(await refusal(collect(part.read(5, 4)))).toBe("bad_input");
  });

  test("of something that is no object is refused", async () => {
    expect(await refusal(ranged(patterned(2_000)))).toBe("not_sealed");
    const object = await sealed(patterned(10));
    expect(await refusal(ranged(object.subarray(0, 150)))).toMatch(/^bad_/);
  });
});

describe("a rotated key", () => {
  const headerOf = (object: Uint8Array) => readHeader(new ByteReader(pieces(object)));

  test("opens the object as it lies in store, whole and in part; the old key is not needed any more", async () => {
    const plain = patterned(100_000);
    const object = await sealed(plain);
    const once = await rewrap({ header: await headerOf(object), kekFor, context, kek: next });
    const onlyNew = (kid: string) => (kid === kidOf(next) ? next : undefined);
    const { wrappedDek } = once;
    const whole = open({ source: pieces(object), kekFor: onlyNew, context, wrappedDek });
    expect((await collect(whole)).equals(plain)).toBe(true);
    const part = await openRanged({
      source: ofBytes(object),
      sealedBytes: object.length,
      kekFor: onlyNew,
      context,
      wrappedDek,
    });
    expect((await collect(part.read(70_000, 70_010))).equals(plain.subarray(70_000, 70_010))).toBe(true);
    expect(await refusal(collect(open({ source: pieces(object), kekFor: onlyNew, context })))).toBe("unknown_kid");
  });

  test("a copy with its new header stands alone, also for the recovery key", async () => {
    const plain = patterned(1_000);
    const recipient = await identityToRecipient(recovery.identity);
    const object = await sealed(plain, { recovery: recipient });
    const header = await headerOf(object);
    const rotated = await rewrap({ header, kekFor, context, kek: next });
    expect(rotated.header.length).toBe(header.bytes.length);
    const copy = Buffer.concat([rotated.header, object.subarray(header.bytes.length)]);
    expect((await collect(open({ source: pieces(copy), kekFor, context }))).equals(plain)).toBe(true);
    expect((await collect(recover({ source: pieces(copy), identity: recovery.identity }))).equals(plain)).toBe(true);
  });

  test("of another object, or none at all, opens nothing: the object's own decides, and is refused where its key is not here", async () => {
    const [one, two] = [await sealed(patterned(10)), await sealed(patterned(10))];
    const ofTwo = await rewrap({ header: await headerOf(two), kekFor, context, kek: next });
    const onlyNew = (kid: string) => (kid === kidOf(next) ? next : undefined);
    const foreign = ["", "AAAA", Buffer.from("-> X25519 a\nAAAA\n").toString("base64"), ofTwo.wrappedDek];
    for (const wrappedDek of foreign) {
      const read = (lookup: typeof kekFor) =>
        collect(open({ source: pieces(one), kekFor: lookup, context, wrappedDek }));
      expect((await read(kekFor)).equals(patterned(10))).toBe(true);
      expect(await refusal(read(onlyNew))).toBe("unknown_kid");
    }
    const later = { ...context, version: context.version + 1 };
    expect(await refusal(rewrap({ header: await headerOf(one), kekFor, context: later, kek: next }))).toBe(
      "wrong_key_or_context",
    );
    for (const wrappedDek of foreign.slice(0, 3)) expect(() => parseWrappedDek(wrappedDek)).toThrow("malformed");
    expect(parseWrappedDek(ofTwo.wrappedDek).args[0]).toBe(kidOf(next));
  });

  test("made without the object at hand opens it, and says which version it is", async () => {
    const plain = patterned(100);
    const object = await sealed(plain);
    const own = wrappedDek(await headerOf(object));
    const { version: _, ...anyVersion } = context;
    const rotated = await rewrapDek({ wrappedDek: own, kekFor, context: anyVersion, kek: next });
    expect(rotated.version).toBe(context.version);
    const seen: number[] = [];
    const onlyNew = (kid: string) => (kid === kidOf(next) ? next : undefined);
    const read = open({
      source: pieces(object),
      kekFor: onlyNew,
      context: anyVersion,
      wrappedDek: rotated.wrappedDek,
      onUnlocked: ({ version }) => seen.push(version),
    });
    expect((await collect(read)).equals(plain)).toBe(true);
    expect(seen).toEqual([context.version]);
    const other = { ...anyVersion, objectId: "notes/2025" };
    expect(await refusal(rewrapDek({ wrappedDek: own, kekFor, context: other, kek: next }))).toBe(
      "wrong_key_or_context",
    );
  });

  test("made by the recovery identity opens it: the keys were lost, the words were not", async () => {
    const plain = patterned(100);
    const object = await sealed(plain, { recovery: await identityToRecipient(recovery.identity) });
    const header = await headerOf(object);
    const { version: _, ...anyVersion } = context;
    const made = rewrapRecovered({ header, identity: recovery.identity, context: anyVersion, kek: next });
    const onlyNew = (kid: string) => (kid === kidOf(next) ? next : undefined);
    const read = open({ source: pieces(object), kekFor: onlyNew, context, wrappedDek: made.wrappedDek });
    expect((await collect(read)).equals(plain)).toBe(true);
    const stranger = () => rewrapRecovered({ header, identity: recovery.stranger, context: anyVersion, kek: next });
    expect(stranger).toThrow("not sealed for this recovery key");
  });
});
