/**
 * Our recipient stanza: the object's file key (the DEK) under the wallet's key encryption key.
 *
 *   -> mnemospark-kek <kid> <nonce>
 *   <AES-256-GCM(KEK, nonce, file key, AAD = digest of the context)>
 *
 * The context (chain, wallet, object, version) is authenticated, not stored: a wrapped key moved to another object or
 * version opens nothing. One random 96-bit nonce per object is safe for 2^32 objects under one KEK (NIST SP 800-38D, 8.3).
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import {
  contextFault,
  contextDigest as digestOf,
  isKid,
  KEK_BYTES,
  KEK_NONCE_BYTES,
  KEK_STANZA,
  kidOf,
  type SealContext,
  KEK_TAG_BYTES as TAG_BYTES,
} from "#contract/sealing";
import { decodeBase64, encodeBase64, encodeStanza, FILE_KEY_BYTES, type Header, type Stanza } from "./header.ts";
import { EnvelopeError } from "./refusal.ts";

export { isKid, KEK_BYTES, KEK_NONCE_BYTES, KEK_STANZA, kidOf, type SealContext };

/** Finds a KEK (32 bytes) by its kid, undefined if this machine does not hold it. */
export type KekLookup = (kid: string) => Promise<Uint8Array | undefined> | Uint8Array | undefined;

/**
 * What the wrapped key is bound to.
 * @throws EnvelopeError `bad_input`
 */
export function contextDigest(context: SealContext): Uint8Array {
  const fault = contextFault(context);
  if (fault !== undefined) throw badInput(fault);
  return digestOf(context);
}

/** The stanza for `fileKey` (16 bytes). `nonce` (12 bytes) must be fresh and random. */
export function wrapWithKek(fileKey: Uint8Array, kek: Uint8Array, nonce: Uint8Array, context: SealContext): Stanza {
  if (kek.length !== KEK_BYTES) throw badInput("A key encryption key has 32 bytes.");
  const cipher = createCipheriv("aes-256-gcm", kek, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(contextDigest(context));
  const body = Buffer.concat([cipher.update(fileKey), cipher.final(), cipher.getAuthTag()]);
  return { type: KEK_STANZA, args: [kidOf(kek), encodeBase64(nonce)], body };
}

/**
 * The file key (16 bytes) of a header, by its KEK stanza alone; every other stanza is ignored. With `wrappedDek`, as a rotation left
 * it, by that instead. The header is not yet authenticated: follow with `verifyHeader`.
 * @throws EnvelopeError `no_kek_stanza`, `bad_header`, `unknown_kid`, `wrong_key_or_context`
 */
export async function unwrapWithKek(
  header: Header,
  kekFor: KekLookup,
  context: SealContext,
  wrapped?: string,
): Promise<Uint8Array> {
  const stanza = kekStanza(header);
  const { kid, nonce, body } = readKekStanza(wrapped === undefined ? stanza : parseWrappedDek(wrapped));
  const kek = await kekFor(kid);
  if (kek === undefined) {
    throw new EnvelopeError("unknown_kid", `The object is sealed under key ${kid}, which is not on this machine.`);
  }
  if (kek.length !== KEK_BYTES || kidOf(kek) !== kid) throw badInput(`The key offered for ${kid} is not that key.`);

  const decipher = createDecipheriv("aes-256-gcm", kek, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(contextDigest(context));
  decipher.setAuthTag(body.subarray(FILE_KEY_BYTES));
  const fileKey = decipher.update(body.subarray(0, FILE_KEY_BYTES));
  try {
    decipher.final();
  } catch (cause) {
    const message =
      "The wrapped key does not open: it was altered, or made for another wallet, object, version or chain.";
    throw new EnvelopeError("wrong_key_or_context", message, { cause });
  }
  return fileKey;
}

/**
 * The wrapped DEK as it travels in `x-amz-meta-wrapped-dek`: base64 of the KEK stanza as the header spells it, 128 characters.
 * @throws EnvelopeError `no_kek_stanza`
 */
export function wrappedDek(header: Pick<Header, "stanzas">): string {
  return Buffer.from(encodeStanza(kekStanza(header)), "latin1").toString("base64");
}

/**
 * The stanza that `wrappedDek` spells.
 * @throws EnvelopeError `bad_wrapped_key`
 */
export function parseWrappedDek(text: string): Stanza {
  const spelled = Buffer.from(text, "base64").toString("latin1");
  const [opening = "", encoded = "", end, ...rest] = spelled.split("\n");
  const [arrow, type, ...args] = opening.split(" ");
  const body = decodeBase64(encoded);
  const stanza = arrow === "->" && type === KEK_STANZA && body ? { type, args, body } : undefined;
  if (stanza === undefined || end !== "" || rest.length > 0 || encodeStanza(stanza) !== spelled)
    throw new EnvelopeError("bad_wrapped_key", "The wrapped key that came with the object is malformed.");
  return stanza;
}

/** The one KEK stanza. A header with two could mean two different objects to two readers. */
function kekStanza(header: Pick<Header, "stanzas">): Stanza {
  const [stanza, ...others] = header.stanzas.filter((each) => each.type === KEK_STANZA);
  if (stanza === undefined) {
    throw new EnvelopeError(
      "no_kek_stanza",
      "The object carries no key wrapped for this wallet; recovery may open it.",
    );
  }
  if (others.length > 0) throw new EnvelopeError("no_kek_stanza", "The object carries more than one wrapped key.");
  return stanza;
}

function readKekStanza(stanza: Stanza): { kid: string; nonce: Uint8Array; body: Uint8Array } {
  const [kid, encodedNonce, ...rest] = stanza.args;
  const nonce = encodedNonce === undefined ? undefined : decodeBase64(encodedNonce);
  const whole = nonce?.length === KEK_NONCE_BYTES && stanza.body.length === FILE_KEY_BYTES + TAG_BYTES;
  if (kid === undefined || !isKid(kid) || nonce === undefined || !whole || rest.length > 0) {
    throw new EnvelopeError("bad_header", "The object's wrapped key is malformed.");
  }
  return { kid, nonce, body: stanza.body };
}

function badInput(message: string): EnvelopeError {
  return new EnvelopeError("bad_input", message);
}
