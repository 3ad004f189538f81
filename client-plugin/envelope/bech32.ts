/**
 * Reads Bech32 (BIP-173), the spelling of age keys: `age1…` recipients and `AGE-SECRET-KEY-1…` identities.
 * Ours because no installed library that we name as a dependency offers it; reading only, since age-encryption writes them.
 */

const ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const GENERATOR = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3] as const;
const CHECKSUM_WORDS = 6;

/** The bytes behind `prefix`, undefined if the text is of another kind, mixed in case, mistyped or not canonical. */
export function decodeBech32(text: string, prefix: string): Uint8Array | undefined {
  const lower = text.toLowerCase();
  if (text !== lower && text !== text.toUpperCase()) return undefined;
  if (!lower.startsWith(`${prefix}1`)) return undefined;

  const words = Array.from(lower.slice(prefix.length + 1), (char) => ALPHABET.indexOf(char));
  if (words.length < CHECKSUM_WORDS || words.includes(-1)) return undefined;
  if (checksum([...expand(prefix), ...words]) !== 1) return undefined;
  return regroup(words.slice(0, -CHECKSUM_WORDS));
}

/** BIP-173 "human-readable part expansion": the high bits of each character, a zero, the low bits. */
function expand(prefix: string): number[] {
  const codes = Array.from(prefix, (char) => char.charCodeAt(0));
  return [...codes.map((code) => code >> 5), 0, ...codes.map((code) => code & 31)];
}

function checksum(words: readonly number[]): number {
  let state = 1;
  for (const word of words) {
    const top = state >>> 25;
    state = ((state & 0x1ffffff) << 5) ^ word;
    GENERATOR.forEach((value, bit) => {
      if ((top >> bit) & 1) state ^= value;
    });
  }
  return state;
}

/** Five-bit words to bytes; the padding must be short and zero. */
function regroup(words: readonly number[]): Uint8Array | undefined {
  const bytes: number[] = [];
  let buffer = 0;
  let bits = 0;
  for (const word of words) {
    buffer = ((buffer << 5) | word) & 0xfff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes.push((buffer >> bits) & 0xff);
    }
  }
  const padding = buffer & ((1 << bits) - 1);
  return bits < 5 && padding === 0 ? Uint8Array.from(bytes) : undefined;
}
