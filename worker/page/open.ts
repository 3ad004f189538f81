/** One stored object, opened: asks for its URL, fetches it from S3, opens it as its record says it was sealed. */
import { objectContext } from "#contract/sealing";
import { parseWallet } from "#contract/wallet";
import { download } from "./edge.ts";
import type { Row } from "./rows.ts";
import { Unopened } from "./sealed/fault.ts";
import { beginsAsAge, formatOf } from "./sealed/format.ts";
import type { Key } from "./sealed/key.ts";
import { openLegacy } from "./sealed/legacy.ts";
import { fetchStored } from "./transfer.ts";

/** What a browser holds in one piece without trouble; above it only a file on disk will do. */
export const MEMORY_BYTES_MAX = 1_500_000_000;

export interface Opened {
  /** Void until it has ended: an error at its end takes back all of it. */
  readonly plain: ReadableStream<Uint8Array>;
  readonly downloadsLeft: number;
  /** What the person should know about this opening. */
  readonly note?: string;
}

export interface OpenOptions {
  readonly row: Row;
  readonly wallet: string;
  readonly chainId: number;
  readonly key: Key | undefined;
  readonly signal: AbortSignal;
  /** Bytes fetched of bytes in all. */
  readonly onProgress: (bytes: number, total: number) => void;
}

/** @throws Unopened, Refused */
export async function openObject(options: OpenOptions): Promise<Opened> {
  const { row, key, signal, onProgress } = options;
  const wallet = parseWallet(options.wallet);
  if (!wallet) throw new Unopened("The session names no wallet.");
  const format = formatOf(row.wrappedDek);
  if (format !== "unknown" && !key) throw new Unopened("Drop your key file first.");
  const reply = await download(row.agent, row.key);
  const downloadsLeft = reply.downloads_left;
  // Replaced since it was listed: the record of now decides, and it must still be of the same kind.
  if (formatOf(reply.wrapped_dek) !== format) throw new Unopened("The object has changed; reload the list.");
  const sealed = fetchStored(reply.download_url, reply.size_bytes, signal, (done) =>
    onProgress(done, reply.size_bytes),
  );
  const context = objectContext(options.chainId, wallet, row.agent, row.key);

  if (format === "legacy" && key) {
    const plain = await openLegacy(await collect(sealed, reply.size_bytes), reply.wrapped_dek ?? "", key);
    return { plain: plain.stream(), downloadsLeft };
  }
  if (format === "age" && key) {
    const { openAge } = await import("./sealed/age.ts");
    return { plain: await openAge(sealed, key, reply.wrapped_dek ?? "", context), downloadsLeft, ...noteOf(key) };
  }
  const stored = await collect(sealed, reply.size_bytes);
  if (!(await beginsAsAge(stored)))
    return {
      plain: stored.stream(),
      downloadsLeft,
      note: "This object was stored unsealed, by another client than ours.",
    };
  if (key?.kind !== "recovery")
    throw new Unopened("This object was sealed by another client; its age recovery key opens it.");
  const { openAge } = await import("./sealed/age.ts");
  return { plain: await openAge(stored.stream(), key, "", context), downloadsLeft, ...noteOf(key) };
}

function noteOf(key: Key): { note?: string } {
  if (key.kind === "kek") return {};
  return { note: "Opened with the recovery key: it proves the object whole, not under which name it was stored." };
}

/** Pieces are put together at this size: a browser may keep a Blob on disk, an array of small pieces it cannot. */
const PIECE_BYTES = 16 * 1024 * 1024;

/** All of a stream, or nothing of it. By hand, since `new Response(stream).blob()` forgets why a stream failed. */
export async function collect(stream: ReadableStream<Uint8Array>, expectedBytes: number): Promise<Blob> {
  if (expectedBytes > MEMORY_BYTES_MAX) {
    await stream.cancel();
    throw new Unopened("This object is too large to be held by this browser; use Chrome or Edge, or the command line.");
  }
  const reader = stream.getReader();
  const blobs: Blob[] = [];
  let pieces: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (!done) {
      pieces.push(value as Uint8Array<ArrayBuffer>);
      bytes += value.byteLength;
    }
    if (done || bytes >= PIECE_BYTES) {
      blobs.push(new Blob(pieces));
      pieces = [];
      bytes = 0;
    }
    if (done) return new Blob(blobs);
  }
}
