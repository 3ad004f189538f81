import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PAYMENT_MARGIN_S, PAYMENT_SKEW_S, PAYMENT_VALIDITY_MAX_S } from "#contract/limits";
import { parseWallet, type Wallet } from "#contract/wallet";
import { type Ask, type Authorization, NETWORKS, type Payment, requirementsOf } from "#contract/x402";
import { paymentFault } from "#rules/payment";

function wallet(pair: string): Wallet {
  const parsed = parseWallet(`0x${pair.repeat(20)}`);
  if (!parsed) throw new Error(`${pair} is not two hex digits`);
  return parsed;
}

const NOW_S = 1_800_000_000n;
const ASK: Ask = {
  network: { ...NETWORKS[84532], chainId: 84532 },
  payTo: wallet("aa"),
  amount: 20_000n,
  resourceUrl: "https://edge.test/storage/upload",
  description: "room",
};
const AUTHORIZATION: Authorization = {
  from: wallet("bb"),
  to: ASK.payTo,
  value: ASK.amount,
  validAfterS: NOW_S - 600n,
  validBeforeS: NOW_S + 120n,
  nonce: `0x${"33".repeat(32)}`,
};
const ACCEPTED = requirementsOf(ASK);
const PAYMENT: Payment = {
  scheme: "exact",
  network: ASK.network.caip2,
  accepted: ACCEPTED,
  resourceUrl: ASK.resourceUrl,
  authorization: AUTHORIZATION,
  signature: `0x${"44".repeat(65)}`,
};

const paying = (over: Partial<Authorization>): Payment => ({
  ...PAYMENT,
  authorization: { ...AUTHORIZATION, ...over },
});
const accepting = (over: Partial<typeof ACCEPTED>): Payment => ({ ...PAYMENT, accepted: { ...ACCEPTED, ...over } });

describe("a payment", () => {
  it("that says what was asked has no fault, in either version's words", () => {
    expect(paymentFault(PAYMENT, ASK, NOW_S)).toBeUndefined();
    const v1 = { ...PAYMENT, network: "base-sepolia", accepted: undefined, resourceUrl: undefined };
    expect(paymentFault(v1, ASK, NOW_S)).toBeUndefined();
  });

  it("may write addresses in any case, and reach us by another host", () => {
    expect(
      paymentFault(accepting({ asset: ACCEPTED.asset.toUpperCase().replace("0X", "0x") }), ASK, NOW_S),
    ).toBeUndefined();
    expect(paymentFault(accepting({ payTo: `0x${"AA".repeat(20)}` }), ASK, NOW_S)).toBeUndefined();
    for (const url of [
      "http://10.0.0.1:8787/storage/upload",
      "/storage/upload",
      "https://edge.test/storage/upload?x#y",
    ])
      expect(paymentFault({ ...PAYMENT, resourceUrl: url }, ASK, NOW_S), url).toBeUndefined();
  });

  it.each<[string, Payment, string, string]>([
    ["another scheme", { ...PAYMENT, scheme: "upto" }, "unsupported_scheme", 'wanted "exact"'],
    ["another network", { ...PAYMENT, network: "eip155:8453" }, "invalid_network", "Payment network does not match"],
    [
      "another token",
      accepting({ asset: wallet("cc") }),
      "invalid_payment_requirements",
      "Payment asset does not match",
    ],
    [
      "another payee named",
      accepting({ payTo: wallet("cc") }),
      "invalid_payment_requirements",
      "Payment recipient does not match",
    ],
    ["another price named", accepting({ amount: "19999" }), "invalid_payment_requirements", "the price is 20000"],
    [
      "another resource",
      { ...PAYMENT, resourceUrl: "https://edge.test/payment/settle" },
      "resource_mismatch",
      "the payment names",
    ],
    [
      "another payee signed",
      paying({ to: wallet("cc") }),
      "invalid_exact_evm_recipient_mismatch",
      "Payment recipient does not match",
    ],
    [
      "too little",
      paying({ value: 19_999n }),
      "invalid_exact_evm_payload_authorization_value_mismatch",
      "exactly 20000",
    ],
    ["too much", paying({ value: 20_001n }), "invalid_exact_evm_payload_authorization_value_mismatch", "exactly 20000"],
    ["an explicit nothing", paying({ value: 0n }), "invalid_exact_evm_payload_authorization_value_mismatch", "is 0"],
    [
      "a window not open",
      paying({ validAfterS: NOW_S }),
      "invalid_exact_evm_payload_authorization_valid_after",
      "not yet valid",
    ],
    [
      "a window closing",
      paying({ validBeforeS: NOW_S + 29n }),
      "invalid_exact_evm_payload_authorization_valid_before",
      "expired",
    ],
    [
      "a window too wide",
      paying({ validBeforeS: NOW_S + 361n }),
      "invalid_exact_evm_payload_authorization_valid_before",
      "too far ahead",
    ],
  ])("with %s is told so", (_, payment, reason, words) => {
    const fault = paymentFault(payment, ASK, NOW_S);
    expect(fault?.reason).toBe(reason);
    expect(fault?.detail).toContain(words);
  });

  it("is taken from the second after its window opens to the margin before it closes", () => {
    const ok = (over: Partial<Authorization>) => paymentFault(paying(over), ASK, NOW_S) === undefined;
    expect(ok({ validAfterS: NOW_S - 1n })).toBe(true);
    expect(ok({ validAfterS: NOW_S })).toBe(false);
    const margin = BigInt(PAYMENT_MARGIN_S);
    const most = BigInt(PAYMENT_VALIDITY_MAX_S + PAYMENT_SKEW_S);
    fc.assert(
      fc.property(fc.bigInt({ min: -100n, max: 1_000n }), (ahead) => {
        expect(ok({ validBeforeS: NOW_S + ahead })).toBe(ahead >= margin && ahead <= most);
      }),
    );
  });

  it("does not get its own words back at any length", () => {
    const fault = paymentFault({ ...PAYMENT, scheme: "x".repeat(5_000) }, ASK, NOW_S);
    expect(fault?.detail.length).toBeLessThan(200);
  });
});
