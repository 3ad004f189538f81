/**
 * Seals a stream of plaintext into one age file: header, payload nonce, chunks.
 * Memory stays constant and the sealed length is known from the plain length, so a quote can be exact before a byte is read.
 */
import { randomBytes } from "node:crypto";
import { encodeVersion } from "#contract/sealing";
import { PAYLOAD_NONCE_BYTES, payloadKey, sealChunks, sealedChunksLength } from "./chunks.ts";
import { encodeHeader, FILE_KEY_BYTES, type Stanza } from "./header.ts";
import { KEK_NONCE_BYTES, KEK_STANZA, type SealContext, wrappedDek, wrapWithKek } from "./kek.ts";
import { EPHEMERAL_BYTES, wrapForRecovery } from "./recovery.ts";

export interface SealOptions {
  /** Plaintext in pieces of any size. */
  readonly source: AsyncIterable<Uint8Array>;
  /** Current key encryption key, 32 bytes. */
  readonly kek: Uint8Array;
  readonly context: SealContext;
  /** The owner's recovery recipient (`age1…`). Without it the KEK is the only way in. */
  readonly recovery?: string | undefined;
  /** Told the plain bytes sealed so far, after each chunk. */
  readonly onProgress?: ((plainBytes: number) => void) | undefined;
}

export interface Sealing {
  /** The header as it opens the object. */
  readonly header: Uint8Array;
  /** For `x-amz-meta-wrapped-dek`. */
  readonly wrappedDek: string;
  /** The whole object, header first. Iterate once. */
  readonly bytes: AsyncGenerator<Uint8Array, void, undefined>;
}

/** All randomness of one object. Fresh for every object: a repeated file key with a repeated payload nonce reveals both plaintexts. */
export interface Material {
  /** 16 bytes: the object's data encryption key. */
  readonly fileKey: Uint8Array;
  /** 12 bytes. */
  readonly kekNonce: Uint8Array;
  /** 32 bytes. */
  readonly ephemeral: Uint8Array;
  /** 16 bytes. */
  readonly payloadNonce: Uint8Array;
}

/** Length of the header `seal` writes, in bytes; it depends on nothing else. */
export function headerLength(withRecovery: boolean): number {
  const blank = (type: string, ...args: string[]): Stanza => ({ type, args, body: new Uint8Array(32) });
  const stanzas = [blank(KEK_STANZA, "0".repeat(16), "A".repeat(16), encodeVersion(1))];
  if (withRecovery) stanzas.push(blank("X25519", "A".repeat(43)));
  return encodeHeader(stanzas, new Uint8Array(FILE_KEY_BYTES)).length;
}

/** Exact length of the sealed object, in bytes, for a plaintext of `plainBytes` under a header of `headerBytes`. */
export function sealedLength(plainBytes: number, headerBytes: number): number {
  return headerBytes + PAYLOAD_NONCE_BYTES + sealedChunksLength(plainBytes);
}

/**
 * Begins an object under fresh random keys. The header is ready at once, the body is made while it is read.
 * @throws EnvelopeError `bad_input`, `bad_recovery_key`
 */
export function seal(options: SealOptions): Sealing {
  return sealWith(
    {
      fileKey: randomBytes(FILE_KEY_BYTES),
      kekNonce: randomBytes(KEK_NONCE_BYTES),
      ephemeral: randomBytes(EPHEMERAL_BYTES),
      payloadNonce: randomBytes(PAYLOAD_NONCE_BYTES),
    },
    options,
  );
}

/** `seal` with the randomness given. Only for known-answer vectors: never seal two objects with one material. */
export function sealWith(material: Material, options: SealOptions): Sealing {
  const { fileKey, kekNonce, ephemeral, payloadNonce } = material;
  const stanzas = [wrapWithKek(fileKey, options.kek, kekNonce, options.context)];
  if (options.recovery !== undefined) stanzas.push(wrapForRecovery(fileKey, options.recovery, ephemeral));
  const header = encodeHeader(stanzas, fileKey);
  const key = payloadKey(fileKey, payloadNonce);

  async function* object(): AsyncGenerator<Uint8Array, void, undefined> {
    yield Buffer.concat([header, payloadNonce]);
    yield* sealChunks(key, options.source, options.onProgress);
  }
  return { header, wrappedDek: wrappedDek({ stanzas }), bytes: object() };
}
