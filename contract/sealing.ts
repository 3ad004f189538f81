/**
 * The facts of the sealed format that every reader needs: how a key encryption key (KEK) is named and kept in a file, and what an
 * object's wrapped key is bound to. The cryptography stands where it runs: client-plugin/envelope/ (Node), worker/page/ (browser).
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { base64ToBytes } from "./base64.ts";
import { bytesToHex, bytesToUtf8, utf8ToBytes } from "./bytes.ts";
import type { Wallet } from "./wallet.ts";

export const KEK_BYTES = 32;
/** Nonce and tag of AES-256-GCM, which wraps the file key. */
export const KEK_NONCE_BYTES = 12;
export const KEK_TAG_BYTES = 16;
/** Type of the recipient stanza that carries the wrapped file key. */
export const KEK_STANZA = "mnemospark-kek";

/** What an object is. All four must be known to open it, and must be the ones it was sealed for. */
export interface SealContext {
  /** EIP-155 chain id the wallet pays on. */
  readonly chainId: number;
  readonly wallet: Wallet;
  readonly objectId: string;
  /** Counts up from 1 with every new content under the same object id, also after a delete. */
  readonly version: number;
}

/**
 * What is opened. Without a version it is the one that the stanza names: whoever opens it has to judge whether that is not older than
 * what he knows. It is authenticated either way.
 */
export type OpenContext = Omit<SealContext, "version"> & { readonly version?: number | undefined };

/** The context of a stored object: bound to its name, so taken from one name it opens under no other. */
export function objectContext(chainId: number, wallet: Wallet, agentId: string, objectKey: string): OpenContext {
  return { chainId, wallet, objectId: `${agentId}/${objectKey}` };
}

export const VERSION_MAX = 999_999_999;

/** As the stanza names it: nine digits, so that a replacement of the same size is no byte longer than what it replaces. */
export function encodeVersion(version: number): string {
  return String(version).padStart(9, "0");
}

/** Of a stanza's arguments behind kid and nonce; those sealed before versions were counted have none and are version 1. */
export function decodeVersion(args: readonly string[]): { readonly version: number | undefined } | undefined {
  const [text, ...rest] = args;
  if (rest.length > 0) return undefined;
  if (text === undefined) return { version: undefined };
  return /^\d{9}$/.test(text) && Number(text) >= 1 ? { version: Number(text) } : undefined;
}

/** Names a KEK without telling it: the first 16 hex digits of SHA-256("mnemospark/kid" || KEK). */
export function kidOf(kek: Uint8Array): string {
  return bytesToHex(sha256.create().update(utf8ToBytes("mnemospark/kid")).update(kek).digest()).slice(0, 16);
}

const KID = /^[0-9a-f]{16}$/;

/** True for the spelling that `kidOf` writes; anything else must not become part of a file name. */
export function isKid(text: string): boolean {
  return KID.test(text);
}

/** Why a context can bind nothing, or undefined when it can. */
export function contextFault({ chainId, wallet, objectId, version }: SealContext): string | undefined {
  if (!Number.isSafeInteger(chainId) || chainId < 1) return "The chain id must be a positive integer.";
  if (!Number.isSafeInteger(version) || version < 1 || version > VERSION_MAX)
    return `The object version must be a whole number from 1 to ${VERSION_MAX}.`;
  if (!/^0x[0-9a-f]{40}$/.test(wallet)) return "The wallet must be a lower-case 0x address.";
  if (objectId.length === 0 || !objectId.isWellFormed()) return "The object id must be well-formed text.";
  return undefined;
}

/**
 * SHA-256 over the fields, each as UTF-8 behind its length in 4 big-endian bytes, so no two contexts share an encoding:
 * "mnemospark/v1", chain id and version in decimal, in the order label, chain, wallet, object, version.
 */
export function contextDigest({ chainId, wallet, objectId, version }: SealContext): Uint8Array {
  const hash = sha256.create();
  for (const field of ["mnemospark/v1", String(chainId), wallet, objectId, String(version)]) {
    const bytes = utf8ToBytes(field);
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, bytes.length);
    hash.update(length).update(bytes);
  }
  return hash.digest();
}

/** A key file's 32 bytes: raw, or base64 and a newline. Raw first: 32 bytes are the key even if they look like text. */
export function parseKekFile(content: Uint8Array): Uint8Array | undefined {
  if (content.length === KEK_BYTES) return new Uint8Array(content);
  const text = bytesToUtf8(content)?.trim();
  const bytes = text === undefined ? undefined : base64ToBytes(text);
  return bytes?.length === KEK_BYTES ? bytes : undefined;
}
