/**
 * Puts a stream into a file so that the file exists whole or not at all: a private temporary name beside the
 * destination, a flush to disk, then one step into place. Whoever finds the destination finds verified content.
 */
import { createHash, randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, link, lstat, open, rename, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { EnvelopeError } from "./refusal.ts";

/** What arrived. */
export interface Landed {
  readonly path: string;
  readonly bytes: number;
  readonly sha256Hex: string;
  readonly sha256Base64: string;
}

const PRIVATE = 0o600;
/** Fewer, larger writes: a thread-pool round trip per 64 KiB chunk would cost more than the encryption. */
const WRITE_BYTES = 512 * 1024;

/** Opens a new private (0600) file for writing. Refuses whatever already has the name, links included. */
export function createPrivate(path: string): Promise<FileHandle> {
  // O_NOFOLLOW is POSIX; where it is missing O_EXCL alone already refuses a link.
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0);
  return open(path, flags, PRIVATE);
}

/** Writes and hashes a stream into an open file, to its end, and flushes it to disk if `durable`. */
export async function pour(
  source: AsyncIterable<Uint8Array>,
  handle: FileHandle,
  durable: boolean,
): Promise<Omit<Landed, "path">> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const batch of gather(source, WRITE_BYTES)) {
    const writing = writeAll(handle, batch);
    // Hashed while a pool thread writes it.
    for (const piece of batch) {
      hash.update(piece);
      bytes += piece.length;
    }
    await writing;
  }
  if (durable) await handle.sync();
  const digest = hash.digest();
  return { bytes, sha256Hex: digest.toString("hex"), sha256Base64: digest.toString("base64") };
}

/**
 * Lands `source` at `destination` (0600). Its directory must exist. The temporary file is removed on any failure.
 * @throws EnvelopeError `destination_exists` unless `overwrite`; whatever the source throws
 */
export async function landFile(
  source: AsyncIterable<Uint8Array>,
  destination: string,
  overwrite = false,
): Promise<Landed> {
  if (!overwrite) await refuseExisting(destination);
  const partial = join(dirname(destination), `.partial-${randomBytes(8).toString("hex")}`);
  const handle = await createPrivate(partial);
  try {
    const landed = await pour(source, handle, true).finally(() => handle.close());
    await (overwrite ? rename(partial, destination) : renameNew(partial, destination));
    await flushDirectory(dirname(destination));
    return { path: destination, ...landed };
  } catch (error) {
    await unlink(partial).catch(() => undefined);
    throw error;
  }
}

/** A rename that cannot replace: `link` fails atomically when the name is taken. */
async function renameNew(partial: string, destination: string): Promise<void> {
  try {
    await link(partial, destination);
    await unlink(partial);
  } catch (error) {
    const code = errorCode(error);
    if (code === "EEXIST") throw existing(destination);
    // File systems without hard links (FAT, some network mounts): check, then rename. The race is the owner's own.
    if (code !== "EPERM" && code !== "ENOTSUP" && code !== "ENOSYS") throw error;
    await refuseExisting(destination);
    await rename(partial, destination);
  }
}

async function refuseExisting(path: string): Promise<void> {
  const found = await lstat(path).catch((error: unknown) => {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  });
  if (found !== undefined) throw existing(path);
}

/** Makes the new name itself survive a power cut, where directories can be synced. */
export async function flushDirectory(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY).catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

/** Whole, whatever the system call took of it. */
async function writeAll(handle: FileHandle, batch: readonly Uint8Array[]): Promise<void> {
  const wanted = batch.reduce((sum, piece) => sum + piece.length, 0);
  const { bytesWritten } = await handle.writev(batch);
  // A short write is rare, and followed by the error that made it short.
  if (bytesWritten < wanted) await handle.writeFile(Buffer.concat(batch, wanted).subarray(bytesWritten));
}

/** Pieces in batches of about `size` bytes, not joined: gigabytes pass here, and a joined copy of each would be garbage. */
async function* gather(
  source: AsyncIterable<Uint8Array>,
  size: number,
): AsyncGenerator<readonly Uint8Array[], void, undefined> {
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  for await (const piece of source) {
    if (piece.length === 0) continue;
    held.push(piece);
    heldBytes += piece.length;
    if (heldBytes < size) continue;
    yield held;
    held = [];
    heldBytes = 0;
  }
  if (heldBytes > 0) yield held;
}

function existing(path: string): EnvelopeError {
  return new EnvelopeError("destination_exists", `${path} already exists; nothing was written.`);
}

function errorCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
