/**
 * Files that hold secrets: readable by their owner alone, never followed through a link, never replaced, complete or not there.
 *
 * Anything unusual about such a file stops with a sentence that names the path and never the content. Only loose permission bits
 * are repaired, with a warning: the earlier client left its directories at the default mode, and refusing would lock its users out.
 */
import { randomBytes } from "node:crypto";
import { constants, type Stats } from "node:fs";
import { type FileHandle, link, lstat, mkdir, open, rename, unlink } from "node:fs/promises";
import { dirname } from "node:path";

export type KeyRefusal =
  /** A link, a directory or a device stands where the key or its directory should be. */
  | "not_a_file"
  /** Another user owns it. */
  | "foreign_owner"
  /** The content is not what belongs there. */
  | "not_a_key"
  /** A key is already there; it is never replaced. */
  | "exists"
  /** The key that is asked for is not on this machine. */
  | "missing";

/** Thrown when a key file must not be used or made. The sentence names the path, never the content. */
export class KeyError extends Error {
  readonly code: KeyRefusal;

  constructor(code: KeyRefusal, message: string) {
    super(message);
    this.name = "KeyError";
    this.code = code;
  }
}

export interface PrivateContent {
  /** Undefined when the file is larger than `bytesMax`: whatever it is, it is not what was looked for. */
  readonly bytes: Uint8Array | undefined;
  /** Sentences for the owner about what was repaired on the way. */
  readonly warnings: readonly string[];
}

const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;
const OTHERS = 0o077;
const NO_FOLLOW = constants.O_NOFOLLOW ?? 0;

/**
 * Undefined when there is no such file.
 * @throws KeyError `not_a_file`, `foreign_owner`
 */
export async function readPrivate(path: string, bytesMax: number): Promise<PrivateContent | undefined> {
  const handle = await openPrivate(path);
  if (handle === undefined) return undefined;
  try {
    // Judged by the open file, not by its name: what was checked is what is read.
    const stats = await handle.stat();
    if (!stats.isFile()) throw notAFile(path);
    const warnings = await tighten(handle, stats, path, FILE_MODE);
    return { bytes: stats.size > bytesMax ? undefined : new Uint8Array(await handle.readFile()), warnings };
  } finally {
    await handle.close();
  }
}

/**
 * Complete, flushed and exclusive: written under a temporary name, then linked, which fails if the name is taken.
 * @throws KeyError `exists`
 */
export async function writePrivateNew(path: string, bytes: Uint8Array | string): Promise<void> {
  const partial = partialOf(path);
  try {
    await writeExclusive(partial, bytes);
    await linkNew(partial, path);
  } catch (error) {
    const code = codeOf(error);
    if (code !== "EPERM" && code !== "ENOTSUP" && code !== "ENOSYS") throw error;
    // No hard links on this file system: exclusive creation still never replaces, only a power cut could leave it short.
    await writeExclusive(path, bytes).catch((cause: unknown) => {
      throw codeOf(cause) === "EEXIST" ? existing(path) : cause;
    });
  } finally {
    await unlink(partial).catch(() => undefined);
  }
  await flushDirectory(dirname(path));
}

/** Puts `bytes` in the place of what is at `path`, in one step. Only for what is kept elsewhere, or is no secret that could be lost. */
export async function replacePrivate(path: string, bytes: Uint8Array | string): Promise<void> {
  const partial = partialOf(path);
  try {
    await writeExclusive(partial, bytes);
    await rename(partial, path);
  } finally {
    await unlink(partial).catch(() => undefined);
  }
  await flushDirectory(dirname(path));
}

/** Makes the directory (0700) if it is missing. Resolves to the warnings of repairs. */
export async function ensurePrivateDirectory(path: string): Promise<readonly string[]> {
  await mkdir(path, { recursive: true, mode: DIRECTORY_MODE });
  return (await checkPrivateDirectory(path)) ?? [];
}

/** Undefined when the directory does not exist. */
export async function checkPrivateDirectory(path: string): Promise<readonly string[] | undefined> {
  const found = await lstat(path).catch(ifMissing(undefined));
  if (found === undefined) return undefined;
  if (!found.isDirectory())
    throw new KeyError("not_a_file", `${path} is not a directory of its own; it was left alone.`);
  const handle = await open(path, constants.O_RDONLY | NO_FOLLOW);
  try {
    return await tighten(handle, await handle.stat(), path, DIRECTORY_MODE);
  } finally {
    await handle.close();
  }
}

async function openPrivate(path: string): Promise<FileHandle | undefined> {
  try {
    // O_NONBLOCK: a named pipe in the key's place must not hang the client.
    return await open(path, constants.O_RDONLY | NO_FOLLOW | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    const code = codeOf(error) ?? "";
    if (code === "ENOENT") return undefined;
    // Linux and macOS say ELOOP for a link under O_NOFOLLOW, FreeBSD EMLINK; a socket gives ENXIO.
    if (["ELOOP", "EMLINK", "ENXIO"].includes(code)) throw notAFile(path);
    throw error;
  }
}

/** Refuses a foreign owner, takes away what others may do, and says so. */
async function tighten(handle: FileHandle, stats: Stats, path: string, mode: number): Promise<string[]> {
  const me = process.geteuid?.();
  if (me === undefined) return [];
  if (stats.uid !== me) throw new KeyError("foreign_owner", `${path} belongs to another user; it was not used.`);
  if ((stats.mode & OTHERS) === 0) return [];
  await handle.chmod(mode);
  const was = (stats.mode & 0o777).toString(8);
  return [
    `${path} was open to other users (mode ${was}); it is now ${mode.toString(8)}. Others may have read the key.`,
  ];
}

async function linkNew(partial: string, path: string): Promise<void> {
  try {
    await link(partial, path);
  } catch (error) {
    throw codeOf(error) === "EEXIST" ? existing(path) : error;
  }
}

async function writeExclusive(path: string, bytes: Uint8Array | string): Promise<void> {
  const handle = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | NO_FOLLOW, FILE_MODE);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function flushDirectory(directory: string): Promise<void> {
  const handle = await open(directory, constants.O_RDONLY).catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

function partialOf(path: string): string {
  return `${path}.partial-${randomBytes(8).toString("hex")}`;
}

function existing(path: string): KeyError {
  return new KeyError("exists", `${path} already exists; a key is never replaced.`);
}

function notAFile(path: string): KeyError {
  return new KeyError("not_a_file", `${path} is not a regular file (a link, perhaps); it was not followed.`);
}

export function ifMissing<T>(value: T): (error: unknown) => T {
  return (error) => {
    if (codeOf(error) === "ENOENT") return value;
    throw error;
  };
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
