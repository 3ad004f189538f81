/**
 * The wallet proof: one EIP-712 signature over one request, in `X-Wallet-Signature`.
 *
 * Version 1 is the published client's, to the letter (method, path, wallet, nonce, time). It leaves query and body open, so the
 * server binds the nonce to the first request that shows it. Version 2 is ours and signs host, query and body as well.
 */
import * as z from "zod";
import { base64ToJson, jsonToBase64 } from "./base64.ts";
import { PROOF_AGE_MAX_S, PROOF_HEADER_BYTES_MAX, PROOF_SKEW_S } from "./limits.ts";
import { parseWallet, type Wallet } from "./wallet.ts";

export const PROOF_HEADER = "x-wallet-signature";

/** Not a contract: the domain only needs an address nobody deploys to (the published client's choice). */
export const PROOF_VERIFYING_CONTRACT = "0x0000000000000000000000000000000000000001";
export const PROOF_CHAIN_IDS = [8453, 84532] as const;

export type ProofVersion = "1" | "2";

/** EIP-712 types by version; the primary type is `MnemosparkRequest` in both, the domain version tells them apart. */
export const PROOF_TYPES = {
  "1": {
    MnemosparkRequest: [
      { name: "method", type: "string" },
      { name: "path", type: "string" },
      { name: "walletAddress", type: "address" },
      { name: "nonce", type: "bytes32" },
      { name: "timestamp", type: "uint256" },
    ],
  },
  "2": {
    MnemosparkRequest: [
      { name: "method", type: "string" },
      { name: "host", type: "string" },
      { name: "path", type: "string" },
      { name: "query", type: "string" },
      { name: "bodyHash", type: "bytes32" },
      { name: "walletAddress", type: "address" },
      { name: "nonce", type: "bytes32" },
      { name: "timestamp", type: "uint256" },
    ],
  },
} as const;

/** What a proof says was asked. `bodyHash` is SHA-256 of the body bytes as `0x` hex, of zero bytes when there is none. */
export interface ProvenRequest {
  readonly method: string;
  readonly host: string;
  readonly path: string;
  readonly query: string;
  readonly bodyHash: `0x${string}`;
}

const Hex32 = z.string().regex(/^0x[0-9a-fA-F]{64}$/);
const Payload = z.object({
  version: z.literal("2").optional(),
  method: z.string(),
  path: z.string(),
  walletAddress: z.string(),
  nonce: Hex32,
  timestamp: z.union([z.string().regex(/^[0-9]{1,12}$/), z.number().int().nonnegative()]),
  host: z.string().optional(),
  query: z.string().optional(),
  bodyHash: Hex32.optional(),
});
const Envelope = z.object({ payloadB64: z.string(), signature: z.string(), address: z.string() });

export interface WalletProof {
  readonly version: ProofVersion;
  readonly wallet: Wallet;
  readonly nonce: `0x${string}`;
  readonly timestampS: number;
  readonly signature: `0x${string}`;
  /** What the signer wrote, compared with the request by `proofFault`. */
  readonly claimed: { method: string; path: string; host?: string; query?: string; bodyHash?: string };
}

/** Reads the header; undefined when it is not a proof at all. Verifies nothing. */
export function decodeProof(header: string): WalletProof | undefined {
  if (header.length > PROOF_HEADER_BYTES_MAX) return undefined;
  const envelope = Envelope.safeParse(base64ToJson(header));
  const payload = envelope.success ? Payload.safeParse(base64ToJson(envelope.data.payloadB64)) : undefined;
  if (!envelope.success || !payload?.success) return undefined;
  const { data } = payload;
  const wallet = parseWallet(data.walletAddress);
  // 65 bytes, or whatever a contract wallet (ERC-1271) asks for.
  const signature = /^(?:0x)?((?:[0-9a-fA-F]{2}){65,1024})$/.exec(envelope.data.signature)?.[1];
  if (!wallet || !signature || parseWallet(envelope.data.address) !== wallet) return undefined;
  return {
    version: data.version ?? "1",
    wallet,
    nonce: data.nonce.toLowerCase() as `0x${string}`,
    timestampS: Number(data.timestamp),
    signature: `0x${signature}`,
    claimed: {
      method: data.method,
      path: data.path,
      ...(data.host === undefined ? {} : { host: data.host }),
      ...(data.query === undefined ? {} : { query: data.query }),
      ...(data.bodyHash === undefined ? {} : { bodyHash: data.bodyHash.toLowerCase() }),
    },
  };
}

export type ProofFault = "expired_signature" | "future_signature" | "signed_request_mismatch";

/** Compares a proof with the request it came on; undefined when they agree. The signature is checked elsewhere. */
export function proofFault(proof: WalletProof, request: ProvenRequest, nowS: number): ProofFault | undefined {
  if (nowS - proof.timestampS > PROOF_AGE_MAX_S) return "expired_signature";
  if (proof.timestampS - nowS > PROOF_SKEW_S) return "future_signature";
  const { claimed } = proof;
  const agrees =
    claimed.method.toUpperCase() === request.method &&
    normalisePath(claimed.path) === request.path &&
    (proof.version === "1" ||
      (claimed.host === request.host && claimed.query === request.query && claimed.bodyHash === request.bodyHash));
  return agrees ? undefined : "signed_request_mismatch";
}

/** Duplicate and trailing slashes are dropped, as the published client does. A query in a path stays and so never matches. */
export function normalisePath(path: string): string {
  const single = path.replace(/\/{2,}/g, "/");
  return single.length > 1 ? single.replace(/\/$/, "") : single;
}

/** The typed data a wallet signs; `claimed` values go in exactly as they were sent. */
export function proofTypedData(proof: Omit<WalletProof, "signature">, chainId: number) {
  const { claimed, version } = proof;
  const common = { method: claimed.method, path: claimed.path, walletAddress: proof.wallet, nonce: proof.nonce };
  const message =
    version === "1"
      ? { ...common, timestamp: BigInt(proof.timestampS) }
      : {
          ...common,
          host: claimed.host ?? "",
          query: claimed.query ?? "",
          bodyHash: claimed.bodyHash ?? "",
          timestamp: BigInt(proof.timestampS),
        };
  return {
    domain: { name: "Mnemospark", version, chainId, verifyingContract: PROOF_VERIFYING_CONTRACT },
    types: PROOF_TYPES[version] as Record<string, readonly { name: string; type: string }[]>,
    primaryType: "MnemosparkRequest",
    message: message as Record<string, unknown>,
  } as const;
}

/** The header a client sends. Key order inside is the published client's. */
export function encodeProof(proof: WalletProof): string {
  const { claimed } = proof;
  const payload = {
    method: claimed.method,
    path: claimed.path,
    walletAddress: proof.wallet,
    nonce: proof.nonce,
    timestamp: String(proof.timestampS),
    ...(proof.version === "2"
      ? { version: "2", host: claimed.host, query: claimed.query, bodyHash: claimed.bodyHash }
      : {}),
  };
  return jsonToBase64({ payloadB64: jsonToBase64(payload), signature: proof.signature, address: proof.wallet });
}
