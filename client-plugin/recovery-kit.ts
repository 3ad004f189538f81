/**
 * What brings a wallet's memory back on an empty machine.
 *
 * Two parts, each enough for what lies in the bucket: the recovery words open every object sealed while their recipient was known
 * here (`<dir>/keys/<addr_hash>.recovery`, public), and the kit file, an age file under a passphrase, holds all KEKs and, when asked
 * for, the wallet's key. The kit file makes the new machine equal to the old one.
 */
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { Decrypter, Encrypter } from "age-encryption";
import * as z from "zod";
import { bytesToHex, bytesToUtf8, hexToBytes } from "#contract/bytes";
import { addrHash, parseWallet, type Wallet } from "#contract/wallet";
import { decodeBech32 } from "./envelope/bech32.ts";
import { kidOf } from "./envelope/kek.ts";
import { adoptKek, allKeks, type KeyPlace, loadKek, makeCurrent } from "./keys.ts";
import { ensurePrivateDirectory, KeyError, readPrivate, writePrivateNew } from "./private-file.ts";

export interface Kit {
  readonly wallet: Wallet;
  /** `age1…`, undefined when no recovery words were made. */
  readonly recipient: string | undefined;
  /** All KEKs, 32 bytes each, the current one first. */
  readonly keks: readonly Uint8Array[];
  /** The wallet's key, when the owner wanted it in the kit. */
  readonly privateKey: `0x${string}` | undefined;
}

const KitJson = z.object({
  what: z.literal("mnemospark recovery kit"),
  version: z.literal(1),
  wallet: z.string(),
  recipient: z.string().optional(),
  keks: z.array(z.string().regex(/^[0-9a-f]{64}$/)).min(1),
  private_key: z
    .string()
    .regex(/^0x[0-9a-f]{64}$/)
    .optional(),
});

/** 2^18 rounds of scrypt take about a second: nothing for its owner, much for who guesses (age's own default). */
const SCRYPT_LOG_N = 18;
const PASSPHRASE_CHARS_MIN = 12;
const RECIPIENT_BYTES_MAX = 256;

/**
 * The recovery recipient that objects are sealed for, undefined when there is none.
 * @throws KeyError `not_a_key` when the file holds something else, `not_a_file`, `foreign_owner`
 */
export async function loadRecipient(place: KeyPlace): Promise<string | undefined> {
  const path = recipientPath(place);
  const content = await readPrivate(path, RECIPIENT_BYTES_MAX);
  if (content === undefined) return undefined;
  const recipient = content.bytes && bytesToUtf8(content.bytes)?.trim();
  if (recipient === undefined || decodeBech32(recipient, "age")?.length !== 32)
    throw new KeyError("not_a_key", `${path} is not an age recipient (age1…); it was left as it is.`);
  return recipient;
}

/**
 * From now on objects are sealed for this recipient too.
 * @throws KeyError `exists` when another one is kept; objects would depend on two sets of words
 */
export async function keepRecipient(place: KeyPlace, recipient: string): Promise<void> {
  if ((await loadRecipient(place)) === recipient) return;
  await ensurePrivateDirectory(join(place.dir, "keys"));
  await writePrivateNew(recipientPath(place), `${recipient}\n`);
}

/** Other words from now on. What is stored stays sealed for the recipient before, whose name is kept beside. */
export async function forgetRecipient(place: KeyPlace): Promise<void> {
  const before = await loadRecipient(place);
  if (before !== undefined) await rename(recipientPath(place), `${recipientPath(place)}.${before.slice(-8)}`);
}

/**
 * The kit file's bytes.
 * @throws KeyError `missing` when the wallet has no KEK yet; RangeError for a passphrase under 12 characters
 */
export async function sealKit(
  place: KeyPlace,
  passphrase: string,
  privateKey?: `0x${string}`,
  logN = SCRYPT_LOG_N,
): Promise<Uint8Array> {
  if (passphrase.length < PASSPHRASE_CHARS_MIN)
    throw new RangeError(
      `The passphrase has ${passphrase.length} characters; wanted at least ${PASSPHRASE_CHARS_MIN}.`,
    );
  const keks = await allKeks(place);
  if (keks.length === 0) throw new KeyError("missing", `${place.wallet} has no key yet; there is nothing to keep.`);
  const recipient = await loadRecipient(place);
  const kit: z.infer<typeof KitJson> = {
    what: "mnemospark recovery kit",
    version: 1,
    wallet: place.wallet,
    ...(recipient === undefined ? {} : { recipient }),
    keks: keks.map(({ kek }) => bytesToHex(kek)),
    ...(privateKey === undefined ? {} : { private_key: privateKey }),
  };
  const encrypter = new Encrypter();
  encrypter.setPassphrase(passphrase);
  encrypter.setScryptWorkFactor(logN);
  return encrypter.encrypt(JSON.stringify(kit));
}

/**
 * What a kit file holds.
 * @throws KeyError `not_a_key` for a wrong passphrase, a damaged file or another kind of file
 */
export async function openKit(file: Uint8Array, passphrase: string): Promise<Kit> {
  const decrypter = new Decrypter();
  decrypter.addPassphrase(passphrase);
  const text = await decrypter.decrypt(file, "text").catch((cause: unknown) => {
    throw new KeyError("not_a_key", `The kit does not open: ${cause instanceof Error ? cause.message : "damaged"}.`);
  });
  const kit = KitJson.safeParse(jsonOf(text));
  const wallet = kit.success ? parseWallet(kit.data.wallet) : undefined;
  if (!kit.success || wallet === undefined)
    throw new KeyError("not_a_key", "The file opens, but it is not a mnemospark recovery kit of version 1.");
  return {
    wallet,
    recipient: kit.data.recipient,
    keks: kit.data.keks.map((hex) => hexToBytes(hex)),
    privateKey: kit.data.private_key as Kit["privateKey"],
  };
}

/** Puts a kit's KEKs and recipient where they belong; what is there already stays. Resolves to how many keys were new here. */
export async function restoreKit(
  dir: string,
  kit: Kit,
): Promise<{
  readonly place: KeyPlace;
  readonly added: number;
  /** The kit has a recipient, and this machine another one, which stays. */
  readonly ownWords: boolean;
}> {
  const place = { dir, wallet: kit.wallet };
  let added = 0;
  for (const kek of kit.keks) if ((await adoptKek(place, kek)) !== "known") added += 1;
  // The kit is of a machine that has rotated since: what is sealed from now on is for both.
  const [newest, ...older] = kit.keks;
  const current = await loadKek(place);
  if (newest !== undefined && older.some((kek) => kidOf(kek) === current?.kid)) await makeCurrent(place, newest);
  const here = await loadRecipient(place);
  if (kit.recipient !== undefined && here === undefined) await keepRecipient(place, kit.recipient);
  return { place, added, ownWords: here !== undefined && kit.recipient !== undefined && here !== kit.recipient };
}

function recipientPath(place: KeyPlace): string {
  return join(place.dir, "keys", `${addrHash(place.wallet)}.recovery`);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
