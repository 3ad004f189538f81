import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type * as z from "zod";
import { ConfirmRequest, PriceRequest, UploadRequest } from "#contract/api";
import { gigabytesToBytes, IdempotencyKey } from "#contract/fields";
import { OBJECT_BYTES_MAX } from "#contract/limits";
import { DeleteRequest, DownloadRequest, ListRequest } from "#contract/objects";
import { SettleRequest } from "#contract/settling";
import { firstIssue } from "#contract/x402";

describe("gigabytes", () => {
  it.each<[string, bigint]>([
    ["1e-9", 1n],
    ["0.000000001", 1n],
    ["1.55e-7", 155n],
    ["1.5", 1_500_000_000n],
    ["1.50", 1_500_000_000n],
    ["1", 1_000_000_000n],
    ["1e0", 1_000_000_000n],
    ["1E+1", 10_000_000_000n],
    ["1.4e-9", 1n],
    ["1.5e-9", 2n],
    ["0.30000000000000004", 300_000_000n],
    [" 2 ", 2_000_000_000n],
  ])("%j are %d bytes", (text, bytes) => {
    expect(gigabytesToBytes(text)).toBe(bytes);
  });

  it.each([
    "9.99e-10",
    "0.9999e-9",
    "0",
    "0.0",
    "1e-10",
    "1e-999",
    "-1",
    "-0",
    "+1",
    "NaN",
    "Infinity",
    "-Infinity",
    "0x10",
    "1_0",
    "1,5",
    ".5",
    "5.",
    "1e",
    "e9",
    "",
    " ",
    "1 2",
    "1e9999",
    "1e99999999999",
    "٣",
    "null",
    "1e+",
    "9".repeat(21),
  ])("%j are refused", (text) => {
    expect(gigabytesToBytes(text)).toBeUndefined();
  });

  it("of any length are answered at once", () => {
    const before = performance.now();
    for (const text of [
      "1e999999999",
      "9".repeat(60_000),
      `1.${"0".repeat(60_000)}1`,
      `1e${"9".repeat(60_000)}`,
      " ".repeat(60_000),
    ])
      expect(gigabytesToBytes(text)).toBeUndefined();
    gigabytesToBytes("9e51");
    gigabytesToBytes("0.0000000000000000000000000000000000000001e49");
    expect(performance.now() - before).toBeLessThan(200);
  });

  it("of a whole number of bytes come back exactly, whichever way a number prints", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: OBJECT_BYTES_MAX }), (bytes) => {
        expect(gigabytesToBytes(String(bytes / 1e9))).toBe(BigInt(bytes));
      }),
    );
  });
});

const WALLET = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A";
const SHA = "AB".repeat(32);

interface Case {
  readonly schema: z.ZodType;
  readonly good: Record<string, unknown>;
  readonly required: readonly string[];
  /** A value of the wrong type or shape for each field. */
  readonly wrong: Record<string, readonly unknown[]>;
}

const NAME = { object_key: ["a/b", "..", "", 7, null], agent_id: ["a/b", "", 7] };
const REGION = { region: ["us east", "", 7, "US-EAST-1"], location: ["nowhere"] };

const CASES: Record<string, Case> = {
  PriceRequest: {
    schema: PriceRequest,
    good: { wallet_address: WALLET, object_id: "letters", gb: "1.5", region: "us-east-1" },
    required: ["wallet_address", "object_id", "region"],
    wrong: {
      wallet_address: ["0x12", "", 7, null],
      object_id: ["", 7, "x".repeat(257), "a/b"],
      object_key: NAME.object_key,
      agent_id: NAME.agent_id,
      gb: [0, -1, "0", "-1", "NaN", Number.NaN, Number.POSITIVE_INFINITY, "0x10", 50_001, true, null],
      provider: ["gcp", 7],
      region: REGION.region,
    },
  },
  SettleRequest: {
    schema: SettleRequest,
    good: { wallet_address: WALLET, quote_id: "quote" },
    required: ["wallet_address", "quote_id"],
    wrong: { wallet_address: ["0x12"], quote_id: ["", 7, "x".repeat(129)] },
  },
  UploadRequest: {
    schema: UploadRequest,
    good: { object_key: "letters.tar", content_length_bytes: 10, content_sha256: SHA },
    required: ["content_length_bytes", "content_sha256", "object_key"],
    wrong: {
      ...NAME,
      ...REGION,
      mode: ["inline"],
      content_length_bytes: [0, -1, 1.5, "10", OBJECT_BYTES_MAX + 1, Number.NaN],
      content_sha256: ["", "ab", `${SHA}0`, "z".repeat(64), 7],
      content_md5: ["", "not base64", "AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAB==", 7],
      part_bytes: [0, 5 * 1024 ** 2 - 1, 5 * 1024 ** 3 + 1, "6291456", 6_291_456],
      wrapped_dek: ["_-_-", "AAA", "A".repeat(1_804)],
    },
  },
  ConfirmRequest: {
    schema: ConfirmRequest,
    good: { order_id: "order" },
    required: ["order_id"],
    wrong: { wallet_address: ["me"], plan: [0, 1.5, "1"], idempotency_key: ["", "a\nb"], object_key: NAME.object_key },
  },
  ListRequest: {
    schema: ListRequest,
    good: { wallet_address: WALLET },
    required: ["wallet_address"],
    wrong: { max_keys: [0, 1_001, "0", "1001", "x", "1e2", "", 1.5], agent_id: ["**", "a b"], region: REGION.region },
  },
  DownloadRequest: {
    schema: DownloadRequest,
    good: { wallet_address: WALLET, object_key: "letters.tar" },
    required: ["wallet_address", "object_key"],
    wrong: { ...NAME, expires_in_seconds: [0, 3_601, "0", "3601", "-1", "soon"] },
  },
  DeleteRequest: {
    schema: DeleteRequest,
    good: { wallet_address: WALLET, object_key: "letters.tar" },
    required: ["wallet_address", "object_key"],
    wrong: { ...NAME, ...REGION },
  },
};

it("an MD5 of the whole is taken only where S3 will check it", () => {
  const put = { object_key: "letters.tar", content_length_bytes: 10, content_sha256: SHA };
  const content_md5 = "AAAAAAAAAAAAAAAAAAAAAA==";
  expect(faultOf(UploadRequest, { ...put, content_md5 })).toBeUndefined();
  expect(faultOf(UploadRequest, { ...put, content_md5, mode: "multipart" })).toContain("content_md5");
  expect(faultOf(UploadRequest, { ...put, content_md5, ciphertext: "AAAA" })).toContain("content_md5");
});

function faultOf(schema: z.ZodType, value: unknown): string | undefined {
  const parsed = schema.safeParse(value);
  return parsed.success ? undefined : firstIssue(parsed.error);
}

describe.each(Object.entries(CASES))("%s", (_, { schema, good, required, wrong }) => {
  it("takes what is right", () => {
    expect(faultOf(schema, good)).toBeUndefined();
  });

  it("names a field that it does not know", () => {
    expect(faultOf(schema, { ...good, walet: "x" })).toContain("walet");
    expect(faultOf(schema, { ...good, ["__proto__x"]: 1 })).toContain("__proto__x");
  });

  it("names a field that is missing", () => {
    for (const name of required) {
      const { [name]: _, ...rest } = good;
      expect(faultOf(schema, rest), name).toContain(name);
    }
  });

  it("names a field that is wrong", () => {
    for (const [name, values] of Object.entries(wrong))
      for (const value of values)
        expect(faultOf(schema, { ...good, [name]: value }), `${name} = ${String(value)}`).toContain(name);
  });

  it("takes nothing but an object", () => {
    for (const value of [null, undefined, [], "x", 7, true]) expect(faultOf(schema, value)).toBeDefined();
  });
});

describe("a parsed request", () => {
  it("has the wallet in its one spelling, the hash in lower case and the agent filled in", () => {
    const price = PriceRequest.parse(CASES["PriceRequest"]?.good);
    expect(price).toMatchObject({
      wallet_address: WALLET.toLowerCase(),
      agent_id: "main",
      provider: "aws",
      gb: 1_500_000_000,
    });
    expect(UploadRequest.parse(CASES["UploadRequest"]?.good).content_sha256).toBe(SHA.toLowerCase());
    expect(PriceRequest.parse({ ...CASES["PriceRequest"]?.good, provider: "AWS" }).provider).toBe("aws");
  });

  it("has a size by bytes or by gigabytes, not by both and not by neither", () => {
    const { gb: _, ...bare } = CASES["PriceRequest"]?.good ?? {};
    expect(faultOf(PriceRequest, bare)).toContain("size_bytes");
    expect(faultOf(PriceRequest, { ...bare, gb: 1, size_bytes: 1 })).toContain("size_bytes");
    expect(faultOf(PriceRequest, { ...bare, size_bytes: 1 })).toBeUndefined();
    expect(faultOf(PriceRequest, { ...bare, size_bytes: OBJECT_BYTES_MAX + 1 })).toContain("size_bytes");
  });

  it("names one thing to upload to or to confirm, not two", () => {
    const upload = CASES["UploadRequest"]?.good;
    expect(faultOf(UploadRequest, { ...upload, order_id: "o", quote_id: "q" })).toContain("order_id");
    expect(faultOf(UploadRequest, { ...upload, object_key: undefined, quote_id: "q" })).toBeUndefined();
    expect(faultOf(UploadRequest, { ...upload, object_key: undefined, object_id: "a/b" })).toContain("object_id");
    expect(faultOf(ConfirmRequest, { order_id: "o", quote_id: "q" })).toContain("order_id");
    expect(faultOf(ConfirmRequest, { quote_id: "q" })).toBeUndefined();
  });

  it("may come as text, as it does in a query", () => {
    expect(ListRequest.parse({ wallet_address: WALLET, max_keys: "7", agent_id: "*" })).toMatchObject({
      max_keys: 7,
      agent_id: "*",
    });
    const download = { wallet_address: WALLET, object_key: "x", expires_in_seconds: "3600" };
    expect(DownloadRequest.parse(download).expires_in_seconds).toBe(3_600);
  });
});

describe("an idempotency key", () => {
  it("is printable and not too long", () => {
    for (const key of ["k", "a key with spaces", "ключ", "x".repeat(255)])
      expect(IdempotencyKey.safeParse(key).success, key).toBe(true);
    for (const key of ["", "x".repeat(256), "a\u0000", "a\tb", "\u007f"])
      expect(IdempotencyKey.safeParse(key).success).toBe(false);
  });
});
