import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  OBJECT_BYTES_MAX,
  PART_BYTES_DEFAULT,
  PART_BYTES_MAX,
  PART_BYTES_MIN,
  PARTS_MAX,
  PUT_BYTES_MAX,
} from "#contract/limits";
import { compositeSha256, partCount, partSpan } from "#contract/parts";
import { compositeOf, differenceOf } from "#rules/content";
import { checkPartBytes, needsParts, partBytesFor } from "#rules/parts";

const lengths = fc.oneof(
  fc.integer({ min: 1, max: OBJECT_BYTES_MAX }),
  fc.constantFrom(1, PART_BYTES_DEFAULT, PART_BYTES_DEFAULT + 1, PUT_BYTES_MAX, PUT_BYTES_MAX + 1),
  fc.constantFrom(PART_BYTES_DEFAULT * PARTS_MAX, PART_BYTES_DEFAULT * PARTS_MAX + 1, OBJECT_BYTES_MAX),
);

describe("the size of parts", () => {
  test("is one that S3 completes, for every length up to its largest object", () => {
    fc.assert(
      fc.property(lengths, (length) => {
        const size = partBytesFor(length);
        expect(checkPartBytes(length, size)).toEqual({ ok: true });
        expect(partCount(length, size)).toBeLessThanOrEqual(PARTS_MAX);
      }),
    );
  });

  test("of 50 TB is within 5 GiB, and in ten thousand parts; of 6 GB it is the default", () => {
    const size = partBytesFor(OBJECT_BYTES_MAX);
    expect(size).toBeLessThanOrEqual(PART_BYTES_MAX);
    expect(partCount(OBJECT_BYTES_MAX, size)).toBeGreaterThan(9_990);
    expect(partBytesFor(6_000_000_000)).toBe(PART_BYTES_DEFAULT);
    expect([needsParts(PUT_BYTES_MAX), needsParts(PUT_BYTES_MAX + 1)]).toEqual([false, true]);
  });

  test("may be chosen, but not so that S3 would refuse to complete", () => {
    for (const size of [PART_BYTES_MIN - 1, PART_BYTES_MAX + 1])
      expect(checkPartBytes(100, size)).toMatchObject({ code: "size_out_of_range" });
    expect(checkPartBytes(PART_BYTES_MIN * PARTS_MAX, PART_BYTES_MIN)).toEqual({ ok: true });
    expect(checkPartBytes(PART_BYTES_MIN * PARTS_MAX + 1, PART_BYTES_MIN)).toMatchObject({
      code: "size_out_of_range",
      detail: expect.stringContaining("at least 6291456"),
    });
  });

  test("cuts the object into spans that lie end to end and sum up to its length", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10 ** 9 }), fc.integer({ min: 10 ** 6, max: 10 ** 8 }), (length, size) => {
        let end = 0;
        for (let part = 1; part <= partCount(length, size); part++) {
          const span = partSpan(length, size, part);
          expect(span?.offset).toBe(end);
          end += span?.lengthBytes ?? Number.NaN;
        }
        expect(end).toBe(length);
        expect(partSpan(length, size, partCount(length, size) + 1)).toBeUndefined();
        expect(partSpan(length, size, 0)).toBeUndefined();
      }),
      { numRuns: 30 },
    );
  });
});

describe("what S3 holds of parts", () => {
  const pins = ["a", "b", "c"].map((text) => createHash("sha256").update(text).digest("hex"));
  const announced = { lengthBytes: 25, partBytes: 10, sha256: "ab".repeat(32) };

  test("is known by the SHA-256 over the parts' digests, once all were announced", () => {
    const over = createHash("sha256")
      .update(Buffer.from(pins.join(""), "hex"))
      .digest("hex");
    expect(compositeSha256(pins)).toBe(over);
    expect(compositeOf(announced, pins)).toBe(over);
    expect(compositeOf(announced, pins.slice(1))).toBeUndefined();
    expect(compositeOf(announced, [...pins.slice(1), ""])).toBeUndefined();
  });

  test("is the announced when length, composite and number of parts are", () => {
    const composite = compositeSha256(pins);
    const seen = { lengthBytes: 25, sha256Hex: undefined, composite: { sha256Hex: composite, parts: 3 } };
    const wanted = { ...announced, composite };
    expect(differenceOf(wanted, seen)).toBeUndefined();
    expect(differenceOf(wanted, { ...seen, composite: undefined })).toBeUndefined();
    expect(differenceOf(wanted, { ...seen, lengthBytes: 24 })).toContain("24 bytes");
    expect(differenceOf(wanted, { ...seen, composite: { sha256Hex: composite, parts: 2 } })).toContain("2 parts");
    const other = { sha256Hex: "cd".repeat(32), parts: 3 };
    expect(differenceOf(wanted, { ...seen, composite: other })).toContain("cdcd");
  });
});
