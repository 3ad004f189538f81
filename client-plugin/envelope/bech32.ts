/** Bech32 (BIP-173), the spelling of age keys: `age1…` recipients and `AGE-SECRET-KEY-1…` identities. */
import { bech32 } from "@scure/base";

/** The bytes behind `prefix` (lower case), undefined if the text is of another kind, mixed in case, mistyped or not canonical. */
export function decodeBech32(text: string, prefix: string): Uint8Array | undefined {
  const decoded = bech32.decodeUnsafe(text, false);
  if (decoded === undefined || decoded.prefix !== prefix) return undefined;
  const bytes = bech32.fromWordsUnsafe(decoded.words);
  return bytes === undefined ? undefined : new Uint8Array(bytes);
}

/** `bytes` behind `prefix`, in lower case. */
export function encodeBech32(bytes: Uint8Array, prefix: string): string {
  return bech32.encode(prefix, bech32.toWords(bytes), false);
}
