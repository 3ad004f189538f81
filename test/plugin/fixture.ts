/** What the envelope, archive and key tests share: one wallet, one key, streams of awkward pieces, a scratch directory. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { parseWallet, type Wallet } from "#contract/wallet";
import type { SealContext } from "../../client-plugin/envelope/kek.ts";
import { type SealOptions, seal } from "../../client-plugin/envelope/seal.ts";

export const wallet = walletOf("0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A");
export const otherWallet = walletOf(`0x${"12".repeat(20)}`);
export const context: SealContext = { chainId: 8453, wallet, objectId: "notes/2026", version: 3 };
export const kek = Uint8Array.from({ length: 32 }, (_, at) => at);

/** Public test keys that protect nothing: the one of the published age vectors, and 32 bytes of 0x01. */
export const recovery = {
  identity: "AGE-SECRET-KEY-1EGTZVFFV20835NWYV6270LXYVK2VKNX2MMDKWYKLMGR48UAWX40Q2P2LM0",
  stranger: "AGE-SECRET-KEY-1QYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZ9K4CN",
} as const;

export function walletOf(text: string): Wallet {
  const parsed = parseWallet(text);
  if (parsed === undefined) throw new Error(`${text} is not a wallet`);
  return parsed;
}

/** `bytes` as a stream of pieces of `size`. */
export async function* pieces(bytes: Uint8Array, size = 1000): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

export async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return Buffer.concat(parts);
}

/** Reproducible bytes that do not repeat at chunk size. */
export function patterned(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at++) bytes[at] = (at * 31 + (at >>> 8) * 7 + (at >>> 16)) & 0xff;
  return bytes;
}

export function sealed(plain: Uint8Array, options: Partial<SealOptions> = {}): Promise<Buffer> {
  return collect(seal({ source: pieces(plain, 70_000), kek, context, ...options }).bytes);
}

/** A directory that is gone after the file's tests. */
export function scratch(): string {
  const path = mkdtempSync(join(tmpdir(), "mnemospark-test-"));
  afterAll(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** What `promise` rejects with: its `code`, or the whole error when it has none. */
export async function refusal(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error instanceof Error && "code" in error ? error.code : error;
  }
  return "nothing was refused";
}
