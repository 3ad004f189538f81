/**
 * The payload of an age file (age-encryption.org/v1, "Payload"): 64 KiB chunks of ChaCha20-Poly1305, each under a
 * nonce that counts them and flags the last. This is the STREAM construction: no chunk can be altered, moved, dropped
 * or followed by another without the tag of some chunk failing.
 * Done in node:crypto because OpenSSL is several times faster here than JavaScript; the format is age's to the byte.
 */
import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject } from "node:crypto";
import { ByteReader } from "./reader.ts";
import { EnvelopeError } from "./refusal.ts";

/** Plaintext bytes in every chunk but the last. */
export const CHUNK_BYTES = 64 * 1024;
/** Poly1305 tag after each chunk. */
export const TAG_BYTES = 16;
/** Random bytes between header and first chunk; salt of the payload key. */
export const PAYLOAD_NONCE_BYTES = 16;

const CIPHER = "chacha20-poly1305";
const OPTIONS = { authTagLength: TAG_BYTES } as const;
const NONCE_BYTES = 12;
const LAST_CHUNK = 1;

/** Sealed bytes of `plainBytes` of plaintext, tags included. An empty payload is one empty chunk. */
export function sealedChunksLength(plainBytes: number): number {
  return plainBytes + TAG_BYTES * Math.max(1, Math.ceil(plainBytes / CHUNK_BYTES));
}

/** HKDF-SHA256 of the file key, salted with the payload nonce (16 bytes). */
export function payloadKey(fileKey: Uint8Array, payloadNonce: Uint8Array): KeyObject {
  return createSecretKey(new Uint8Array(hkdfSync("sha256", fileKey, payloadNonce, "payload", 32)));
}

/** One chunk: its ciphertext, as long as its plaintext (at most 64 KiB), and its tag. `index` counts from 0. */
export function sealChunk(
  key: KeyObject,
  index: number,
  last: boolean,
  plain: Uint8Array,
): readonly [Uint8Array, Uint8Array] {
  const cipher = createCipheriv(CIPHER, key, chunkNonce(index, last), OPTIONS);
  const ciphertext = cipher.update(plain);
  cipher.final();
  return [ciphertext, cipher.getAuthTag()];
}

/**
 * The plaintext of one chunk. Authentic at its place; only the chunk opened as `last` proves that none is missing.
 * @throws EnvelopeError `bad_payload`
 */
export function openChunk(key: KeyObject, index: number, last: boolean, sealed: Uint8Array): Uint8Array {
  const bodyBytes = sealed.length - TAG_BYTES;
  if (bodyBytes < 0) throw new EnvelopeError("bad_payload", "The object ends inside a chunk.");
  const decipher = createDecipheriv(CIPHER, key, chunkNonce(index, last), OPTIONS);
  decipher.setAuthTag(sealed.subarray(bodyBytes));
  const plain = decipher.update(sealed.subarray(0, bodyBytes));
  try {
    decipher.final();
  } catch (cause) {
    const where = `chunk ${index}${last ? " (the last)" : ""}`;
    throw new EnvelopeError("bad_payload", `The object is damaged, cut or reordered: ${where} does not verify.`, {
      cause,
    });
  }
  return plain;
}

/** Seals a stream of any piece size. Holds one chunk. `onProgress` is told the plain bytes done so far. */
export async function* sealChunks(
  key: KeyObject,
  source: AsyncIterable<Uint8Array>,
  onProgress?: (plainBytes: number) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = new ByteReader(source);
  let done = 0;
  try {
    for (let index = 0; ; index++) {
      const plain = await reader.block(CHUNK_BYTES);
      const last = await reader.ended();
      // Two pieces, as the cipher gives them: joining them would leave as much garbage again as there are bytes.
      yield* sealChunk(key, index, last, plain);
      done += plain.length;
      onProgress?.(done);
      if (last) return;
    }
  } finally {
    await reader.close();
  }
}

/**
 * Yields plaintext chunk by chunk, each only after its tag has verified. Reads the reader to its end.
 * @throws EnvelopeError `bad_payload`, possibly after earlier chunks were released: a consumer must treat what it
 * received as void until the iteration has ended.
 */
export async function* openChunks(
  key: KeyObject,
  reader: ByteReader,
  onProgress?: (plainBytes: number) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  let done = 0;
  for (let index = 0; ; index++) {
    const sealed = await reader.block(CHUNK_BYTES + TAG_BYTES);
    const last = await reader.ended();
    const plain = openChunk(key, index, last, sealed);
    // A second spelling of the same plaintext: the chunk before should have carried the flag.
    if (plain.length === 0 && index > 0) throw new EnvelopeError("bad_payload", "The object's last chunk is empty.");
    done += plain.length;
    if (plain.length > 0) yield plain;
    onProgress?.(done);
    if (last) return;
  }
}

/** Eleven bytes of big-endian counter, one byte of flag. 2^48 chunks are 16 EiB, so six counter bytes are enough. */
function chunkNonce(index: number, last: boolean): Uint8Array {
  const nonce = Buffer.alloc(NONCE_BYTES);
  nonce.writeUIntBE(index, 5, 6);
  if (last) nonce[NONCE_BYTES - 1] = LAST_CHUNK;
  return nonce;
}
