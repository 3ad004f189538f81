/**
 * Key rotation: the object's file key under another KEK. The body is not touched and not read.
 *
 * The header's MAC is keyed with the file key and covers the stanza of upload time, so a wrapped key that stands outside the object
 * (at the service) needs no MAC of its own: a wrong one opens another file key or none, and the header does not verify.
 * Who holds the old KEK and the old object can still read it; after a leak the content has to be sealed anew.
 */
import { randomBytes } from "node:crypto";
import { encodeHeader, type Header, verifyHeader } from "./header.ts";
import {
  KEK_NONCE_BYTES,
  KEK_STANZA,
  type KekLookup,
  type SealContext,
  unwrapWithKek,
  wrappedDek,
  wrapWithKek,
} from "./kek.ts";

export interface RewrapOptions {
  /** The object's own header, read from its first bytes. */
  readonly header: Header;
  readonly kekFor: KekLookup;
  readonly context: SealContext;
  /** The new key encryption key, 32 bytes. */
  readonly kek: Uint8Array;
  /** The wrapped DEK in force, where an earlier rotation replaced the header's own. */
  readonly wrappedDek?: string | undefined;
}

export interface Rewrapped {
  /** For the service's record, and `open`'s `wrappedDek`. As long as the one before. */
  readonly wrappedDek: string;
  /** A header for a copy of one's own that stands alone. As long as the one before, so the body's place stays. */
  readonly header: Uint8Array;
}

/** @throws EnvelopeError as `open`, for the header */
export async function rewrap(options: RewrapOptions): Promise<Rewrapped> {
  const { header, kek, context } = options;
  const fileKey = await unwrapWithKek(header, options.kekFor, context, options.wrappedDek);
  verifyHeader(header, fileKey);
  const wrapped = wrapWithKek(fileKey, kek, randomBytes(KEK_NONCE_BYTES), context);
  const stanzas = header.stanzas.map((stanza) => (stanza.type === KEK_STANZA ? wrapped : stanza));
  return { wrappedDek: wrappedDek({ stanzas: [wrapped] }), header: encodeHeader(stanzas, fileKey) };
}
