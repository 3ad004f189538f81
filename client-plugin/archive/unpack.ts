/**
 * Unpacks a tar stream into a new directory, and nowhere else.
 *
 * Everything is written below a private temporary directory beside the destination, which takes the destination's name
 * when the last entry is in place: there is never half a restore under the right name. Links are made last, after every
 * file, so nothing can be written through one; and only if they lead nowhere outside.
 */
import { randomBytes } from "node:crypto";
import { mkdir, readdir, rename, rm, rmdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { type Extract, extract } from "tar-stream";
import { judgeEntry } from "./entry.ts";
import { ArchiveError } from "./refusal.ts";
import { Tree, type TreeCounts } from "./tree.ts";
import { lookAt } from "./walk.ts";

export interface UnpackOptions {
  /** The tar stream. */
  readonly source: AsyncIterable<Uint8Array>;
  /** Must not exist, or be an empty directory. Its parent must exist. */
  readonly destination: string;
  /** More entries than this are refused. */
  readonly maxEntries: number;
  /** More bytes of tar stream (after gunzip) than this are refused; no entry can be larger than the stream. */
  readonly maxBytes: number;
  /** The stream is gzipped, as the earlier client's archives are. */
  readonly gzip?: boolean | undefined;
  /**
   * A link that leads out of the tree: refuse the archive (default), or leave the link out and report it. Leaving out is
   * for one's own backups, where such a link (an interpreter, a shared folder) is ordinary.
   */
  readonly outwardLinks?: "refuse" | "leave-out" | undefined;
  /** Told the tar bytes read so far. */
  readonly onProgress?: ((archiveBytes: number) => void) | undefined;
}

export interface Unpacked extends TreeCounts {
  readonly destination: string;
  /** Top-level names, in archive order. Our own archives have exactly one. */
  readonly roots: readonly string[];
  /** Links left out because they lead out of the tree: archive path and target. */
  readonly leftOut: readonly { readonly path: string; readonly target: string }[];
}

/**
 * Restores an archive. On any failure nothing is at the destination that was not there before.
 * @throws ArchiveError `destination_not_empty`, `escape`, `bad_name`, `duplicate`, `unsupported_entry`, `too_large`,
 * `bad_archive`; whatever the source throws
 */
export async function unpackArchive(options: UnpackOptions): Promise<Unpacked> {
  const destination = resolve(options.destination);
  await refuseOccupied(destination);
  const partial = join(dirname(destination), `.partial-${randomBytes(8).toString("hex")}`);
  await mkdir(partial, { mode: 0o700 });
  try {
    const tree = new Tree(partial);
    await feed(options, tree);
    const leftOut = await tree.finish(options.outwardLinks ?? "refuse");
    await tree.flush();
    await moveIntoPlace(partial, destination);
    return { destination, ...tree.counts(), roots: tree.roots(), leftOut };
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw error;
  }
}

async function feed(options: UnpackOptions, tree: Tree): Promise<void> {
  const extractor = extract();
  const feeding = pump(capped(options), extractor);
  let entries = 0;
  let refusal: unknown;
  try {
    for await (const entry of extractor) {
      entries += 1;
      if (entries > options.maxEntries) {
        throw new ArchiveError("too_large", `The archive holds more than ${options.maxEntries} entries.`);
      }
      const judged = judgeEntry(entry.header);
      if (judged.kind === "file") await tree.addFile(judged, entry as AsyncIterable<Uint8Array>);
      else {
        entry.resume();
        await tree.add(judged);
      }
    }
  } catch (error) {
    refusal = error;
  }
  const broken = await feeding;
  // A failing source ends the loop too, and what the loop then sees is an echo; our own refusals are never one.
  if (refusal instanceof ArchiveError) throw refusal;
  if (broken !== undefined) throw isZlib(broken) ? noArchive(broken) : broken;
  if (refusal !== undefined) throw isSystem(refusal) ? refusal : noArchive(refusal);
}

/** Pushes the stream into the extractor at its pace. Resolves to what went wrong with the stream, if anything. */
async function pump(source: AsyncIterable<Uint8Array>, extractor: Extract): Promise<unknown> {
  try {
    for await (const piece of source) {
      if (extractor.destroying) return undefined;
      if (!extractor.write(piece)) await roomIn(extractor);
    }
    extractor.end(null);
    return undefined;
  } catch (error) {
    extractor.destroy(error instanceof Error ? error : new Error(String(error)));
    return error;
  }
}

/** Until the extractor takes more, or has stopped for good. */
function roomIn(extractor: Extract): Promise<void> {
  return new Promise((resolve) => {
    const settle = (): void => {
      extractor.off("drain", settle);
      extractor.off("close", settle);
      resolve();
    };
    extractor.on("drain", settle);
    extractor.on("close", settle);
    if (extractor.destroyed) settle();
  });
}

/** Counts what goes in, so that neither a long stream nor a small gzip of a long one can fill the disk. */
async function* capped(options: UnpackOptions): AsyncGenerator<Uint8Array, void, undefined> {
  // `pipeline` and not `pipe`: a source that fails must end the gunzip as well.
  const tar: AsyncIterable<Uint8Array> =
    options.gzip === true ? pipeline(options.source, createGunzip(), () => undefined) : options.source;
  let total = 0;
  for await (const piece of tar) {
    total += piece.length;
    if (total > options.maxBytes) {
      throw new ArchiveError("too_large", `The archive is larger than ${options.maxBytes} bytes.`);
    }
    yield piece;
    options.onProgress?.(total);
  }
}

async function refuseOccupied(destination: string): Promise<void> {
  const found = await lookAt(destination);
  if (found === undefined) return;
  const empty = found.kind === "directory" && (await readdir(destination)).length === 0;
  if (!empty) throw new ArchiveError("destination_not_empty", `${destination} is not a new or empty directory.`);
}

/** Both steps fail rather than replace: `rmdir` takes only an empty directory. */
async function moveIntoPlace(partial: string, destination: string): Promise<void> {
  try {
    if ((await lookAt(destination)) !== undefined) await rmdir(destination);
    await rename(partial, destination);
  } catch (cause) {
    throw new ArchiveError("destination_not_empty", `${destination} was taken meanwhile; nothing was restored.`, {
      cause,
    });
  }
}

function noArchive(cause: unknown): ArchiveError {
  return new ArchiveError("bad_archive", "The stream is not a whole tar archive.", { cause });
}

/** A full disk, a missing permission: the operating system's own words are the best. */
function isSystem(error: unknown): boolean {
  return error instanceof Error && "syscall" in error;
}

function isZlib(error: unknown): boolean {
  return error instanceof Error && "code" in error && typeof error.code === "string" && error.code.startsWith("Z_");
}
