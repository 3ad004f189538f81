/**
 * The wallet's key encryption keys on disk: made here, never sent anywhere, never overwritten.
 *
 *   <dir>/keys/<addr_hash>.key         the current one, under the name the earlier client used
 *   <dir>/keys/<addr_hash>.<kid>.key   older ones, kept because objects sealed under them exist
 *
 * Losing one of these files loses every object sealed under it (unless there is a recovery kit), and leaking it opens
 * them; so anything unusual about a file stops with a sentence. Only loose permission bits are repaired, with a warning:
 * the earlier client left its directories at the default mode, and refusing would lock its users out.
 */
import { randomBytes } from "node:crypto";
import { constants, type Stats } from "node:fs";
import { type FileHandle, link, lstat, mkdir, open, readdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import { base64ToBytes } from "#contract/base64";
import { bytesToUtf8 } from "#contract/bytes";
import { addrHash, type Wallet } from "#contract/wallet";
import { isKid, KEK_BYTES, type KekLookup, kidOf } from "./envelope/kek.ts";

export type KeyRefusal =
  /** A link, a directory or a device stands where the key or its directory should be. */
  | "not_a_file"
  /** Another user owns it. */
  | "foreign_owner"
  /** Neither 32 raw bytes nor base64 of 32 bytes, or not the key its name says. */
  | "not_a_key"
  /** A key is already there; it is never replaced. */
  | "exists";

/** Thrown when a key file must not be used or made. The sentence names the path, never the content. */
export class KeyError extends Error {
  readonly code: KeyRefusal;

  constructor(code: KeyRefusal, message: string) {
    super(message);
    this.name = "KeyError";
    this.code = code;
  }
}

/** Where one wallet's keys are: `dir` is the client's home, for instance `~/.openclaw/mnemospark`. */
export interface KeyPlace {
  readonly dir: string;
  readonly wallet: Wallet;
}

export interface StoredKek {
  readonly kid: string;
  /** 32 bytes. */
  readonly kek: Uint8Array;
  readonly path: string;
  /** Sentences for the owner about what was repaired on the way. */
  readonly warnings: readonly string[];
}

const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;
const OTHERS = 0o077;
/** A key file is 32 bytes, or 44 characters and a newline; whatever is larger is something else. */
const FILE_BYTES_MAX = 256;
const NO_FOLLOW = constants.O_NOFOLLOW ?? 0;

/**
 * The wallet's current KEK, undefined when there is none yet.
 * @throws KeyError `not_a_file`, `foreign_owner`, `not_a_key`
 */
export function loadKek(place: KeyPlace): Promise<StoredKek | undefined> {
  return readKey(place, `${addrHash(place.wallet)}.key`);
}

/**
 * Makes the wallet's first KEK. The file appears complete or not at all, and only if none is there.
 * @throws KeyError `exists`, and as `loadKek`
 */
export async function createKek(place: KeyPlace): Promise<StoredKek> {
  const warnings = await ensureDirectory(place);
  const kek = new Uint8Array(randomBytes(KEK_BYTES));
  const path = join(keysDir(place), `${addrHash(place.wallet)}.key`);
  await writeNew(path, kek);
  return { kid: kidOf(kek), kek, path, warnings };
}

/** The current KEK, made on first use. Two processes that start together end with the same one. */
export async function loadOrCreateKek(place: KeyPlace): Promise<StoredKek> {
  const found = await loadKek(place);
  if (found !== undefined) return found;
  try {
    return await createKek(place);
  } catch (error) {
    const made = error instanceof KeyError && error.code === "exists" ? await loadKek(place) : undefined;
    if (made === undefined) throw error;
    return made;
  }
}

/**
 * The KEK that `kid` names, current or older, undefined if this machine does not hold it.
 * @throws KeyError as `loadKek`, and `not_a_key` when an older key's file holds another key than its name says
 */
export async function findKek(place: KeyPlace, kid: string): Promise<StoredKek | undefined> {
  if (!isKid(kid)) return undefined;
  const current = await loadKek(place);
  if (current?.kid === kid) return current;
  const older = await readKey(place, `${addrHash(place.wallet)}.${kid}.key`);
  if (older !== undefined && older.kid !== kid) {
    throw new KeyError("not_a_key", `${older.path} does not hold the key its name says; it was left as it is.`);
  }
  return older;
}

/** `findKek` in the shape the envelope asks for. */
export function kekLookup(place: KeyPlace): KekLookup {
  return async (kid) => (await findKek(place, kid))?.kek;
}

/** Kids of the older keys kept beside the current one, sorted. */
export async function olderKids(place: KeyPlace): Promise<string[]> {
  const prefix = `${addrHash(place.wallet)}.`;
  const names = await readdir(keysDir(place)).catch(ifMissing<string[]>([]));
  return names
    .filter((name) => name.startsWith(prefix) && name.endsWith(".key"))
    .map((name) => name.slice(prefix.length, -".key".length))
    .filter(isKid)
    .sort();
}

function keysDir(place: KeyPlace): string {
  return join(place.dir, "keys");
}

async function ensureDirectory(place: KeyPlace): Promise<string[]> {
  const path = keysDir(place);
  await mkdir(path, { recursive: true, mode: DIRECTORY_MODE });
  return (await checkDirectory(path)) ?? [];
}

/** Undefined when the directory does not exist. */
async function checkDirectory(path: string): Promise<string[] | undefined> {
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

async function readKey(place: KeyPlace, name: string): Promise<StoredKek | undefined> {
  const directoryWarnings = await checkDirectory(keysDir(place));
  if (directoryWarnings === undefined) return undefined;
  const path = join(keysDir(place), name);
  const handle = await openKey(path);
  if (handle === undefined) return undefined;
  try {
    // Judged by the open file, not by its name: what was checked is what is read.
    const stats = await handle.stat();
    if (!stats.isFile()) throw notAFile(path);
    const warnings = await tighten(handle, stats, path, FILE_MODE);
    const kek = stats.size > FILE_BYTES_MAX ? undefined : parseKey(await handle.readFile());
    if (kek === undefined) {
      const message = `${path} is not a key: it should hold 32 bytes, raw or in base64. It was left as it is; restore it from a backup.`;
      throw new KeyError("not_a_key", message);
    }
    return { kid: kidOf(kek), kek, path, warnings: [...directoryWarnings, ...warnings] };
  } finally {
    await handle.close();
  }
}

async function openKey(path: string): Promise<FileHandle | undefined> {
  try {
    // O_NONBLOCK: a named pipe in the key's place must not hang the client.
    return await open(path, constants.O_RDONLY | NO_FOLLOW | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    // Linux and macOS say ELOOP for a link under O_NOFOLLOW, FreeBSD EMLINK; a socket gives ENXIO.
    if (["ELOOP", "EMLINK", "ENXIO"].includes(codeOf(error) ?? "")) throw notAFile(path);
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

/** Raw first: 32 bytes are the key even if they happen to look like text. */
function parseKey(content: Uint8Array): Uint8Array | undefined {
  if (content.length === KEK_BYTES) return new Uint8Array(content);
  const text = bytesToUtf8(content)?.trim();
  const bytes = text === undefined ? undefined : base64ToBytes(text);
  return bytes?.length === KEK_BYTES ? bytes : undefined;
}

/** Complete, flushed and exclusive: written under a temporary name, then linked, which fails if the name is taken. */
async function writeNew(path: string, kek: Uint8Array): Promise<void> {
  const partial = `${path}.partial-${randomBytes(8).toString("hex")}`;
  try {
    await writeExclusive(partial, kek);
    await link(partial, path);
  } catch (error) {
    const code = codeOf(error);
    if (code === "EEXIST") throw new KeyError("exists", `${path} already exists; a key is never replaced.`);
    if (code !== "EPERM" && code !== "ENOTSUP" && code !== "ENOSYS") throw error;
    // No hard links on this file system: exclusive creation still never replaces, only a power cut could leave it short.
    await writeExclusive(path, kek).catch((cause: unknown) => {
      if (codeOf(cause) === "EEXIST") throw new KeyError("exists", `${path} already exists; a key is never replaced.`);
      throw cause;
    });
  } finally {
    await unlink(partial).catch(() => undefined);
  }
  await flush(join(path, ".."));
}

async function writeExclusive(path: string, kek: Uint8Array): Promise<void> {
  const handle = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | NO_FOLLOW, FILE_MODE);
  try {
    await handle.writeFile(kek);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function flush(directory: string): Promise<void> {
  const handle = await open(directory, constants.O_RDONLY).catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

function notAFile(path: string): KeyError {
  return new KeyError("not_a_file", `${path} is not a regular file (a link, perhaps); it was not followed.`);
}

function ifMissing<T>(value: T): (error: unknown) => T {
  return (error) => {
    if (codeOf(error) === "ENOENT") return value;
    throw error;
  };
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
