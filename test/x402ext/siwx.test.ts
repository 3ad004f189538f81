/** The sign-in text and its checks, against viem's own EIP-4361 and EIP-55: two implementations have to agree on every byte. */
import { getAddress } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { createSiweMessage, parseSiweMessage } from "viem/siwe";
import { describe, expect, test } from "vitest";
import { jsonToBase64 } from "#contract/base64";
import {
  checksummed,
  decodeSignIn,
  SIWX_STATEMENT,
  type SignIn,
  type SiwxFault,
  type SiwxInfo,
  signInFault,
  signInMessage,
} from "#contract/siwx";
import { parseWallet, type Wallet } from "#contract/wallet";

const NOW_MS = Date.parse("2026-03-01T12:00:00.123Z");
const place = {
  domain: "edge.example:8443",
  uri: "https://edge.example:8443/storage/ls",
  method: "POST",
  network: "eip155:84532",
};
const info: SiwxInfo = {
  domain: place.domain,
  uri: place.uri,
  version: "1",
  nonce: "0123456789abcdef0123456789abcdef",
  issuedAt: new Date(NOW_MS).toISOString(),
  expirationTime: new Date(NOW_MS + 300_000).toISOString(),
  statement: SIWX_STATEMENT,
};

function someWallet(): Wallet {
  const wallet = parseWallet(privateKeyToAccount(generatePrivateKey()).address);
  if (!wallet) throw new Error("not an address");
  return wallet;
}

const signIn: SignIn = {
  ...info,
  chainId: "eip155:84532",
  type: "eip191",
  wallet: someWallet(),
  signature: `0x${"11".repeat(65)}`,
};

describe("the message", () => {
  test("is viem's, byte for byte, and reads back", () => {
    for (let round = 0; round < 20; round++) {
      const wallet = someWallet();
      const ours = signInMessage(info, wallet, 84_532);
      const theirs = createSiweMessage({
        ...info,
        address: getAddress(wallet),
        chainId: 84_532,
        issuedAt: new Date(info.issuedAt),
        expirationTime: new Date(info.expirationTime),
      });
      expect(ours).toBe(theirs);
      expect(parseSiweMessage(ours)).toMatchObject({ domain: info.domain, uri: info.uri, nonce: info.nonce });
      expect(checksummed(wallet)).toBe(getAddress(wallet));
    }
  });
});

describe("a sign-in at a place", () => {
  const cases: [SiwxFault | "fine", Partial<SignIn>, number][] = [
    ["fine", {}, 0],
    ["fine", {}, 300_000 + 30_000],
    ["expired", {}, 300_000 + 30_001],
    ["fine", {}, -30_000],
    ["future", {}, -30_001],
    ["domain_mismatch", { domain: "evil.example" }, 0],
    ["domain_mismatch", { domain: "edge.example" }, 0],
    ["resource_mismatch", { uri: "https://edge.example:8443/storage/download" }, 0],
    ["unsupported_chain", { chainId: "eip155:8453" }, 0],
    ["unsupported_chain", { type: "ed25519" }, 0],
    ["altered", { version: "2" }, 0],
    ["altered", { statement: "I give everything away" }, 0],
    ["altered", { expirationTime: new Date(NOW_MS + 86_400_000).toISOString() }, 0],
  ];
  for (const [wanted, lie, afterMs] of cases)
    test(`${wanted}: ${JSON.stringify(lie)} after ${afterMs} ms`, () => {
      expect(signInFault({ ...signIn, ...lie }, place, NOW_MS + afterMs, 30) ?? "fine").toBe(wanted);
    });
});

describe("the header", () => {
  const whole = {
    ...info,
    chainId: "eip155:84532",
    type: "eip191",
    address: signIn.wallet,
    signature: signIn.signature,
  };

  test("is read, with whatever else a client adds left out", () => {
    const read = decodeSignIn(jsonToBase64({ ...whole, resources: ["https://x.example"], signatureScheme: "eip191" }));
    expect(read).toEqual(signIn);
  });

  test.each([
    ["no base64", "{}"],
    ["no object", jsonToBase64("text")],
    ["a short signature", jsonToBase64({ ...whole, signature: "0x11" })],
    ["no address", jsonToBase64({ ...whole, address: "vitalik.eth" })],
    ["a foreign nonce form", jsonToBase64({ ...whole, nonce: "abcdefgh" })],
    ["a time that is none", jsonToBase64({ ...whole, issuedAt: "yesterday" })],
    ["five kilobytes", jsonToBase64({ ...whole, resources: ["x".repeat(5_000)] })],
  ])("with %s is no sign-in", (_, header) => {
    expect(decodeSignIn(header)).toBeUndefined();
  });
});
