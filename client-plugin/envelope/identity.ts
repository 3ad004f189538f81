/**
 * The recovery identity in its three spellings: 24 words to write down, `AGE-SECRET-KEY-1…` for any age tool, and the public recipient
 * that objects are sealed for. Made once, shown once, kept nowhere by us.
 */
import { randomBytes } from "node:crypto";
import { x25519 } from "@noble/curves/ed25519.js";
import { entropyToMnemonic, mnemonicToEntropy } from "@scure/bip39";
import { wordlist } from "@scure/bip39/wordlists/english.js";
import { decodeBech32, encodeBech32 } from "./bech32.ts";
import { EnvelopeError } from "./refusal.ts";

export interface RecoveryIdentity {
  /** BIP-39 (English) of the 32 secret bytes: 24 words. */
  readonly words: string;
  /** `AGE-SECRET-KEY-1…` */
  readonly identity: string;
  /** `age1…`; public. */
  readonly recipient: string;
}

const SECRET_BYTES = 32;
const WORDS = 24;

export function newRecovery(): RecoveryIdentity {
  return ofSecret(new Uint8Array(randomBytes(SECRET_BYTES)));
}

/**
 * From the words, in any case and spacing, or from `AGE-SECRET-KEY-1…`.
 * @throws EnvelopeError `bad_recovery_key`, naming the word that is none; the words are not repeated otherwise
 */
export function readRecovery(text: string): RecoveryIdentity {
  const trimmed = text.trim();
  if (/^age-secret-key-1/i.test(trimmed)) {
    const secret = decodeBech32(trimmed, "age-secret-key-");
    if (secret?.length !== SECRET_BYTES) throw bad("The recovery key is mistyped: its check characters do not fit.");
    return ofSecret(secret);
  }
  const words = trimmed.toLowerCase().split(/[\s,]+/);
  if (words.length !== WORDS) throw bad(`A recovery kit has ${WORDS} words; these are ${words.length}.`);
  const unknown = words.findIndex((word) => !wordlist.includes(word));
  if (unknown >= 0) throw bad(`Word ${unknown + 1} of the recovery kit is not one of the list (BIP-39, English).`);
  try {
    return ofSecret(mnemonicToEntropy(words.join(" "), wordlist));
  } catch (cause) {
    const message = "All words are of the list, but their checksum is wrong: two are exchanged, or one is another.";
    throw new EnvelopeError("bad_recovery_key", message, { cause });
  }
}

function ofSecret(secret: Uint8Array): RecoveryIdentity {
  return {
    words: entropyToMnemonic(secret, wordlist),
    identity: encodeBech32(secret, "age-secret-key-").toUpperCase(),
    recipient: encodeBech32(x25519.getPublicKey(secret), "age"),
  };
}

function bad(message: string): EnvelopeError {
  return new EnvelopeError("bad_recovery_key", message);
}
