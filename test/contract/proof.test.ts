import { privateKeyToAccount } from "viem/accounts";
import { describe, expect, it } from "vitest";
import { jsonToBase64 } from "#contract/base64";
import { PROOF_HEADER_BYTES_MAX } from "#contract/limits";
import {
  decodeProof,
  encodeProof,
  normalisePath,
  PROOF_CHAIN_IDS,
  type ProvenRequest,
  proofFault,
  proofTypedData,
  type WalletProof,
} from "#contract/proof";
import { parseWallet } from "#contract/wallet";
import { recoverSigner } from "../../worker/adapters/signature.ts";

const ACCOUNT = privateKeyToAccount(`0x${"11".repeat(32)}`);
const WALLET = parseWallet(ACCOUNT.address) ?? never();
const MADE_AT_S = 1_767_225_600;

/** Signed by the published client's own code for chain 8453. */
const VECTOR: WalletProof = {
  version: "1",
  wallet: WALLET,
  nonce: `0x${"22".repeat(32)}`,
  timestampS: MADE_AT_S,
  signature:
    "0x0945e40fa9aa507206fb964008dd5ae43290c04c2d8a6ce8dba500f74d331f891acd1aee9161733d1b8190b6f9cf444dc5f0808835552cd42033bbe60722bd7f1b",
  claimed: { method: "POST", path: "/storage/upload" },
};

const REQUEST: ProvenRequest = {
  method: "POST",
  host: "edge.test",
  path: "/storage/upload",
  query: "",
  bodyHash: `0x${"ab".repeat(32)}`,
};

function never(): never {
  throw new Error("the test key has an address");
}

function decoded(header: string): WalletProof {
  const proof = decodeProof(header);
  if (!proof) throw new Error("the header is a proof");
  return proof;
}

async function signed(claimed: WalletProof["claimed"], version: "1" | "2", chainId: number): Promise<WalletProof> {
  const proof = { ...VECTOR, version, claimed };
  const data = proofTypedData(proof, chainId) as unknown as Parameters<typeof ACCOUNT.signTypedData>[0];
  return { ...proof, signature: await ACCOUNT.signTypedData(data) };
}

function signerOf(proof: WalletProof, chainId: number) {
  return recoverSigner(
    proofTypedData(proof, chainId) as unknown as Parameters<typeof recoverSigner>[0],
    proof.signature,
  );
}

describe("a wallet proof of version 1", () => {
  it("made by the published client is read and verifies (vector)", () => {
    const proof = decoded(encodeProof(VECTOR));
    expect(proof).toEqual(VECTOR);
    expect(signerOf(proof, 8453)).toBe(WALLET);
    expect(proofFault(proof, REQUEST, MADE_AT_S)).toBeUndefined();
  });

  it("may carry a number for its time, a checksummed address and a signature without 0x", () => {
    const payload = {
      method: "POST",
      path: "/storage/upload",
      walletAddress: ACCOUNT.address,
      nonce: VECTOR.nonce,
      timestamp: MADE_AT_S,
    };
    const header = jsonToBase64({
      payloadB64: jsonToBase64(payload),
      signature: VECTOR.signature.slice(2),
      address: ACCOUNT.address,
    });
    expect(decoded(header)).toEqual(VECTOR);
  });

  it("verifies on both chains it may be signed for, each by its own domain", async () => {
    for (const chainId of PROOF_CHAIN_IDS) {
      const proof = await signed(VECTOR.claimed, "1", chainId);
      for (const other of PROOF_CHAIN_IDS) expect(signerOf(proof, other) === WALLET).toBe(other === chainId);
    }
  });

  it("is good for 300 s and may be 60 s ahead", () => {
    const at = (seconds: number) => proofFault(VECTOR, REQUEST, MADE_AT_S + seconds);
    expect(at(299)).toBeUndefined();
    expect(at(300)).toBeUndefined();
    expect(at(301)).toBe("expired_signature");
    expect(at(-60)).toBeUndefined();
    expect(at(-61)).toBe("future_signature");
  });

  it("is for one method and one path, a trailing slash apart", () => {
    const fault = (claimed: WalletProof["claimed"]) => proofFault({ ...VECTOR, claimed }, REQUEST, MADE_AT_S);
    expect(fault({ method: "post", path: "/storage/upload/" })).toBeUndefined();
    expect(fault({ method: "POST", path: "//storage//upload" })).toBeUndefined();
    for (const claimed of [
      { method: "GET", path: "/storage/upload" },
      { method: "POST", path: "/storage/upload/confirm" },
      { method: "POST", path: "/storage/upload?x=1" },
      { method: "POST", path: "/storage/upload?" },
      { method: "POST", path: "/Storage/upload" },
      { method: "POST", path: "" },
    ])
      expect(fault(claimed), claimed.path).toBe("signed_request_mismatch");
  });

  it("leaves query and body open, so the same proof covers the paid retry", () => {
    expect(
      proofFault(VECTOR, { ...REQUEST, query: "a=b", bodyHash: `0x${"00".repeat(32)}` }, MADE_AT_S),
    ).toBeUndefined();
  });
});

describe("a wallet proof of version 2", () => {
  const claimed = { ...VECTOR.claimed, host: "edge.test", query: "", bodyHash: REQUEST.bodyHash };

  it("comes back from its header and verifies", async () => {
    const proof = await signed(claimed, "2", 84532);
    expect(decoded(encodeProof(proof))).toEqual(proof);
    expect(signerOf(proof, 84532)).toBe(WALLET);
    expect(proofFault(proof, REQUEST, MADE_AT_S)).toBeUndefined();
  });

  it("covers host, query and body too", async () => {
    const proof = await signed(claimed, "2", 84532);
    for (const other of [
      { ...REQUEST, host: "evil.test" },
      { ...REQUEST, query: "agent_id=other" },
      { ...REQUEST, bodyHash: `0x${"00".repeat(32)}` as const },
    ])
      expect(proofFault(proof, other, MADE_AT_S)).toBe("signed_request_mismatch");
    expect(signerOf({ ...proof, claimed: { ...claimed, host: "evil.test" } }, 84532)).not.toBe(WALLET);
  });

  it("that leaves one of them out matches nothing", () => {
    for (const name of ["host", "query", "bodyHash"] as const) {
      const { [name]: _, ...rest } = claimed;
      expect(proofFault({ ...VECTOR, version: "2", claimed: rest }, REQUEST, MADE_AT_S)).toBe(
        "signed_request_mismatch",
      );
    }
  });

  it("cannot be passed off as version 1, nor the other way round", async () => {
    const two = await signed(claimed, "2", 8453);
    expect(signerOf({ ...two, version: "1" }, 8453)).not.toBe(WALLET);
    expect(signerOf({ ...VECTOR, version: "2", claimed }, 8453)).not.toBe(WALLET);
  });
});

describe("what is not a proof", () => {
  const payload = {
    method: "POST",
    path: "/storage/upload",
    walletAddress: WALLET,
    nonce: VECTOR.nonce,
    timestamp: String(MADE_AT_S),
  };
  const headerOf = (over: object, envelope: object = {}) =>
    jsonToBase64({
      payloadB64: jsonToBase64({ ...payload, ...over }),
      signature: VECTOR.signature,
      address: WALLET,
      ...envelope,
    });

  it("is told from one that is", () => {
    expect(decodeProof(headerOf({}))).toBeDefined();
  });

  it.each<[string, string]>([
    ["nothing", ""],
    ["no base64", "{}"],
    ["no JSON", "AAAA"],
    ["no payload", jsonToBase64({ signature: VECTOR.signature, address: WALLET })],
    ["a payload that is no base64", headerOf({}, { payloadB64: "{}" })],
    ["a short nonce", headerOf({ nonce: "0x22" })],
    ["no method", headerOf({ method: undefined })],
    ["an unknown version", headerOf({ version: "3" })],
    ["a time that is no number", headerOf({ timestamp: "soon" })],
    ["a negative time", headerOf({ timestamp: -1 })],
    ["a wallet that is no address", headerOf({ walletAddress: "0x12" })],
    ["two different wallets", headerOf({}, { address: `0x${"00".repeat(20)}` })],
    ["a short signature", headerOf({}, { signature: "0x1234" })],
    ["too much", headerOf({ path: "x".repeat(PROOF_HEADER_BYTES_MAX) })],
    ["two headers joined", `${headerOf({})}, ${headerOf({})}`],
  ])("%s is refused", (_, header) => {
    expect(decodeProof(header)).toBeUndefined();
  });

  it("a signature of no curve point recovers nobody", () => {
    for (const signature of [`0x${"00".repeat(65)}`, `0x${"ff".repeat(65)}`, `0x${"11".repeat(64)}1d`] as const)
      expect(signerOf({ ...VECTOR, signature }, 8453)).toBeUndefined();
  });
});

describe("a path", () => {
  it("is normalised as the published client does", () => {
    for (const [from, to] of [
      ["/", "/"],
      ["//", "/"],
      ["/a/", "/a"],
      ["/a//b///", "/a/b"],
      ["", ""],
    ] as const)
      expect(normalisePath(from)).toBe(to);
  });
});
