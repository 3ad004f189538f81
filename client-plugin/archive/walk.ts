/**
 * One way of looking at a tree for packing and comparing: names sorted by their bytes, links not followed.
 * Sorting by bytes and not by locale makes the same tree the same archive on every machine.
 */
import type { BigIntStats } from "node:fs";
import { lstat, readdir, readlink } from "node:fs/promises";
import { join } from "node:path";
import { bytesToUtf8 } from "#contract/bytes";
import { ArchiveError } from "./refusal.ts";

export type NodeKind = "file" | "directory" | "symlink" | "special";

export interface TreeNode {
  readonly kind: NodeKind;
  /** Content bytes of a file; 0 for the rest. */
  readonly size: number;
  /** Permission bits, without set-uid, set-gid and sticky. */
  readonly mode: number;
  /** Whole seconds since 1970. */
  readonly mtimeS: number;
  /** A link's target as stored in it; empty for the rest. */
  readonly target: string;
}

export const PERMISSIONS = 0o777;

/** What is at `path`, undefined if nothing. A link is a link. */
export async function lookAt(path: string): Promise<TreeNode | undefined> {
  const stats = await lstat(path, { bigint: true }).catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  });
  if (stats === undefined) return undefined;
  const target = stats.isSymbolicLink() ? text(await readlink(path, { encoding: "buffer" }), path) : "";
  return describe(stats, target);
}

/** A node from its `stat`; `target` is the link target or empty. */
export function describe(stats: BigIntStats, target: string): TreeNode {
  const kind = kindOf(stats);
  return {
    kind,
    size: kind === "file" ? Number(stats.size) : 0,
    mode: Number(stats.mode) & PERMISSIONS,
    mtimeS: Number(stats.mtimeNs / 1_000_000_000n),
    target,
  };
}

/**
 * Names in a directory, sorted by their UTF-8 bytes.
 * @throws ArchiveError `unreadable_name`
 */
export async function namesIn(path: string): Promise<string[]> {
  const names = await readdir(path, { encoding: "buffer" });
  return names.sort(Buffer.compare).map((name) => text(name, path));
}

/** Orders two names as `namesIn` does. */
export function compareNames(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** Depth first, a directory before what it holds. Paths use `/` and begin with `name`; the root itself comes first. */
export async function* walk(
  root: string,
  name: string,
  node: TreeNode,
): AsyncGenerator<{ path: string; disk: string; node: TreeNode }, void, undefined> {
  yield { path: name, disk: root, node };
  if (node.kind !== "directory") return;
  for (const child of await namesIn(root)) {
    const disk = join(root, child);
    const found = await lookAt(disk);
    if (found === undefined) throw new ArchiveError("changed", `${disk} vanished while the folder was listed.`);
    yield* walk(disk, `${name}/${child}`, found);
  }
}

function kindOf(stats: BigIntStats): NodeKind {
  if (stats.isFile()) return "file";
  if (stats.isDirectory()) return "directory";
  return stats.isSymbolicLink() ? "symlink" : "special";
}

function text(bytes: Buffer, where: string): string {
  const decoded = bytesToUtf8(bytes);
  if (decoded !== undefined) return decoded;
  const shown = bytes.toString("latin1");
  throw new ArchiveError("unreadable_name", `${where}: the name "${shown}" is not UTF-8. Rename it, then try again.`);
}
