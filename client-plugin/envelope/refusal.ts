/**
 * The one error of the envelope: a code a caller can branch on and a sentence a person can act on.
 * Every refusal means "nothing was released"; none carries key material or plaintext.
 */

export type EnvelopeRefusal =
  /** The first line is not age's. */
  | "not_sealed"
  /** The header breaks age's grammar, or is longer than we accept. */
  | "bad_header"
  /** No KEK stanza, or more than one: everyday reading accepts exactly one. */
  | "no_kek_stanza"
  /** The stanza names a KEK this machine does not hold. */
  | "unknown_kid"
  /** The KEK does not open the stanza: another key, or the object was sealed for another wallet, object, version or chain. */
  | "wrong_key_or_context"
  /** The file key does not authenticate the header. */
  | "bad_header_mac"
  /** A chunk is damaged, out of order, missing, or followed by bytes that do not belong. */
  | "bad_payload"
  /** The recovery identity opens none of the header's stanzas. */
  | "no_recovery_stanza"
  /** The recovery recipient or identity is not a well-formed age X25519 key. */
  | "bad_recovery_key"
  /** The wrapped key that came beside the object is absent (old format) or has the wrong shape. */
  | "bad_wrapped_key"
  /** The caller handed over something that cannot be sealed: a wrong key length, wallet spelling, version. */
  | "bad_input"
  /** The destination exists and overwriting was not asked for. */
  | "destination_exists";

/** Thrown by everything in this folder when an object must not be made or opened. */
export class EnvelopeError extends Error {
  readonly code: EnvelopeRefusal;

  constructor(code: EnvelopeRefusal, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "EnvelopeError";
    this.code = code;
  }
}
