/**
 * Where what was fetched goes: looked at before a byte is asked for, built up in a directory of the operation's own beside it, and put
 * there by one rename. Under the final name there is the whole verified content or nothing, and never in place of anything that was not
 * asked to be replaced.
 */
import { link, lstat, mkdir, readdir, rename, rm, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { flushDirectory } from "../envelope/landing.ts";
import { Fault } from "../faults.ts";
import type { Operation } from "../state/operations.ts";
import type { Running } from "./runner.ts";

export interface Destination {
  /** Absolute. An existing directory: goes into it under its own name, unless it is a folder and the directory is empty. */
  readonly destination: string;
  readonly overwrite: boolean;
}

export type Kind = "file" | "directory";

/** The rename that was intended, and what it says of the content; the inode tells a later run its own work from another's. */
export interface Landing<More> {
  readonly path: string;
  readonly inode: string;
  readonly kind: Kind;
  readonly more: More;
}

/** Private, beside the destination so that a rename suffices. Of an operation that does not fetch there is none. */
export function stagingOf({ id, facts }: Pick<Operation, "id" | "facts">): string | undefined {
  const { destination } = facts;
  return typeof destination === "string" ? join(dirname(destination), `.mnemospark-${id}`) : undefined;
}

/**
 * What can be known before anything is downloaded: that something can be written there, and that the name is free.
 * @throws Fault `destination_exists`, `destination_refused`; `ENOSPC`
 */
export async function prepare({ destination, overwrite }: Destination, staging: string): Promise<void> {
  const found = await lstat(destination).catch(() => undefined);
  if (found && !found.isDirectory() && !overwrite) throw occupied(destination);
  try {
    await rm(staging, { recursive: true, force: true });
    await mkdir(staging, { recursive: true, mode: 0o700 });
  } catch (cause) {
    if (codeOf(cause) === "ENOSPC") throw cause;
    throw new Fault("destination_refused", `Nothing can be written to ${dirname(destination)}: ${reasonOf(cause)}.`, {
      next: "Name another destination. Nothing was downloaded.",
      cause,
    });
  }
}

/** One rename. */
export async function place<More>(
  facts: Destination,
  from: string,
  running: Running,
  more: More,
): Promise<{ readonly path: string; readonly kind: Kind; readonly more: More }> {
  const node = await lstat(from, { bigint: true });
  const kind = node.isDirectory() ? "directory" : "file";
  const path = await finalName(facts.destination, basename(from), kind);
  const landing: Landing<More> = { path, inode: `${node.dev}:${node.ino}`, kind, more };
  running.begin("land", { landing });
  try {
    if (kind === "directory" || facts.overwrite) await rename(from, path);
    else await renameNew(from, path);
  } catch (cause) {
    if (["EEXIST", "ENOTEMPTY", "ENOTDIR", "EISDIR"].includes(codeOf(cause) ?? "")) throw occupied(path);
    throw cause;
  }
  await flushDirectory(dirname(path));
  return { path, kind, more };
}

/** The rename of an earlier run that died before it could say so. */
export async function landedBefore<More>(
  landing: Landing<More> | null | undefined,
): Promise<Landing<More> | undefined> {
  if (!landing?.more) return undefined;
  const node = await lstat(landing.path, { bigint: true }).catch(() => undefined);
  return node !== undefined && `${node.dev}:${node.ino}` === landing.inode ? landing : undefined;
}

/** `link` fails when the name is taken; `rename` would replace it. */
async function renameNew(from: string, path: string): Promise<void> {
  try {
    await link(from, path);
  } catch (error) {
    // File systems without hard links (FAT, some network mounts): look, then rename. The race is the owner's own.
    if (!["EPERM", "ENOTSUP", "ENOSYS"].includes(codeOf(error) ?? "")) throw error;
    if (await lstat(path).catch(() => undefined)) throw occupied(path);
    return rename(from, path);
  }
  await unlink(from);
}

async function finalName(destination: string, name: string, kind: Kind): Promise<string> {
  const found = await lstat(destination).catch(() => undefined);
  if (!found?.isDirectory()) return destination;
  const replaced = kind === "directory" && (await readdir(destination)).length === 0;
  return replaced ? destination : join(destination, name);
}

function occupied(path: string): Fault {
  return new Fault("destination_exists", `${path} already exists; nothing was written.`, {
    next: "Name another destination, or allow to overwrite a file.",
  });
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EPERM: "not permitted",
  EROFS: "it is read-only",
  ENOTDIR: "a part of the path is a file",
  ENOENT: "it cannot be made",
  EEXIST: "a part of the path is a file",
  ENAMETOOLONG: "the name is too long",
};

function reasonOf(error: unknown): string {
  return REASONS[codeOf(error) ?? ""] ?? (error instanceof Error ? error.message : String(error));
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
