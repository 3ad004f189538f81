/**
 * Compares two trees by content, for "is what came back what I gave?". Streams both sides; trusts neither size nor time.
 * Pipes, sockets and devices are passed over on both sides, as packing passes over them.
 */
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { ArchiveError } from "./refusal.ts";
import { compareNames, lookAt, namesIn, type TreeNode } from "./walk.ts";

export interface Difference {
  /** Relative to the roots, with `/`; empty for the roots themselves. */
  readonly path: string;
  readonly what: "only in first" | "only in second" | "type" | "size" | "content" | "executable" | "link target";
}

export interface Comparison {
  readonly identical: boolean;
  /** Files present on both sides and compared to the last byte. */
  readonly files: number;
  /** Bytes of content compared. */
  readonly bytes: number;
  readonly differences: readonly Difference[];
}

const READ_BYTES = 512 * 1024;
const EXECUTABLE = 0o111;

/**
 * Two files, or two folders with all they hold: kind, content, executable bits, link targets. Not times and owners.
 * @throws ArchiveError `missing` if a root does not exist
 */
export async function compareTrees(first: string, second: string): Promise<Comparison> {
  const [a, b] = await Promise.all([lookAt(first), lookAt(second)]);
  if (a === undefined) throw new ArchiveError("missing", `There is nothing at ${first}.`);
  if (b === undefined) throw new ArchiveError("missing", `There is nothing at ${second}.`);
  const tally: Tally = { files: 0, bytes: 0, differences: [] };
  await compareNodes({ path: "", first, second }, a, b, tally);
  return { identical: tally.differences.length === 0, ...tally };
}

interface Tally {
  files: number;
  bytes: number;
  readonly differences: Difference[];
}

interface Place {
  readonly path: string;
  readonly first: string;
  readonly second: string;
}

async function compareNodes(place: Place, a: TreeNode, b: TreeNode, tally: Tally): Promise<void> {
  const differ = (what: Difference["what"]): void => {
    tally.differences.push({ path: place.path, what });
  };
  if (a.kind !== b.kind) return differ("type");
  if (a.kind === "symlink" && a.target !== b.target) return differ("link target");
  if (a.kind === "directory") return compareDirectories(place, tally);
  if (a.kind !== "file") return;

  if ((a.mode & EXECUTABLE) !== (b.mode & EXECUTABLE)) differ("executable");
  if (a.size !== b.size) return differ("size");
  tally.files += 1;
  const same = await compareFiles(place, (bytes) => {
    tally.bytes += bytes;
  });
  if (!same) differ("content");
}

async function compareDirectories(place: Place, tally: Tally): Promise<void> {
  const [first, second] = await Promise.all([namesIn(place.first), namesIn(place.second)]);
  for (const name of [...new Set([...first, ...second])].sort(compareNames)) {
    const path = place.path === "" ? name : `${place.path}/${name}`;
    const next = { path, first: join(place.first, name), second: join(place.second, name) };
    const [a, b] = [ordinary(await lookAt(next.first)), ordinary(await lookAt(next.second))];
    if (a !== undefined && b !== undefined) await compareNodes(next, a, b, tally);
    else if (a !== undefined) tally.differences.push({ path, what: "only in first" });
    else if (b !== undefined) tally.differences.push({ path, what: "only in second" });
  }
}

/** True if both files end at the same byte with the same content. `onBytes` is told each compared stretch. */
async function compareFiles(place: Place, onBytes: (bytes: number) => void): Promise<boolean> {
  const first = await open(place.first);
  try {
    const second = await open(place.second);
    try {
      const [left, right] = [Buffer.allocUnsafe(READ_BYTES), Buffer.allocUnsafe(READ_BYTES)];
      for (;;) {
        const [a, b] = await Promise.all([fill(first, left), fill(second, right)]);
        if (!a.equals(b)) return false;
        if (a.length === 0) return true;
        onBytes(a.length);
      }
    } finally {
      await second.close();
    }
  } finally {
    await first.close();
  }
}

/** Reads until the buffer is full or the file ends: one `read` may return less than is there. */
async function fill(handle: FileHandle, buffer: Buffer): Promise<Buffer> {
  let filled = 0;
  while (filled < buffer.length) {
    const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled, null);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

function ordinary(node: TreeNode | undefined): TreeNode | undefined {
  return node?.kind === "special" ? undefined : node;
}
