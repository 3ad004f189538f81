/**
 * Sealing to a file and opening into one. S3 wants an object's length and SHA-256 before it signs a URL, so the sealed
 * object is made on disk first; and a download becomes visible only once its last chunk has verified.
 */
import { createHash } from "node:crypto";
import { unlink } from "node:fs/promises";
import { createPrivate, type Landed, landFile, pour } from "./landing.ts";
import { type OpenOptions, open, type RecoverOptions, recover } from "./open.ts";
import { type SealOptions, seal } from "./seal.ts";

/** A sealed object on disk, with all that quote, presign and catalogue ask for. */
export interface SealedFile {
  readonly path: string;
  readonly sealedBytes: number;
  /** SHA-256 of the sealed bytes, as hex and as S3's `x-amz-checksum-sha256` spells it. */
  readonly sha256Hex: string;
  readonly sha256Base64: string;
  readonly plainBytes: number;
  readonly plainSha256Hex: string;
  readonly wrappedDek: string;
  readonly header: Uint8Array;
}

/** A verified plaintext on disk. */
export type OpenedFile = Landed;

interface Target {
  /** Where the plaintext goes; its directory must exist. */
  readonly destination: string;
  /** Replace what is there. Off: an existing destination is refused, before and after the work. */
  readonly overwrite?: boolean | undefined;
}

/**
 * Seals `source` into a new private file (0600) at `path`. Not flushed to disk: it is a temporary that can be made again.
 * On failure the file is removed.
 * @throws EnvelopeError `bad_input`, `bad_recovery_key`; `EEXIST` if the path is taken; whatever the source throws
 */
export async function sealToFile(options: SealOptions & { readonly path: string }): Promise<SealedFile> {
  const plainHash = createHash("sha256");
  let plainBytes = 0;
  async function* counted(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const piece of options.source) {
      plainHash.update(piece);
      plainBytes += piece.length;
      yield piece;
    }
  }
  const sealing = seal({ ...options, source: counted() });
  const handle = await createPrivate(options.path);
  try {
    const { bytes, sha256Hex, sha256Base64 } = await pour(sealing.bytes, handle, false).finally(() => handle.close());
    return {
      path: options.path,
      sealedBytes: bytes,
      sha256Hex,
      sha256Base64,
      plainBytes,
      plainSha256Hex: plainHash.digest("hex"),
      wrappedDek: sealing.wrappedDek,
      header: sealing.header,
    };
  } catch (error) {
    await unlink(options.path).catch(() => undefined);
    throw error;
  }
}

/** `open` into a file that appears only when the whole object has verified. `bytes` and hashes are the plaintext's. */
export function openToFile(options: OpenOptions & Target): Promise<OpenedFile> {
  return landFile(open(options), options.destination, options.overwrite);
}

/** `recover` into a file that appears only when the whole object has verified. */
export function recoverToFile(options: RecoverOptions & Target): Promise<OpenedFile> {
  return landFile(recover(options), options.destination, options.overwrite);
}
