/**
 * Reads what the client before this one stored: `nonce(12) || AES-256-GCM ciphertext || tag(16)` under a 32-byte data
 * key, the data key in the same shape under the KEK, base64 in `x-amz-meta-wrapped-dek`. No header, no context.
 * The one tag stands at the end, so nothing is authentic before the last byte: the only door here leads into a file.
 *
 * Whoever can write to the bucket can put another old object of the same wallet in an old object's place; the old format
 * cannot tell. Callers that know from their records what format an object has must not let it choose.
 */
import { createCipheriv, createDecipheriv, type DecipherGCM, randomBytes } from "node:crypto";
import { base64ToBytes } from "#contract/base64";
import type { OpenedFile } from "./files.ts";
import { VERSION_LINE } from "./header.ts";
import { KEK_BYTES } from "./kek.ts";
import { landFile } from "./landing.ts";
import { ByteReader } from "./reader.ts";
import { EnvelopeError } from "./refusal.ts";

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const DEK_BYTES = 32;
const READ_BYTES = 256 * 1024;

export interface LegacyOptions {
  /** The stored object from its first byte. */
  readonly source: AsyncIterable<Uint8Array>;
  /** `x-amz-meta-wrapped-dek` as stored; undefined when the object has none, which is refused. */
  readonly wrappedDek: string | undefined;
  /** The wallet's KEKs, 32 bytes each. The old format does not say which one. */
  readonly keks: readonly Uint8Array[];
  readonly destination: string;
  readonly overwrite?: boolean | undefined;
  /** Told the plain bytes deciphered so far. They are not verified until the promise resolves. */
  readonly onProgress?: ((plainBytes: number) => void) | undefined;
}

/** Which format an object has, by its first 22 bytes or more. */
export function formatOf(start: Uint8Array): "age" | "legacy" {
  const first = Buffer.from(start.subarray(0, VERSION_LINE.length)).toString("latin1");
  return first === VERSION_LINE ? "age" : "legacy";
}

/**
 * Opens an old object into `destination` (the old client's archives are gzipped tar). The file appears only once the tag has verified.
 * @throws EnvelopeError `bad_wrapped_key`, `wrong_key_or_context`, `bad_payload`, `destination_exists`
 */
export async function openLegacyToFile(options: LegacyOptions): Promise<OpenedFile> {
  const dek = unwrapLegacyDek(options.wrappedDek, options.keks);
  return landFile(unverified(options, dek), options.destination, options.overwrite);
}

/** Whether a wrapped key has the old format's shape. */
export function isLegacyDek(wrapped: string): boolean {
  return base64ToBytes(wrapped)?.length === NONCE_BYTES + DEK_BYTES + TAG_BYTES;
}

/**
 * An old object's data key under another KEK, in the old shape.
 * @throws EnvelopeError `bad_wrapped_key`, `wrong_key_or_context`
 */
export function rewrapLegacyDek(wrapped: string, keks: readonly Uint8Array[], kek: Uint8Array): string {
  const dek = unwrapLegacyDek(wrapped, keks);
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", kek, nonce, { authTagLength: TAG_BYTES });
  return Buffer.concat([nonce, cipher.update(dek), cipher.final(), cipher.getAuthTag()]).toString("base64");
}

function unwrapLegacyDek(wrapped: string | undefined, keks: readonly Uint8Array[]): Uint8Array {
  const blob = wrapped === undefined ? undefined : base64ToBytes(wrapped);
  if (blob?.length !== NONCE_BYTES + DEK_BYTES + TAG_BYTES) {
    throw new EnvelopeError("bad_wrapped_key", "The old object's wrapped key is missing or malformed.");
  }
  for (const kek of keks) {
    if (kek.length !== KEK_BYTES) throw new EnvelopeError("bad_input", "A key encryption key has 32 bytes.");
    const decipher = gcm(kek, blob.subarray(0, NONCE_BYTES));
    decipher.setAuthTag(blob.subarray(-TAG_BYTES));
    const dek = decipher.update(blob.subarray(NONCE_BYTES, -TAG_BYTES));
    try {
      decipher.final();
      return dek;
    } catch {
      // Of another key, or altered; the next one tells.
    }
  }
  throw new EnvelopeError("wrong_key_or_context", "The old object's wrapped key does not open with this wallet's key.");
}

/** Plaintext as it is deciphered, and a throw at the end if the tag is wrong. Private: only `landFile` may drink from it. */
async function* unverified(options: LegacyOptions, dek: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = new ByteReader(options.source);
  let done = 0;
  try {
    const nonce = await reader.block(NONCE_BYTES);
    let tail = await reader.block(TAG_BYTES);
    if (tail.length < TAG_BYTES) throw new EnvelopeError("bad_payload", "The old object is too short to be one.");
    const decipher = gcm(dek, nonce);
    while (!(await reader.ended())) {
      // The last 16 bytes are the tag, and only the end tells which they are: hold 16 back at all times.
      const joined = Buffer.concat([tail, await reader.block(READ_BYTES)]);
      tail = joined.subarray(-TAG_BYTES);
      done += joined.length - TAG_BYTES;
      yield decipher.update(joined.subarray(0, -TAG_BYTES));
      options.onProgress?.(done);
    }
    decipher.setAuthTag(tail);
    finish(decipher);
  } finally {
    await reader.close();
  }
}

function finish(decipher: DecipherGCM): void {
  try {
    decipher.final();
  } catch (cause) {
    throw new EnvelopeError("bad_payload", "The old object is damaged or cut: its tag does not verify.", { cause });
  }
}

function gcm(key: Uint8Array, nonce: Uint8Array): DecipherGCM {
  return createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
}
