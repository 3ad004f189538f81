import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OBJECT_KEY_BYTES_MAX } from "#contract/limits";
import {
  addrHash,
  bucketName,
  isAgentId,
  makeId,
  objectKeyFault,
  parseWallet,
  s3Key,
  type Wallet,
  walletOfId,
} from "#contract/wallet";

const CHECKSUMMED = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A";

function wallet(text: string): Wallet {
  const parsed = parseWallet(text);
  if (!parsed) throw new Error(`${text} is no address`);
  return parsed;
}

const hex = (length: number) =>
  fc
    .array(fc.constantFrom(..."0123456789abcdef"), { minLength: length, maxLength: length })
    .map((digits) => digits.join(""));

describe("a wallet", () => {
  it("has one spelling, whatever case it came in", () => {
    fc.assert(
      fc.property(hex(40), (digits) => {
        const lower = `0x${digits}`;
        return parseWallet(lower) === lower && parseWallet(`0x${digits.toUpperCase()}`) === lower;
      }),
    );
  });

  it("is nothing but 0x and 40 hex digits", () => {
    const lower = CHECKSUMMED.toLowerCase();
    for (const raw of [
      lower.slice(2),
      `0X${lower.slice(2)}`,
      `${lower}0`,
      lower.slice(0, -1),
      ` ${lower}`,
      `${lower}\n`,
      "",
      7,
      null,
      undefined,
      [lower],
      { toString: () => lower },
    ])
      expect(parseWallet(raw)).toBeUndefined();
  });

  it("is hashed in lower case (vector of the published client)", () => {
    expect(addrHash(wallet(CHECKSUMMED))).toBe("f44e78fafa7858bf");
  });
});

describe("a bucket name", () => {
  it("is short in the default region, names any other, and counts on when it is taken", () => {
    const of = (region: string, sequence?: number) => bucketName(wallet(CHECKSUMMED), region, "us-east-1", sequence);
    expect(of("us-east-1")).toBe("mnemospark-f44e78fafa7858bf");
    expect(of("eu-north-1")).toBe("mnemospark-f44e78fafa7858bf-eu-north-1");
    expect(of("us-east-1", 2)).toBe("mnemospark-f44e78fafa7858bf-2");
    expect(of("eu-north-1", 1)).toBe("mnemospark-f44e78fafa7858bf-eu-north-1-1");
  });

  it("is one that S3 takes", () => {
    fc.assert(
      fc.property(
        hex(40),
        fc.constantFrom("us-east-1", "ap-southeast-7", "us-gov-west-1"),
        fc.nat(999),
        (digits, region, n) =>
          /^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/.test(bucketName(wallet(`0x${digits}`), region, "us-east-1", n)),
      ),
    );
  });
});

describe("an object key", () => {
  it("is one segment of well-formed text", () => {
    for (const name of [
      "a",
      "letters.tar",
      "...",
      ".hidden",
      "a b",
      "naïve café",
      "文件",
      "%2e%2e%2e",
      "%2",
      "a%2fb",
      "x".repeat(512),
    ])
      expect(objectKeyFault(name), name).toBeUndefined();
  });

  it("says what is wrong with it", () => {
    const faults: Record<string, string[]> = {
      "is empty": [""],
      slash: ["a/b", "/", "\\", "a\\b", "../x"],
      "dot segment": [".", "..", "%2e", "%2E", "%2e.", ".%2E", "%2e%2E"],
      Unicode: ["\ud800", "a\udc00b", "\udc00\ud800"],
      "control character": ["\u0000", "a\nb", "\u007f", "tab\t"],
      "longer than 512 bytes": ["x".repeat(513), "é".repeat(257), "文".repeat(171)],
    };
    for (const [what, names] of Object.entries(faults))
      for (const name of names) expect(objectKeyFault(name), JSON.stringify(name)).toContain(what);
  });

  it("is counted in bytes, not in characters", () => {
    expect(objectKeyFault("é".repeat(OBJECT_KEY_BYTES_MAX / 2))).toBeUndefined();
  });

  it("survives a URL's path unchanged when it is escaped", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", minLength: 1, maxLength: 60 }), (name) => {
        fc.pre(objectKeyFault(name) === undefined);
        const key = s3Key("main", name, makeId("order", wallet(CHECKSUMMED), "ab".repeat(12)), 1);
        const path = new URL(`https://s3.test/${key.split("/").map(encodeURIComponent).join("/")}`).pathname;
        return decodeURIComponent(path) === `/${key}`;
      }),
    );
  });
});

describe("an agent id", () => {
  it("is plain, and cannot pass for a path or a wildcard", () => {
    for (const id of ["main", "a", "A1._-", "9", "x".repeat(64)]) expect(isAgentId(id), id).toBe(true);
    for (const id of ["", ".", "..", "-a", "_a", "*", "a/b", "a b", "a\n", "é", "x".repeat(65)])
      expect(isAgentId(id), id).toBe(false);
  });
});

describe("an id", () => {
  const serials = hex(24);

  it("carries its wallet and its kind", () => {
    fc.assert(
      fc.property(hex(40), serials, (digits, serial) => {
        const of = wallet(`0x${digits}`);
        const id = makeId("order", of, serial);
        return (
          walletOfId("order", id) === of && walletOfId("quote", id) === undefined && walletOfId("pay", id) === undefined
        );
      }),
    );
  });

  it("that we did not make belongs to nobody", () => {
    const good = makeId("order", wallet(CHECKSUMMED), "ab".repeat(12));
    for (const id of [
      "",
      "order",
      good.toUpperCase(),
      `${good}g`,
      ` ${good}`,
      `${good}\n`,
      good.slice(0, 50),
      "order_../../x",
    ])
      expect(walletOfId("order", id), id).toBeUndefined();
  });

  it("ends in the serial that names its bytes", () => {
    const id = makeId("order", wallet(CHECKSUMMED), "ab".repeat(12));
    expect(s3Key("main", "letters.tar", id, 3)).toBe(`agent=main/letters.tar/${"ab".repeat(12)}.3`);
  });
});
