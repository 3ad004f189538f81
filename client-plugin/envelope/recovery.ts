/**
 * The recovery recipient: age's own X25519 stanza (age-encryption.org/v1, "The X25519 recipient type"), so that
 * `age -d -i recovery-key object` opens an object with nothing of ours at hand.
 * Sealing knows only the public recipient; the identity is typed in by the owner and kept nowhere.
 */
import { createCipheriv, createDecipheriv, hkdfSync } from "node:crypto";
import { x25519 } from "@noble/curves/ed25519.js";
import { decodeBech32 } from "./bech32.ts";
import { decodeBase64, encodeBase64, FILE_KEY_BYTES, type Header, type Stanza } from "./header.ts";
import { EnvelopeError } from "./refusal.ts";

export const X25519_STANZA = "X25519";
export const EPHEMERAL_BYTES = 32;

const CIPHER = "chacha20-poly1305";
const KEY_BYTES = 32;
const TAG_BYTES = 16;
/** The wrapping key is used once, so age fixes the nonce at zero. */
const ZERO_NONCE = new Uint8Array(12);

/**
 * The stanza for `fileKey` (16 bytes) and an `age1…` recipient. `ephemeral` (32 bytes) must be fresh and random.
 * @throws EnvelopeError `bad_recovery_key`
 */
export function wrapForRecovery(fileKey: Uint8Array, recipient: string, ephemeral: Uint8Array): Stanza {
  const theirs = decodeBech32(recipient, "age");
  if (theirs?.length !== KEY_BYTES) throw badKey("The recovery recipient is not an age X25519 recipient (age1…).");
  const shared = agree(ephemeral, theirs);
  if (shared === undefined) throw badKey("The recovery recipient is not a usable public key.");

  const share = x25519.getPublicKey(ephemeral);
  const cipher = createCipheriv(CIPHER, wrappingKey(shared, share, theirs), ZERO_NONCE, { authTagLength: TAG_BYTES });
  const body = Buffer.concat([cipher.update(fileKey), cipher.final(), cipher.getAuthTag()]);
  return { type: X25519_STANZA, args: [encodeBase64(share)], body };
}

/**
 * The file key (16 bytes) of a header for the holder of the recovery identity (`AGE-SECRET-KEY-1…`); other stanzas are ignored.
 * The header is not yet authenticated: follow with `verifyHeader`.
 * @throws EnvelopeError `bad_recovery_key`, `no_recovery_stanza`, `bad_header`
 */
export function unwrapWithIdentity(header: Header, identity: string): Uint8Array {
  const secret = decodeBech32(identity, "age-secret-key-");
  if (secret?.length !== KEY_BYTES) {
    throw badKey("The recovery key is not an age X25519 identity (AGE-SECRET-KEY-1…).");
  }
  // A passphrase stanza must stand alone (same spec, "The scrypt recipient type").
  if (header.stanzas.length > 1 && header.stanzas.some((stanza) => stanza.type === "scrypt")) {
    throw malformed("a passphrase stanza does not stand alone");
  }
  for (const stanza of header.stanzas.filter((each) => each.type === X25519_STANZA)) {
    const fileKey = unwrapStanza(stanza, secret);
    if (fileKey !== undefined) return fileKey;
  }
  throw new EnvelopeError("no_recovery_stanza", "The object was not sealed for this recovery key.");
}

/** Undefined when the stanza is for somebody else. */
function unwrapStanza(stanza: Stanza, secret: Uint8Array): Uint8Array | undefined {
  const [encodedShare, ...rest] = stanza.args;
  const share = encodedShare === undefined ? undefined : decodeBase64(encodedShare);
  if (share?.length !== KEY_BYTES || rest.length > 0) throw malformed("an X25519 share has the wrong shape");
  if (stanza.body.length !== FILE_KEY_BYTES + TAG_BYTES) throw malformed("an X25519 body has the wrong length");

  const shared = agree(secret, share);
  if (shared === undefined) throw malformed("an X25519 share is a low-order point");
  const key = wrappingKey(shared, share, x25519.getPublicKey(secret));
  const decipher = createDecipheriv(CIPHER, key, ZERO_NONCE, { authTagLength: TAG_BYTES });
  decipher.setAuthTag(stanza.body.subarray(FILE_KEY_BYTES));
  const fileKey = decipher.update(stanza.body.subarray(0, FILE_KEY_BYTES));
  try {
    decipher.final();
    return fileKey;
  } catch {
    return undefined;
  }
}

function wrappingKey(shared: Uint8Array, share: Uint8Array, recipient: Uint8Array): Uint8Array {
  const salt = Buffer.concat([share, recipient]);
  return new Uint8Array(hkdfSync("sha256", shared, salt, "age-encryption.org/v1/X25519", KEY_BYTES));
}

/** Undefined for a point that agrees to zero with everybody: both sides must refuse it. */
function agree(secret: Uint8Array, point: Uint8Array): Uint8Array | undefined {
  try {
    return x25519.getSharedSecret(secret, point);
  } catch {
    return undefined;
  }
}

function malformed(why: string): EnvelopeError {
  return new EnvelopeError("bad_header", `The object's header is malformed: ${why}.`);
}

function badKey(message: string): EnvelopeError {
  return new EnvelopeError("bad_recovery_key", message);
}
