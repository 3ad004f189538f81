/** Our codec against the reference SDKs' own: what they write we read, what we write they read. */
import {
  decodePaymentRequiredHeader,
  decodePaymentResponseHeader,
  encodePaymentSignatureHeader,
} from "@x402/core/http";
import { PaymentRequiredV2Schema } from "@x402/core/schemas";
import { ExactEvmScheme } from "@x402/evm/exact/client";
import { hashTypedData } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { describe, expect, it } from "vitest";
import { createPaymentHeader } from "x402/client";
import { PaymentRequirementsSchema } from "x402/types";
import { bytesToBase64, jsonToBase64 } from "#contract/base64";
import { PAYMENT_HEADER_BYTES_MAX } from "#contract/limits";
import { parseWallet, type Wallet } from "#contract/wallet";
import {
  type Ask,
  type Authorization,
  encodePayment,
  encodeReceipt,
  NETWORKS,
  networkOf,
  type Payment,
  paymentRequired,
  paymentRequiredV1,
  readPayment,
  requirementsOf,
  transferTypedData,
} from "#contract/x402";
import { recoverSigner } from "../../worker/adapters/signature.ts";

const ACCOUNT = privateKeyToAccount(`0x${"11".repeat(32)}`);
const PAYER = wallet(ACCOUNT.address);
const PAY_TO = wallet("0x4f4A9fF9b2Ef2E1b1A7bB1B8C26e7D0Ec9c6aD5B");
const URL_PAID = "https://edge.test/storage/upload";

function wallet(text: string): Wallet {
  const parsed = parseWallet(text);
  if (!parsed) throw new Error(`${text} is no address`);
  return parsed;
}

function ask(chainId: 8453 | 84532): Ask {
  return {
    network: { ...NETWORKS[chainId], chainId },
    payTo: PAY_TO,
    amount: 1_230_000n,
    resourceUrl: URL_PAID,
    description: "30 days of storage",
  };
}

function paymentIn(header: string): Payment {
  const read = readPayment(header, null);
  if (read.kind !== "payment") throw new Error(JSON.stringify(read));
  return read.payment;
}

function signerOf(payment: Payment, asked: Ask) {
  return recoverSigner(transferTypedData(asked.network, payment.authorization), payment.signature);
}

describe("a payment made by the reference client", () => {
  it.each([8453, 84532] as const)(
    "of version 2 on chain %i is read value for value, and its signer recovers",
    async (id) => {
      const asked = ask(id);
      const required = decodePaymentRequiredHeader(jsonToBase64(paymentRequired(asked, "pay")));
      const [accepted] = required.accepts;
      if (!accepted) throw new Error("a 402 accepts something");
      const made = await new ExactEvmScheme(ACCOUNT).createPaymentPayload(2, accepted);
      const payload = { ...made, accepted, resource: required.resource } as Parameters<
        typeof encodePaymentSignatureHeader
      >[0];
      const payment = paymentIn(encodePaymentSignatureHeader(payload));
      const theirs = made.payload["authorization"] as Record<string, string>;
      expect(payment).toMatchObject({
        scheme: "exact",
        network: asked.network.caip2,
        resourceUrl: URL_PAID,
        signature: made.payload["signature"],
        authorization: {
          from: PAYER,
          to: PAY_TO,
          value: 1_230_000n,
          validAfterS: BigInt(theirs["validAfter"] ?? ""),
          validBeforeS: BigInt(theirs["validBefore"] ?? ""),
          nonce: theirs["nonce"],
        },
      });
      expect(payment.accepted).toEqual(requirementsOf(asked));
      expect(signerOf(payment, asked)).toBe(PAYER);
    },
  );

  it.each([8453, 84532] as const)("of version 1 on chain %i is read too", async (id) => {
    const asked = ask(id);
    const [accepted] = paymentRequiredV1(asked, "pay").accepts;
    const header = await createPaymentHeader(ACCOUNT, 1, PaymentRequirementsSchema.parse(accepted));
    const read = readPayment(null, header);
    if (read.kind !== "payment") throw new Error(JSON.stringify(read));
    expect(read.families).toEqual({ v2: false, v1: true });
    expect(read.payment).toMatchObject({ scheme: "exact", network: asked.network.v1, accepted: undefined });
    expect(read.payment.authorization).toMatchObject({ from: PAYER, to: PAY_TO, value: 1_230_000n });
    expect(signerOf(read.payment, asked)).toBe(PAYER);
  });

  it("signed for the wrong network's domain is nobody's here", async () => {
    const [accepted] = paymentRequired(ask(8453), "pay").accepts;
    if (!accepted) throw new Error("a 402 accepts something");
    const wrong = { ...accepted, extra: { name: "USDC", version: "2" } } as Parameters<
      ExactEvmScheme["createPaymentPayload"]
    >[1];
    const made = await new ExactEvmScheme(ACCOUNT).createPaymentPayload(2, wrong);
    const payload = { ...made, accepted: wrong } as Parameters<typeof encodePaymentSignatureHeader>[0];
    expect(signerOf(paymentIn(encodePaymentSignatureHeader(payload)), ask(8453))).not.toBe(PAYER);
  });
});

describe("what we write", () => {
  it("as PAYMENT-REQUIRED is what the reference decodes and its schema takes", () => {
    const required = paymentRequired(ask(84532), "Payment authorization header is required");
    const theirs = decodePaymentRequiredHeader(jsonToBase64(required));
    expect(theirs).toEqual(required);
    expect(PaymentRequiredV2Schema.safeParse(theirs).error).toBeUndefined();
    expect(theirs.accepts[0]).toMatchObject({
      scheme: "exact",
      network: "eip155:84532",
      amount: "1230000",
      extra: { name: "USDC", version: "2", paymentFlow: "upfront" },
    });
  });

  it("as a receipt is what the reference decodes", () => {
    const receipt = {
      success: true,
      transaction: `0x${"12".repeat(32)}`,
      network: "eip155:84532",
      payer: PAYER,
      amount: "1230000",
      asset: NETWORKS[84532].usdc,
    };
    expect(decodePaymentResponseHeader(encodeReceipt(receipt))).toMatchObject(receipt);
  });

  it("as our own client's payment we read back", () => {
    const asked = ask(84532);
    const authorization: Authorization = {
      from: PAYER,
      to: PAY_TO,
      value: asked.amount,
      validAfterS: 0n,
      validBeforeS: 2n ** 255n,
      nonce: `0x${"33".repeat(32)}`,
    };
    const signature = `0x${"44".repeat(65)}`;
    const payment = paymentIn(encodePayment(requirementsOf(asked), URL_PAID, authorization, signature));
    expect(payment).toMatchObject({ authorization, signature, accepted: requirementsOf(asked) });
  });
});

describe("the typed data of a transfer", () => {
  const VECTOR: Authorization = {
    from: PAYER,
    to: wallet("0x47D241ae97fE37186AC59894290CA1c54c060A6c"),
    value: 1_230_000n,
    validAfterS: 1_767_225_000n,
    validBeforeS: 1_767_225_900n,
    nonce: `0x${"33".repeat(32)}`,
  };

  it("recovers the published client's signer (vector)", () => {
    const signature =
      "0xf57b43dedce33de8d39d6c2f153628a69e7d43d5f406c24e7a0a4314e83cb3c066d511af613ef46e54f56718fce7df99a1164b1922b424400e337f690b1a4e5e1c";
    expect(recoverSigner(transferTypedData({ ...NETWORKS[8453], chainId: 8453 }, VECTOR), signature)).toBe(PAYER);
  });

  it("hashes to what viem hashes for the domain written out by hand", () => {
    const domains = [
      { chainId: 8453, name: "USD Coin", verifyingContract: "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913" },
      { chainId: 84532, name: "USDC", verifyingContract: "0x036CbD53842c5426634e7929541eC2318f3dCF7e" },
    ] as const;
    for (const domain of domains) {
      const uint = <N extends string>(name: N) => ({ name, type: "uint256" }) as const;
      const byHand = hashTypedData({
        domain: { ...domain, version: "2" },
        types: {
          TransferWithAuthorization: [
            { name: "from", type: "address" },
            { name: "to", type: "address" },
            uint("value"),
            uint("validAfter"),
            uint("validBefore"),
            { name: "nonce", type: "bytes32" },
          ],
        },
        primaryType: "TransferWithAuthorization",
        message: {
          from: VECTOR.from,
          to: VECTOR.to,
          value: VECTOR.value,
          validAfter: VECTOR.validAfterS,
          validBefore: VECTOR.validBeforeS,
          nonce: VECTOR.nonce,
        },
      });
      const network = networkOf(domain.chainId);
      if (!network) throw new Error("both chains are served");
      expect(hashTypedData(transferTypedData(network, VECTOR))).toBe(byHand);
    }
  });

  it("exists for two chains and no third", () => {
    for (const id of [0, 1, 8454, 84531, 84533, Number.NaN]) expect(networkOf(id)).toBeUndefined();
  });
});

describe("the payment headers", () => {
  const asked = ask(84532);
  const authorization = {
    from: PAYER,
    to: PAY_TO,
    value: "1230000",
    validAfter: "0",
    validBefore: "1800000000",
    nonce: `0x${"33".repeat(32)}`,
  };
  const signature = `0x${"44".repeat(65)}`;
  const body = { x402Version: 2, accepted: requirementsOf(asked), payload: { signature, authorization } };
  const header = jsonToBase64(body);
  const withAuthorization = (over: object) =>
    jsonToBase64({ ...body, payload: { signature, authorization: { ...authorization, ...over } } });

  it("absent are no payment; present, they are read and their families remembered", () => {
    expect(readPayment(null, null)).toEqual({ kind: "none" });
    expect(readPayment(header, null)).toMatchObject({ kind: "payment", families: { v2: true, v1: false } });
    expect(readPayment(null, header)).toMatchObject({ kind: "payment", families: { v2: false, v1: true } });
  });

  it("of both families are one payment when they are the same bytes, and malformed when not", () => {
    expect(readPayment(header, header)).toMatchObject({ kind: "payment", families: { v2: true, v1: true } });
    const differently = jsonToBase64({ ...body, extensions: {} });
    expect(readPayment(header, differently)).toMatchObject({ kind: "malformed" });
    expect(readPayment(header, "")).toMatchObject({ kind: "malformed" });
  });

  it("given twice, in base64url, with white space or empty are malformed", () => {
    const odd = bytesToBase64(new TextEncoder().encode(`${JSON.stringify(body)}${" ".repeat(2)}`));
    for (const bad of [
      "",
      `${header}, ${header}`,
      ` ${header}`,
      `${header}\n`,
      odd.replace(/=+$/, ""),
      "_-_-",
      JSON.stringify(body),
    ])
      expect(readPayment(bad, null).kind, bad.slice(0, 20)).toBe("malformed");
  });

  it("are read up to a limit and not beyond", () => {
    const long = (bytes: number) => jsonToBase64({ ...body, extensions: { x: "x".repeat(bytes) } });
    expect(readPayment(long(PAYMENT_HEADER_BYTES_MAX / 2), null).kind).toBe("payment");
    expect(readPayment(long(PAYMENT_HEADER_BYTES_MAX), null)).toMatchObject({
      kind: "malformed",
      detail: expect.stringContaining("longer"),
    });
  });

  it.each<[string, string]>([
    ["x402Version", jsonToBase64({ ...body, x402Version: 3 })],
    ["x402Version", jsonToBase64({})],
    ["x402Version", jsonToBase64(null)],
    ["x402Version", jsonToBase64([body])],
    ["accepted", jsonToBase64({ ...body, accepted: undefined })],
    ["accepted.amount", jsonToBase64({ ...body, accepted: { ...body.accepted, amount: 1_230_000 } })],
    ["payload", jsonToBase64({ ...body, payload: undefined })],
    ["payload.signature", jsonToBase64({ ...body, payload: { signature: "0x1", authorization } })],
    ["payload.authorization.value", withAuthorization({ value: "-1" })],
    ["payload.authorization.value", withAuthorization({ value: "1.5" })],
    ["payload.authorization.value", withAuthorization({ value: "0x10" })],
    ["payload.authorization.value", withAuthorization({ value: 1_230_000 })],
    ["payload.authorization.nonce", withAuthorization({ nonce: "0x33" })],
    ["payload.authorization.from", withAuthorization({ from: "0x12" })],
    ["payload.authorization.to", withAuthorization({ to: "nobody" })],
    ["payload.authorization.validBefore", withAuthorization({ validBefore: "soon" })],
  ])("with a fault say that it is %s", (path, bad) => {
    const read = readPayment(bad, null);
    expect(read.kind).toBe("malformed");
    if (read.kind === "malformed") expect(read.detail).toContain(path);
  });

  it("may name amounts and times as great as the token's own, and an explicit nothing", () => {
    expect(paymentIn(withAuthorization({ value: "0" })).authorization.value).toBe(0n);
    const most = (2n ** 256n - 1n).toString();
    expect(paymentIn(withAuthorization({ value: most, validBefore: most })).authorization.value).toBe(2n ** 256n - 1n);
    // More than the token can hold could not be hashed, and so asked of no contract wallet either.
    for (const name of ["value", "validAfter", "validBefore"])
      for (const beyond of [(2n ** 256n).toString(), "9".repeat(78)])
        expect(readPayment(withAuthorization({ [name]: beyond }), null).kind).toBe("malformed");
  });

  it("have one spelling of addresses and nonce inside, whatever case they came in", () => {
    const shouted = withAuthorization({ from: ACCOUNT.address, nonce: `0x${"AB".repeat(32)}` });
    expect(paymentIn(shouted).authorization).toMatchObject({ from: PAYER, nonce: `0x${"ab".repeat(32)}` });
  });
});
