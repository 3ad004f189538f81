import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { divCeil, formatDollars, formatMicroUsdc, parseMicroUsdc, toDisplayDollars } from "#contract/money";

const UINT256_MAX = 2n ** 256n - 1n;
const amounts = fc.bigInt({ min: 0n, max: UINT256_MAX });

describe("an amount", () => {
  it("comes back from the wire as it went out", () => {
    fc.assert(fc.property(amounts, (amount) => parseMicroUsdc(formatMicroUsdc(amount)) === amount));
  });

  it("has one spelling: everything else is no amount", () => {
    for (const text of [
      "",
      "-1",
      "+1",
      "01",
      "00",
      "1.0",
      "1e3",
      "0x10",
      " 1",
      "1 ",
      "1\n",
      "١",
      "1_000",
      "9".repeat(79),
    ])
      expect(parseMicroUsdc(text), JSON.stringify(text)).toBeUndefined();
    fc.assert(
      fc.property(fc.string(), (text) => {
        const amount = parseMicroUsdc(text);
        return amount === undefined || formatMicroUsdc(amount) === text;
      }),
    );
  });
});

describe("dollars", () => {
  it("for the old client are never below the amount, and less than a cent above it", () => {
    // A double holds every cent up to 2^53; beyond lies more money than there is.
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 15n }), (amount) => {
        const cents = BigInt(Math.round(toDisplayDollars(amount) * 100));
        return cents * 10_000n >= amount && cents * 10_000n - amount < 10_000n;
      }),
    );
    expect(toDisplayDollars(1n)).toBe(0.01);
    expect(toDisplayDollars(1_230_000n)).toBe(1.23);
    expect(toDisplayDollars(1_230_001n)).toBe(1.24);
  });

  it("for people are exact, with two decimals at least", () => {
    fc.assert(
      fc.property(amounts, (amount) => {
        const match = /^\$(\d+)\.(\d{2,6})$/.exec(formatDollars(amount));
        return match !== null && BigInt(`${match[1]}${(match[2] ?? "").padEnd(6, "0")}`) === amount;
      }),
    );
    expect(formatDollars(0n)).toBe("$0.00");
    expect(formatDollars(1_500_000n)).toBe("$1.50");
    expect(formatDollars(1n)).toBe("$0.000001");
  });
});

describe("divCeil", () => {
  it("is the smallest whole number not below the quotient", () => {
    fc.assert(
      fc.property(amounts, fc.bigInt({ min: 1n, max: 2n ** 128n }), (numerator, denominator) => {
        const quotient = divCeil(numerator, denominator);
        return quotient * denominator >= numerator && (quotient - 1n) * denominator < numerator;
      }),
    );
  });
});
