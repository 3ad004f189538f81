/**
 * Our recipient stanza: the object's file key (the DEK) under the wallet's key encryption key.
 *
 *   -> mnemospark-kek <kid> <nonce> <version>
 *   <AES-256-GCM(KEK, nonce, file key, AAD = digest of the context)>
 *
 * The context (chain, wallet, object, version) is authenticated; of it only the version is stored, so that a machine without records
 * can open the object. A wrapped key moved to another object or version opens nothing. One random 96-bit nonce per object is safe for 2^32 objects under one KEK (NIST SP 800-38D, 8.3).
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import {
  contextFault,
  decodeVersion,
  contextDigest as digestOf,
  encodeVersion,
  isKid,
  KEK_BYTES,
  KEK_NONCE_BYTES,
  KEK_STANZA,
  kidOf,
  type OpenContext,
  type SealContext,
  KEK_TAG_BYTES as TAG_BYTES,
} from "#contract/sealing";
import {
  decodeBase64,
  encodeBase64,
  encodeStanza,
  FILE_KEY_BYTES,
  type Header,
  type Stanza,
  verifyHeader,
} from "./header.ts";
import { EnvelopeError } from "./refusal.ts";

export { isKid, KEK_BYTES, KEK_NONCE_BYTES, KEK_STANZA, kidOf, type OpenContext, type SealContext };

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
  return { type: KEK_STANZA, args: [kidOf(kek), encodeBase64(nonce), encodeVersion(context.version)], body };
}

export interface Unwrapped {
  /** 16 bytes. */
  readonly fileKey: Uint8Array;
  /** Which version of its name the object is; authenticated under the KEK. */
  readonly version: number;
  /** Of the KEK that opened it. */
  readonly kid: string;
}

/**
 * What a stanza wraps: made under this KEK for this context, but not yet known to belong to a given object (`unlock`).
 * @throws EnvelopeError `bad_header`, `unknown_kid`, `wrong_key_or_context`
 */
export async function unwrapStanza(stanza: Stanza, kekFor: KekLookup, context: OpenContext): Promise<Unwrapped> {
  const { kid, nonce, body, version: named } = readKekStanza(stanza);
  const kek = await kekFor(kid);
  if (kek === undefined) {
    throw new EnvelopeError("unknown_kid", `The object is sealed under key ${kid}, which is not on this machine.`);
  }
  if (kek.length !== KEK_BYTES || kidOf(kek) !== kid) throw badInput(`The key offered for ${kid} is not that key.`);
  const version = context.version ?? named ?? 1;

  const decipher = createDecipheriv("aes-256-gcm", kek, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(contextDigest({ ...context, version }));
  decipher.setAuthTag(body.subarray(FILE_KEY_BYTES));
  const fileKey = decipher.update(body.subarray(0, FILE_KEY_BYTES));
  try {
    if (named !== undefined && named !== version) throw new Error(`version ${named}, wanted ${version}`);
    decipher.final();
  } catch (cause) {
    const message =
      "The wrapped key does not open: it was altered, or made for another wallet, object, version or chain.";
    throw new EnvelopeError("wrong_key_or_context", message, { cause });
  }
  return { fileKey, version, kid };
}

/**
 * The file key of an object, by its KEK stanza alone; every other stanza is ignored. `inForce` is the wrapped key that the service has
 * on record, where a rotation may have replaced the header's own; it is tried first. Where it is foreign, or under a key that is not
 * here, the header's own decides: both are bound to this object, and the header's MAC is checked under whichever opened.
 * @throws EnvelopeError `no_kek_stanza`, `bad_header`, `unknown_kid`, `wrong_key_or_context`, `bad_header_mac`, `bad_wrapped_key`
 */
export async function unlock(
  header: Header,
  kekFor: KekLookup,
  context: OpenContext,
  inForce?: string,
): Promise<Unwrapped> {
  const own = kekStanza(header);
  const by = async (stanza: Stanza) => {
    const unwrapped = await unwrapStanza(stanza, kekFor, context);
    verifyHeader(header, unwrapped.fileKey);
    return unwrapped;
  };
  if (inForce === undefined || inForce === wrappedDek(header)) return by(own);
  try {
    return await by(parseWrappedDek(inForce));
  } catch (first) {
    return by(own).catch((second: unknown) => {
      const rotated = first instanceof EnvelopeError && first.code === "unknown_kid";
      throw rotated ? first : second;
    });
  }
}

/**
 * The wrapped DEK as it travels in `x-amz-meta-wrapped-dek`: base64 of the KEK stanza as the header spells it, 144 characters.
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
export function kekStanza(header: Pick<Header, "stanzas">): Stanza {
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

/**
 * A KEK stanza's parts; `version` is undefined where none is named.
 * @throws EnvelopeError `bad_header`
 */
export function readKekStanza(stanza: Stanza) {
  const [kid, encodedNonce, ...rest] = stanza.args;
  const named = decodeVersion(rest);
  const nonce = encodedNonce === undefined ? undefined : decodeBase64(encodedNonce);
  const whole = nonce?.length === KEK_NONCE_BYTES && stanza.body.length === FILE_KEY_BYTES + TAG_BYTES;
  if (kid === undefined || !isKid(kid) || nonce === undefined || !whole || named === undefined) {
    throw new EnvelopeError("bad_header", "The object's wrapped key is malformed.");
  }
  return { kid, nonce, body: stanza.body, version: named.version };
}

function badInput(message: string): EnvelopeError {
  return new EnvelopeError("bad_input", message);
}
