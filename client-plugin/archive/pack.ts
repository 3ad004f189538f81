/**
 * A file or folder as one tar stream, in two steps: plan (look at everything, know the exact length, hence the price),
 * then pack (read the content, in constant memory). The archive has one top-level entry, named as the packed path is,
 * so plain `tar x` after `age -d` puts everything in one place.
 */
import { constants } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { BLOCK_BYTES, END_OF_ARCHIVE, type EntryHeader, encodeEntry, padding } from "./header.ts";
import { leavesRoot } from "./links.ts";
import { ArchiveError } from "./refusal.ts";
import { describe, lookAt, type TreeNode, walk } from "./walk.ts";

/** An entry that is not stored, or not stored as one might expect. */
export interface ArchiveWarning {
  /** Path inside the archive. */
  readonly path: string;
  readonly message: string;
}

export interface PlannedEntry extends EntryHeader {
  /** Where it is on disk. */
  readonly disk: string;
}

export interface ArchivePlan {
  /** Absolute path of what is packed. */
  readonly root: string;
  /** Name of the archive's one top-level entry. */
  readonly name: string;
  readonly entries: readonly PlannedEntry[];
  readonly files: number;
  /** Sum of the file sizes. */
  readonly contentBytes: number;
  /** Exact length of the tar stream that `packArchive` will yield. */
  readonly archiveBytes: number;
  readonly warnings: readonly ArchiveWarning[];
}

export interface PlanOptions {
  /** More entries than this are refused. Default 200,000: the plan is held in memory, about 300 bytes each. */
  readonly maxEntries?: number | undefined;
}

const ENTRIES_MAX_DEFAULT = 200_000;
const READ_BYTES = 512 * 1024;

/**
 * Looks at `path` and everything below it. If the path itself is a link, what it leads to is packed under the link's name;
 * links below are stored as links. Hard links are stored as separate files. Pipes, sockets and devices are left out with a warning.
 * @throws ArchiveError `missing`, `not_packable`, `unreadable_name`, `too_large`, `changed`
 */
export async function planArchive(path: string, options: PlanOptions = {}): Promise<ArchivePlan> {
  const maxEntries = options.maxEntries ?? ENTRIES_MAX_DEFAULT;
  const root = resolve(path);
  const name = basename(root);
  if (name === "")
    throw new ArchiveError("not_packable", "The root of the file system cannot be packed; name a folder.");

  const entries: PlannedEntry[] = [];
  const warnings: ArchiveWarning[] = [];
  for await (const { path: inside, disk, node } of walk(root, name, await lookAtRoot(root))) {
    if (node.kind === "special") {
      warnings.push({ path: inside, message: "is a pipe, socket or device and was left out" });
      continue;
    }
    if (entries.length >= maxEntries) {
      throw new ArchiveError("too_large", `${root} holds more than ${maxEntries} entries; pack its parts separately.`);
    }
    entries.push({ ...node, kind: node.kind, path: inside, disk });
  }
  warnings.push(...outwardLinks(entries));
  const files = entries.filter((entry) => entry.kind === "file");
  const contentBytes = files.reduce((sum, file) => sum + file.size, 0);
  return { root, name, entries, files: files.length, contentBytes, archiveBytes: lengthOf(entries), warnings };
}

/**
 * The tar stream of a plan. `onProgress` is told the archive bytes made so far.
 * @throws ArchiveError `changed` if a file's size is no longer the planned one, or it is written to while it is read
 */
export async function* packArchive(
  plan: ArchivePlan,
  onProgress?: (archiveBytes: number) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  let done = 0;
  const count = (bytes: Uint8Array): Uint8Array => {
    done += bytes.length;
    onProgress?.(done);
    return bytes;
  };
  for (const entry of plan.entries) {
    yield count(encodeEntry(entry));
    if (entry.kind !== "file") continue;
    for await (const piece of readPlanned(entry)) yield count(piece);
    if (entry.size % BLOCK_BYTES !== 0) yield count(padding(entry.size));
  }
  yield count(END_OF_ARCHIVE);
}

async function lookAtRoot(root: string): Promise<TreeNode> {
  const found = await lookAt(root);
  const node = found?.kind === "symlink" ? describe(await stat(root, { bigint: true }), "") : found;
  if (node === undefined) throw new ArchiveError("missing", `There is nothing at ${root}.`);
  if (node.kind === "special") throw new ArchiveError("not_packable", `${root} is neither a file nor a folder.`);
  return node;
}

/** Exactly the planned bytes of one file, or a throw. */
async function* readPlanned(entry: PlannedEntry): AsyncGenerator<Uint8Array, void, undefined> {
  // O_NONBLOCK: should a pipe have taken the file's place, opening it must not hang.
  const handle = await open(entry.disk, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)).catch((cause: unknown) => {
    throw new ArchiveError("changed", `${entry.disk} cannot be read any more.`, { cause });
  });
  try {
    const before = await handle.stat({ bigint: true });
    if (!before.isFile() || Number(before.size) !== entry.size) throw changed(entry);
    let left = entry.size;
    while (left > 0) {
      const piece = await readSome(handle, Math.min(left, READ_BYTES));
      if (piece.length === 0) throw changed(entry);
      left -= piece.length;
      yield piece;
    }
    const after = await handle.stat({ bigint: true });
    // Same size but another time: half of the content may be old and half new.
    if (after.size !== before.size || after.mtimeNs !== before.mtimeNs) throw changed(entry);
  } finally {
    await handle.close();
  }
}

async function readSome(handle: FileHandle, size: number): Promise<Uint8Array> {
  const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(size), 0, size, null);
  return buffer.subarray(0, bytesRead);
}

/** Links that lead out of the tree are stored, but a restore elsewhere will not follow them. */
function outwardLinks(entries: readonly PlannedEntry[]): ArchiveWarning[] {
  const symlinks = entries.filter((entry) => entry.kind === "symlink");
  const links = new Map(symlinks.map((entry) => [entry.path, entry.target]));
  return symlinks
    .filter((entry) => leavesRoot(entry.path, entry.target, links))
    .map((entry) => ({ path: entry.path, message: `links to ${entry.target}, outside of what is packed` }));
}

function lengthOf(entries: readonly PlannedEntry[]): number {
  const blocks = (entry: PlannedEntry): number => Math.ceil(entry.size / BLOCK_BYTES) * BLOCK_BYTES;
  return entries.reduce((sum, entry) => sum + encodeEntry(entry).length + blocks(entry), END_OF_ARCHIVE.length);
}

function changed(entry: PlannedEntry): ArchiveError {
  return new ArchiveError("changed", `${entry.disk} changed while it was being packed. Try again when it is at rest.`);
}
