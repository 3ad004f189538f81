/**
 * Reads a part of a sealed object without the rest: header, payload nonce, then only the chunks that hold the asked bytes.
 * Every byte that comes out is authentic at its place. That nothing was cut off behind it only the whole object proves, or the last
 * chunk when the part includes it.
 */
import { CHUNK_BYTES, openChunk, PAYLOAD_NONCE_BYTES, payloadKey, TAG_BYTES } from "./chunks.ts";
import { readHeader } from "./header.ts";
import { type KekLookup, type OpenContext, unlock } from "./kek.ts";
import { ByteReader } from "./reader.ts";
import { EnvelopeError } from "./refusal.ts";

/** The sealed object's bytes `start` (included) to `end` (excluded), in pieces of any size: an HTTP Range request, or a file. */
export type RangeSource = (start: number, end: number) => AsyncIterable<Uint8Array>;

export interface RangedOptions {
  readonly source: RangeSource;
  /** Length of the whole sealed object. */
  readonly sealedBytes: number;
  readonly kekFor: KekLookup;
  readonly context: OpenContext;
  /** The wrapped DEK that the service has on record; a rotation may have replaced the header's own. */
  readonly wrappedDek?: string | undefined;
}

/** A sealed object whose key is known, ready for any number of reads. */
export interface Ranged {
  /** Length of the plaintext, as the sealed length implies it; the last chunk proves it. */
  readonly plainBytes: number;
  /**
   * Plain bytes `start` (included) to `end` (excluded), clipped to the object.
   * @throws EnvelopeError `bad_input`, `bad_payload`
   */
  read(start: number, end: number): AsyncGenerator<Uint8Array, void, undefined>;
}

const SEALED_CHUNK_BYTES = CHUNK_BYTES + TAG_BYTES;
/** Enough for our own header in one request; a longer one takes a second. */
const FIRST_READ_BYTES = 1024;
const HEADER_BYTES_MAX = 64 * 1024 + PAYLOAD_NONCE_BYTES;

/** @throws EnvelopeError as `open`, for the header */
export async function openRanged(options: RangedOptions): Promise<Ranged> {
  const { header, nonce } = await readStart(options);
  const { fileKey } = await unlock(header, options.kekFor, options.context, options.wrappedDek);
  const key = payloadKey(fileKey, nonce);
  const bodyStart = header.bytes.length + PAYLOAD_NONCE_BYTES;
  const bodyBytes = options.sealedBytes - bodyStart;
  const chunks = Math.ceil(bodyBytes / SEALED_CHUNK_BYTES);
  const lastBytes = bodyBytes - (chunks - 1) * SEALED_CHUNK_BYTES;
  // An empty last chunk is right only where it is the only one.
  if (chunks < 1 || lastBytes < TAG_BYTES + (chunks > 1 ? 1 : 0))
    throw new EnvelopeError("bad_payload", `A sealed object cannot be ${options.sealedBytes} bytes long.`);
  const plainBytes = bodyBytes - chunks * TAG_BYTES;

  async function* read(start: number, end: number): AsyncGenerator<Uint8Array, void, undefined> {
    if (!(Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && end >= start))
      throw new EnvelopeError("bad_input", `${start} to ${end} is not a range of bytes.`);
    const stop = Math.min(end, plainBytes);
    if (start >= stop) return;
    const [first, last] = [Math.floor(start / CHUNK_BYTES), Math.floor((stop - 1) / CHUNK_BYTES)];
    const until = Math.min(options.sealedBytes, bodyStart + (last + 1) * SEALED_CHUNK_BYTES);
    const reader = new ByteReader(options.source(bodyStart + first * SEALED_CHUNK_BYTES, until));
    try {
      for (let index = first; index <= last; index++) {
        const isLast = index === chunks - 1;
        const wanted = isLast ? lastBytes : SEALED_CHUNK_BYTES;
        const sealed = await reader.block(wanted);
        if (sealed.length < wanted) throw new EnvelopeError("bad_payload", `The object ends inside chunk ${index}.`);
        const plain = openChunk(key, index, isLast, sealed);
        const at = index * CHUNK_BYTES;
        yield plain.subarray(Math.max(0, start - at), Math.min(plain.length, stop - at));
      }
    } finally {
      await reader.close();
    }
  }
  return { plainBytes, read };
}

async function readStart({ source, sealedBytes }: RangedOptions) {
  for (const bytes of [FIRST_READ_BYTES, HEADER_BYTES_MAX]) {
    const end = Math.min(bytes, sealedBytes);
    const reader = new ByteReader(source(0, end));
    try {
      const header = await readHeader(reader);
      const nonce = await reader.block(PAYLOAD_NONCE_BYTES);
      if (nonce.length === PAYLOAD_NONCE_BYTES) return { header, nonce };
    } catch (error) {
      const cut = error instanceof EnvelopeError && error.code === "bad_header" && end < sealedBytes;
      if (!cut || bytes === HEADER_BYTES_MAX) throw error;
    } finally {
      await reader.close();
    }
  }
  throw new EnvelopeError("bad_header", "The object ends before its first chunk.");
}
