/** Reading by the rules alone: periods, debits, ranges, sizes and file names. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ByteRange } from "#contract/fields";
import { DOWNLOAD_DEBIT_BYTES_MIN, INCLUDED_DOWNLOADS } from "#contract/limits";
import { formatSize } from "#contract/sizes";
import { bytesLeft, bytesUsed, debitOf, downloadsIn, periodEndMs } from "#rules/allowance";
import { DAY_MS } from "#rules/calendar";
import { spanOf } from "#rules/range";
import { attachment } from "../../worker/flow/filename.ts";

const PERIOD_MS = 30 * DAY_MS;
const T0 = Date.UTC(2026, 0, 31);

describe("the period that holds now", () => {
  it.each([
    ["its first moment", T0 + PERIOD_MS, T0, T0 + PERIOD_MS],
    ["its last moment", T0 + PERIOD_MS, T0 + PERIOD_MS, T0 + PERIOD_MS],
    ["the grace days", T0 + PERIOD_MS, T0 + PERIOD_MS + 2 * DAY_MS, T0 + PERIOD_MS],
    ["one paid ahead", T0 + 2 * PERIOD_MS, T0 + 1, T0 + PERIOD_MS],
    ["the one paid ahead, begun", T0 + 2 * PERIOD_MS, T0 + PERIOD_MS + 1, T0 + 2 * PERIOD_MS],
    ["many paid ahead", T0 + 12 * PERIOD_MS, T0 + 5 * PERIOD_MS + 7, T0 + 6 * PERIOD_MS],
  ])("ends rightly in %s", (_, paidThroughMs, nowMs, endMs) => {
    expect(periodEndMs(paidThroughMs, nowMs)).toBe(endMs);
  });

  it("does not change when another is paid ahead", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 * PERIOD_MS }), fc.integer({ min: 1, max: 24 }), (leftMs, more) => {
        const nowMs = T0;
        expect(periodEndMs(nowMs + leftMs + more * PERIOD_MS, nowMs)).toBe(periodEndMs(nowMs + leftMs, nowMs));
      }),
    );
  });
});

describe("the allowance", () => {
  const reads = (readBytes: number, readPeriodMs: number | undefined, sizeMax = 1_000_000) => ({
    sizeMax,
    paidThroughMs: T0 + PERIOD_MS,
    readBytes,
    readPeriodMs,
  });

  it("is three times the room, in whole downloads of any content that fits it at least three", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 * 1024 ** 4 }),
        fc.double({ min: 0.001, max: 1, noNaN: true }),
        (room, part) => {
          const size = Math.max(1, Math.floor(room * part));
          expect(downloadsIn(bytesLeft(reads(0, undefined, room), T0), size)).toBeGreaterThanOrEqual(
            INCLUDED_DOWNLOADS,
          );
        },
      ),
    );
    expect(bytesLeft(reads(0, undefined), T0)).toBe(3_000_000);
    expect(bytesLeft(reads(0, undefined, 1), T0)).toBe(3 * DOWNLOAD_DEBIT_BYTES_MIN);
  });

  it("never falls below nothing, and what was used counts in its own period only", () => {
    expect(bytesLeft(reads(9_000_000, T0 + PERIOD_MS), T0)).toBe(0);
    expect(bytesLeft(reads(9_000_000, T0), T0)).toBe(3_000_000);
    expect(bytesLeft(reads(2_000_000, T0 + PERIOD_MS + 5), T0)).toBe(1_000_000);
    expect(bytesUsed(reads(5, undefined), T0)).toBe(5);
    expect(debitOf(1)).toBe(DOWNLOAD_DEBIT_BYTES_MIN);
    expect(debitOf(5_000)).toBe(5_000);
  });

  it("lets an object be fetched in parts at no more than one request's price a part", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000_000 }), fc.integer({ min: 1, max: 50 }), (size, parts) => {
        const each = Math.ceil(size / parts);
        let debited = 0;
        for (let first = 0; first < size; first += each) {
          const span = spanOf({ first, last: first + each - 1 }, size);
          debited += debitOf((span?.last ?? 0) - (span?.first ?? 0) + 1);
        }
        expect(debited).toBeGreaterThanOrEqual(size);
        expect(debited).toBeLessThanOrEqual(size + parts * DOWNLOAD_DEBIT_BYTES_MIN);
      }),
    );
  });
});

describe("a range", () => {
  it.each([
    ["bytes=0-", 10, { first: 0, last: 9 }],
    ["bytes=0-0", 10, { first: 0, last: 0 }],
    ["bytes=9-9", 10, { first: 9, last: 9 }],
    ["bytes=3-100", 10, { first: 3, last: 9 }],
    ["bytes=-3", 10, { first: 7, last: 9 }],
    ["bytes=-100", 10, { first: 0, last: 9 }],
    ["bytes=10-", 10, undefined],
    ["bytes=5-4", 10, undefined],
    ["bytes=-0", 10, undefined],
    ["bytes=999999999999999-", 10, undefined],
  ])("%s of %i bytes", (text, size, span) => {
    expect(spanOf(ByteRange.parse(text), size)).toEqual(span);
  });

  it.each([
    "",
    "bytes=",
    "bytes=-",
    "0-9",
    "bytes=a-b",
    "bytes=0-1,3-4",
    "bytes=0-9 ",
    "Bytes=0-9",
    "items=0-9",
    "bytes=1e3-",
    "bytes=1234567890123456-",
  ])("%j is refused", (text) => {
    expect(ByteRange.safeParse(text).success).toBe(false);
  });
});

describe("a size for people", () => {
  it.each([
    [0, "0 B"],
    [1, "1 B"],
    [999, "999 B"],
    [1_000, "1 KB"],
    [1_049, "1 KB"],
    [1_050, "1.1 KB"],
    [999_949, "999.9 KB"],
    [999_950, "1 MB"],
    [1_500_000, "1.5 MB"],
    [5 * 1024 ** 3, "5.4 GB"],
    [50 * 1024 ** 4, "55 TB"],
    [999_999_999_999, "1 TB"],
  ])("%i is %s", (bytes, text) => {
    expect(formatSize(bytes)).toBe(text);
  });
});

describe("the name a download is saved under", () => {
  it.each([
    ["letters.tar.age", `attachment; filename="letters.tar.age"; filename*=UTF-8''letters.tar.age`],
    ["a b", `attachment; filename="a b"; filename*=UTF-8''a%20b`],
    [
      'x"; filename="evil.exe',
      `attachment; filename="x__ filename=_evil.exe"; filename*=UTF-8''x_%3B%20filename%3D_evil.exe`,
    ],
    ["séance", `attachment; filename="se_ance"; filename*=UTF-8''s%C3%A9ance`],
    ["\u202egpj.exe", `attachment; filename="_gpj.exe"; filename*=UTF-8''_gpj.exe`],
    [".bashrc", `attachment; filename="_bashrc"; filename*=UTF-8''_bashrc`],
    ["end. .", `attachment; filename="end_"; filename*=UTF-8''end_`],
    ["...", `attachment; filename="_"; filename*=UTF-8''_`],
    ["(1)'*", `attachment; filename="(1)__"; filename*=UTF-8''%281%29%27_`],
    ["%2e%2e%2f", `attachment; filename="_2e_2e_2f"; filename*=UTF-8''_2e_2e_2f`],
  ])("%j", (key, header) => {
    expect(attachment(key)).toBe(header);
  });

  it("never breaks out of its header, whatever the key is, and stays short", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", minLength: 1, maxLength: 400 }), (key) => {
        const header = attachment(key);
        expect(header).toMatch(
          /^attachment; filename="[A-Za-z0-9._ ()+=,@~-]+"; filename\*=UTF-8''[A-Za-z0-9._~!%-]+$/,
        );
        expect(header.length).toBeLessThan(900);
      }),
    );
  });
});
