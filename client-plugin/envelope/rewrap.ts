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
  kekStanza,
  type OpenContext,
  parseWrappedDek,
  readKekStanza,
  type Unwrapped,
  unlock,
  unwrapStanza,
  wrappedDek,
  wrapWithKek,
} from "./kek.ts";
import { unwrapWithIdentity } from "./recovery.ts";

export interface RewrapOptions {
  /** The object's own header, read from its first bytes. */
  readonly header: Header;
  readonly kekFor: KekLookup;
  readonly context: OpenContext;
  /** The new key encryption key, 32 bytes. */
  readonly kek: Uint8Array;
  /** The wrapped DEK in force, where an earlier rotation replaced the header's own. */
  readonly wrappedDek?: string | undefined;
}

export interface Rewrapped {
  /** For the service's record, and `open`'s `wrappedDek`. */
  readonly wrappedDek: string;
  /** A header for a copy of one's own that stands alone. As long as the one before, unless that one named no version. */
  readonly header: Uint8Array;
}

/** @throws EnvelopeError as `open`, for the header */
export async function rewrap(options: RewrapOptions): Promise<Rewrapped> {
  const { header, kek, context } = options;
  const { fileKey, version } = await unlock(header, options.kekFor, context, options.wrappedDek);
  const wrapped = wrapWithKek(fileKey, kek, randomBytes(KEK_NONCE_BYTES), { ...context, version });
  const stanzas = header.stanzas.map((stanza) => (stanza.type === KEK_STANZA ? wrapped : stanza));
  return { wrappedDek: wrappedDek({ stanzas: [wrapped] }), header: encodeHeader(stanzas, fileKey) };
}

/**
 * Without the object at hand: what the service has on record, under another KEK. That it belongs to the object's bytes only opening
 * them proves; what is wrapped here was wrapped for this name by a holder of the key before, and cannot be made to mean another.
 * @throws EnvelopeError `bad_wrapped_key`, `bad_header`, `unknown_kid`, `wrong_key_or_context`
 */
export async function rewrapDek(
  options: Pick<RewrapOptions, "kekFor" | "context" | "kek"> & { readonly wrappedDek: string },
): Promise<{ readonly wrappedDek: string; readonly version: number }> {
  const { context, kek } = options;
  const stanza = parseWrappedDek(options.wrappedDek);
  const { fileKey, version } = await unwrapStanza(stanza, options.kekFor, context);
  const wrapped = wrapWithKek(fileKey, kek, randomBytes(KEK_NONCE_BYTES), { ...context, version });
  return { wrappedDek: wrappedDek({ stanzas: [wrapped] }), version };
}

/**
 * By the recovery identity, where the KEK is lost: from the object's own header, whose MAC proves the version its stanza names.
 * @throws EnvelopeError `no_recovery_stanza`, `bad_recovery_key`, `bad_header`, `bad_header_mac`, `no_kek_stanza`
 */
export function rewrapRecovered(
  options: Pick<RewrapOptions, "header" | "context" | "kek"> & { readonly identity: string },
): Pick<Unwrapped, "version"> & { readonly wrappedDek: string } {
  const { header, context, kek } = options;
  const fileKey = unwrapWithIdentity(header, options.identity);
  verifyHeader(header, fileKey);
  const version = readKekStanza(kekStanza(header)).version ?? 1;
  const wrapped = wrapWithKek(fileKey, kek, randomBytes(KEK_NONCE_BYTES), { ...context, version });
  return { wrappedDek: wrappedDek({ stanzas: [wrapped] }), version };
}
