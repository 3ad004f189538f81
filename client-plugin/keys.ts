/**
 * The wallet's key encryption keys on disk: made here, never sent anywhere, never overwritten.
 *
 *   <dir>/keys/<addr_hash>.key         the current one, under the name the earlier client used
 *   <dir>/keys/<addr_hash>.<kid>.key   older ones, kept because objects sealed under them exist
 *
 * Losing one of these files loses every object sealed under it (unless there is a recovery kit), and leaking it opens them.
 */
import { randomBytes } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { parseKekFile } from "#contract/sealing";
import { addrHash, type Wallet } from "#contract/wallet";
import { isKid, KEK_BYTES, type KekLookup, kidOf } from "./envelope/kek.ts";
import {
  checkPrivateDirectory,
  ensurePrivateDirectory,
  ifMissing,
  KeyError,
  readPrivate,
  replacePrivate,
  writePrivateNew,
} from "./private-file.ts";

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

/** A key file is 32 bytes, or 44 characters and a newline; whatever is larger is something else. */
const FILE_BYTES_MAX = 256;

/**
 * The wallet's current KEK, undefined when there is none yet.
 * @throws KeyError `not_a_file`, `foreign_owner`, `not_a_key`
 */
export function loadKek(place: KeyPlace): Promise<StoredKek | undefined> {
  return readKey(place, currentName(place));
}

/**
 * Makes the wallet's first KEK. The file appears complete or not at all, and only if none is there.
 * @throws KeyError `exists`, and as `loadKek`
 */
export function createKek(place: KeyPlace): Promise<StoredKek> {
  return keepCurrent(place, new Uint8Array(randomBytes(KEK_BYTES)));
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
 * Makes a new current KEK and keeps the one before it under its kid, for the objects that are sealed under it. Dying between the two
 * steps leaves the old key current, and kept twice.
 * @throws KeyError `missing` when there is no key to rotate, and as `loadKek`
 */
export async function rotateKek(place: KeyPlace): Promise<{ readonly current: StoredKek; readonly before: StoredKek }> {
  const before = await loadKek(place);
  if (before === undefined)
    throw new KeyError("missing", `${place.wallet} has no key yet, so there is none to rotate.`);
  await keepOlder(place, before.kek);
  const kek = new Uint8Array(randomBytes(KEK_BYTES));
  const path = join(keysDir(place), currentName(place));
  await replacePrivate(path, kek);
  return { current: { kid: kidOf(kek), kek, path, warnings: before.warnings }, before };
}

/** Keeps a KEK from elsewhere (a recovery kit): as the current one where there is none, beside it otherwise. */
export async function adoptKek(place: KeyPlace, kek: Uint8Array): Promise<"current" | "kept" | "known"> {
  if (kek.length !== KEK_BYTES) throw new KeyError("not_a_key", "A key encryption key has 32 bytes.");
  if ((await findKek(place, kidOf(kek))) !== undefined) return "known";
  if ((await loadKek(place)) === undefined) {
    await keepCurrent(place, kek);
    return "current";
  }
  await keepOlder(place, kek);
  return "kept";
}

/**
 * The KEK that `kid` names, current or older, undefined if this machine does not hold it.
 * @throws KeyError as `loadKek`, and `not_a_key` when an older key's file holds another key than its name says
 */
export async function findKek(place: KeyPlace, kid: string): Promise<StoredKek | undefined> {
  if (!isKid(kid)) return undefined;
  const current = await loadKek(place);
  if (current?.kid === kid) return current;
  const older = await readKey(place, olderName(place, kid));
  if (older !== undefined && older.kid !== kid) {
    throw new KeyError("not_a_key", `${older.path} does not hold the key its name says; it was left as it is.`);
  }
  return older;
}

/**
 * Makes `kek` the current key and keeps the one before it: a kit of a machine that has rotated brings its key to this one.
 * @throws KeyError `missing` when there is none to take the place of, and as `loadKek`
 */
export async function makeCurrent(place: KeyPlace, kek: Uint8Array): Promise<void> {
  const before = await loadKek(place);
  if (before === undefined) throw new KeyError("missing", `${place.wallet} has no key yet.`);
  await keepOlder(place, before.kek);
  await replacePrivate(join(keysDir(place), currentName(place)), kek);
}

/**
 * Writes a key, 32 bytes as they are, to a new file (0600) at `pathOf(kid)`; the current one where no `kid` is named.
 * @throws KeyError `missing`, `exists`
 */
export async function exportKek(
  place: KeyPlace,
  kid: string | undefined,
  pathOf: (kid: string) => string,
): Promise<{ readonly kid: string; readonly path: string }> {
  const found = kid === undefined ? await loadKek(place) : await findKek(place, kid);
  if (found === undefined)
    throw new KeyError(
      "missing",
      `${kid === undefined ? `${place.wallet} has no key yet` : `There is no key ${kid} here`}.`,
    );
  const path = pathOf(found.kid);
  await writePrivateNew(path, found.kek);
  return { kid: found.kid, path };
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

/** All KEKs of the wallet on this machine, the current one first. */
export async function allKeks(place: KeyPlace): Promise<StoredKek[]> {
  const current = await loadKek(place);
  const older = (await olderKids(place)).filter((kid) => kid !== current?.kid);
  const found = await Promise.all(older.map((kid) => findKek(place, kid)));
  return [current, ...found].filter((each) => each !== undefined);
}

async function keepCurrent(place: KeyPlace, kek: Uint8Array): Promise<StoredKek> {
  const warnings = await ensurePrivateDirectory(keysDir(place));
  const path = join(keysDir(place), currentName(place));
  await writePrivateNew(path, kek);
  return { kid: kidOf(kek), kek, path, warnings };
}

async function keepOlder(place: KeyPlace, kek: Uint8Array): Promise<void> {
  const path = join(keysDir(place), olderName(place, kidOf(kek)));
  if ((await readKey(place, olderName(place, kidOf(kek)))) === undefined) await writePrivateNew(path, kek);
}

function keysDir(place: KeyPlace): string {
  return join(place.dir, "keys");
}

function currentName(place: KeyPlace): string {
  return `${addrHash(place.wallet)}.key`;
}

function olderName(place: KeyPlace, kid: string): string {
  return `${addrHash(place.wallet)}.${kid}.key`;
}

async function readKey(place: KeyPlace, name: string): Promise<StoredKek | undefined> {
  const directoryWarnings = await checkPrivateDirectory(keysDir(place));
  if (directoryWarnings === undefined) return undefined;
  const path = join(keysDir(place), name);
  const content = await readPrivate(path, FILE_BYTES_MAX);
  if (content === undefined) return undefined;
  const kek = content.bytes && parseKekFile(content.bytes);
  if (kek === undefined) {
    const message = `${path} is not a key: it should hold 32 bytes, raw or in base64. It was left as it is; restore it from a backup.`;
    throw new KeyError("not_a_key", message);
  }
  return { kid: kidOf(kek), kek, path, warnings: [...directoryWarnings, ...content.warnings] };
}
