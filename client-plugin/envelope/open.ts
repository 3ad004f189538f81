/**
 * Opens sealed objects. Two doors that never fall back to one another: `open` takes only the KEK stanza, bound to its
 * context; `recover` takes only the owner's recovery identity, and so also opens what another age tool sealed for it.
 */
import { openChunks, PAYLOAD_NONCE_BYTES, payloadKey } from "./chunks.ts";
import { type Header, readHeader, verifyHeader } from "./header.ts";
import { type KekLookup, type OpenContext, type Unwrapped, unlock } from "./kek.ts";
import { ByteReader } from "./reader.ts";
import { unwrapWithIdentity } from "./recovery.ts";
import { EnvelopeError } from "./refusal.ts";

interface Reading {
  /** The sealed object from its first byte, in pieces of any size. */
  readonly source: AsyncIterable<Uint8Array>;
  /** Told the plain bytes opened so far, after each chunk. */
  readonly onProgress?: ((plainBytes: number) => void) | undefined;
}

export interface OpenOptions extends Reading {
  readonly kekFor: KekLookup;
  readonly context: OpenContext;
  /** The wrapped DEK that the service has on record; a rotation may have replaced the header's own. */
  readonly wrappedDek?: string | undefined;
  /** Told which version of its name this is before anything is released; throws to refuse it. */
  readonly onUnlocked?: ((unlocked: Pick<Unwrapped, "version" | "kid">) => void) | undefined;
}

export interface RecoverOptions extends Reading {
  /** `AGE-SECRET-KEY-1…` from the recovery kit. */
  readonly identity: string;
}

/**
 * The plaintext, each piece authenticated before it is yielded. Complete only once the iteration has ended without a
 * throw: until then keep it where nobody takes it for the object (`openToFile` does).
 * @throws EnvelopeError with any code but `no_recovery_stanza`, `bad_recovery_key`
 */
export function open(options: OpenOptions): AsyncGenerator<Uint8Array, void, undefined> {
  return openBy(async (header) => {
    const unlocked = await unlock(header, options.kekFor, options.context, options.wrappedDek);
    options.onUnlocked?.(unlocked);
    return unlocked.fileKey;
  }, options);
}

/**
 * As `open`, by the recovery identity. It proves the object whole, but not who made it or which one it is: anybody can
 * seal for a public recipient, and no context is bound. Use it to get back one's own, not to accept what is offered.
 * @throws EnvelopeError `bad_recovery_key`, `no_recovery_stanza`, and what the header and payload may raise
 */
export function recover(options: RecoverOptions): AsyncGenerator<Uint8Array, void, undefined> {
  return openBy((header) => unwrapWithIdentity(header, options.identity), options);
}

async function* openBy(
  unwrap: (header: Header) => Uint8Array | Promise<Uint8Array>,
  reading: Reading,
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = new ByteReader(reading.source);
  try {
    const header = await readHeader(reader);
    const fileKey = await unwrap(header);
    verifyHeader(header, fileKey);

    const payloadNonce = await reader.block(PAYLOAD_NONCE_BYTES);
    if (payloadNonce.length < PAYLOAD_NONCE_BYTES) {
      throw new EnvelopeError("bad_header", "The object ends before its first chunk.");
    }
    yield* openChunks(payloadKey(fileKey, payloadNonce), reader, reading.onProgress);
  } finally {
    await reader.close();
  }
}
