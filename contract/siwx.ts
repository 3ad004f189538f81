/**
 * Sign-in-with-X: one EIP-4361 message over a challenge of ours instead of our own wallet proof (x402 extension `sign-in-with-x`).
 *
 * The message is built from the server's own domain, resource and statement; of the client's header only the address, the
 * signature and the challenge's nonce and times are used, and those are under our MAC. What a client writes elsewhere is compared,
 * never believed. So a signature given to another site, or for another route, opens nothing here.
 */
import { keccak_256 } from "@noble/hashes/sha3.js";
import * as z from "zod";
import { base64ToJson } from "./base64.ts";
import { bytesToHex, utf8ToBytes } from "./bytes.ts";
import { PROOF_HEADER_BYTES_MAX, SIWX_TTL_S } from "./limits.ts";
import { parseWallet, type Wallet } from "./wallet.ts";

export const SIWX_HEADER = "sign-in-with-x";
export const SIWX_STATEMENT = "Sign in to mnemospark to use what this wallet has bought. This moves no money.";

export const SiwxInfo = z.object({
  domain: z.string(),
  uri: z.string(),
  version: z.literal("1"),
  nonce: z.string(),
  issuedAt: z.string(),
  expirationTime: z.string(),
  statement: z.string(),
});
export type SiwxInfo = z.infer<typeof SiwxInfo>;

export const SiwxChallenge = z.object({
  info: SiwxInfo,
  supportedChains: z.array(z.object({ chainId: z.string(), type: z.literal("eip191") })),
});
export type SiwxChallenge = z.infer<typeof SiwxChallenge>;

const Header = z.object({
  domain: z.string(),
  uri: z.string(),
  version: z.string(),
  chainId: z.string(),
  type: z.string(),
  nonce: z.string().regex(/^[0-9a-f]{32}$/),
  issuedAt: z.iso.datetime(),
  expirationTime: z.iso.datetime(),
  statement: z.string(),
  address: z.string(),
  // 65 bytes, or whatever a contract wallet (ERC-1271) asks for.
  signature: z.string().regex(/^0x(?:[0-9a-fA-F]{2}){65,1024}$/),
});

export interface SignIn extends Omit<z.infer<typeof Header>, "address" | "signature"> {
  readonly wallet: Wallet;
  readonly signature: `0x${string}`;
}

/** Reads the header; undefined when it is no sign-in. Verifies nothing. */
export function decodeSignIn(header: string): SignIn | undefined {
  if (header.length > PROOF_HEADER_BYTES_MAX) return undefined;
  const parsed = Header.safeParse(base64ToJson(header));
  if (!parsed.success) return undefined;
  const { address, signature, ...rest } = parsed.data;
  const wallet = parseWallet(address);
  return wallet && { ...rest, wallet, signature: signature as `0x${string}` };
}

/** What a challenge is for; all of it the server's own. */
export interface SiwxPlace {
  /** Authority of the public URL, with its port if it has one (RFC 3986; EIP-4361 `domain`). */
  readonly domain: string;
  readonly uri: string;
  readonly method: string;
  /** CAIP-2. */
  readonly network: string;
}

export type SiwxFault =
  | "domain_mismatch"
  | "resource_mismatch"
  | "unsupported_chain"
  | "altered"
  | "future"
  | "expired";

/** Compares a sign-in with the place it came to; undefined when they agree. MAC and signature are checked elsewhere. */
export function signInFault(signIn: SignIn, place: SiwxPlace, nowMs: number, skewS: number): SiwxFault | undefined {
  if (signIn.domain !== place.domain) return "domain_mismatch";
  if (signIn.uri !== place.uri) return "resource_mismatch";
  if (signIn.chainId !== place.network || signIn.type !== "eip191") return "unsupported_chain";
  const issuedMs = Date.parse(signIn.issuedAt);
  const expiresMs = Date.parse(signIn.expirationTime);
  const altered =
    signIn.version !== "1" || signIn.statement !== SIWX_STATEMENT || expiresMs - issuedMs !== SIWX_TTL_S * 1000;
  if (altered) return "altered";
  if (issuedMs > nowMs + skewS * 1000) return "future";
  return expiresMs + skewS * 1000 < nowMs ? "expired" : undefined;
}

/** What the nonce's MAC covers. */
export function challengeText(place: SiwxPlace, issuedAt: string, random: string): string {
  return JSON.stringify([place.domain, place.method, place.uri, place.network, issuedAt, random]);
}

/** EIP-4361 text, line for line. */
export function signInMessage(info: SiwxInfo, wallet: Wallet, chainId: number): string {
  return [
    `${info.domain} wants you to sign in with your Ethereum account:`,
    checksummed(wallet),
    "",
    info.statement,
    "",
    `URI: ${info.uri}`,
    `Version: ${info.version}`,
    `Chain ID: ${chainId}`,
    `Nonce: ${info.nonce}`,
    `Issued At: ${info.issuedAt}`,
    `Expiration Time: ${info.expirationTime}`,
  ].join("\n");
}

/** EIP-55, which EIP-4361 asks for in the message. */
export function checksummed(wallet: Wallet): string {
  const digits = wallet.slice(2);
  const hash = bytesToHex(keccak_256(utf8ToBytes(digits)));
  const cased = [...digits].map((digit, at) =>
    Number.parseInt(hash[at] ?? "0", 16) >= 8 ? digit.toUpperCase() : digit,
  );
  return `0x${cased.join("")}`;
}
