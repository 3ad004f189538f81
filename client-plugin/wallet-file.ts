/**
 * The key that signs payments: where it is looked for, and how one is made. Never overwritten, never printed; a file that does not
 * parse stops the program, because a wallet made in its place would hide the money of the one before.
 *
 * Looked for in this order (contract section 8):
 *   1. what the configuration says: the key itself, or the path of a file
 *   2. the wallet that has paid before (pinned), wherever it is now
 *   3. <home>/wallet/wallet.key           of the published client
 *   4. <state>/blockrun/wallet.key        of BlockRun, shared
 *   5. <home>/key/wallet.key              made here
 */
import { randomBytes } from "node:crypto";
import { dirname, isAbsolute, join } from "node:path";
import { privateKeyToAddress } from "viem/accounts";
import * as z from "zod";
import { bytesToUtf8 } from "#contract/bytes";
import { parseWallet, type Wallet } from "#contract/wallet";
import { ensurePrivateDirectory, KeyError, readPrivate, replacePrivate, writePrivateNew } from "./private-file.ts";

export interface WalletPlace {
  /** The client's home, for instance `~/.openclaw/mnemospark`. */
  readonly home: string;
  /** The host's state directory, for instance `~/.openclaw`: where BlockRun keeps its wallet. */
  readonly stateDir: string;
  /** A private key (64 hex digits, with or without 0x) or the absolute path of a file that holds one. */
  readonly configured?: string | undefined;
}

export type WalletSource = "configured" | "published client" | "blockrun" | "mnemospark";

export interface FoundWallet {
  readonly address: Wallet;
  /** 32 bytes as `0x…`. Never to be shown or logged. */
  readonly privateKey: `0x${string}`;
  readonly source: WalletSource;
  /** Undefined when the key itself was configured. */
  readonly path: string | undefined;
  /** It has paid here before. */
  readonly pinned: boolean;
  /** Sentences for the owner: repaired modes, other wallets that were found and not used. */
  readonly warnings: readonly string[];
}

const FILE_BYTES_MAX = 256;
const HEX_KEY = /^(?:0x)?([0-9a-fA-F]{64})$/;
/** Order of secp256k1 (SEC 2, 2.4.1): a private key is in 1 … n-1. */
const CURVE_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

/**
 * The wallet to use, undefined when this machine has none.
 * @throws KeyError `not_a_file`, `foreign_owner`, `not_a_key`; `missing` when the wallet that has paid before is not among those found
 */
export async function findWallet(place: WalletPlace): Promise<FoundWallet | undefined> {
  const pinned = await pinnedWallet(place);
  const found = await candidates(place);
  const configured = found.find(({ source }) => source === "configured");
  const chosen = configured ?? (pinned ? found.find(({ address }) => address === pinned) : found[0]);
  if (chosen === undefined && pinned !== undefined)
    throw new KeyError(
      "missing",
      `The wallet that has paid here before, ${pinned}, is not on this machine any more. Import its key, or name another wallet in the configuration.`,
    );
  if (chosen === undefined) return undefined;
  const warnings = [...chosen.warnings, ...others(chosen, found), ...unpinned(chosen, pinned)];
  return { ...chosen, pinned: chosen.address === pinned, warnings };
}

/**
 * Makes a wallet where none is.
 * @throws KeyError `exists` when any of the places has one, and as `findWallet`
 */
export function createWallet(place: WalletPlace): Promise<FoundWallet> {
  return keep(place, `0x${randomBytes(32).toString("hex")}`);
}

/**
 * Keeps a key from elsewhere as this machine's wallet.
 * @throws KeyError `not_a_key`, and as `createWallet`
 */
export async function importWallet(place: WalletPlace, key: string): Promise<FoundWallet> {
  const privateKey = parsePrivateKey(key);
  if (privateKey === undefined)
    throw new KeyError("not_a_key", "That is not a private key: wanted 64 hex digits, with or without 0x.");
  return keep(place, privateKey);
}

/**
 * Writes the key to a new file (0600) at `path`; the only way out, because a chat or a log keeps what it was shown.
 * @throws KeyError `exists`
 */
export function exportWallet(wallet: FoundWallet, path: string): Promise<void> {
  return writePrivateNew(path, `${wallet.privateKey}\n`);
}

/** Remembers the wallet that has paid, so that a file which appears later cannot change who pays. The first one stays. */
export async function pinWallet(place: WalletPlace, address: Wallet): Promise<void> {
  if ((await pinnedWallet(place)) !== undefined) return;
  await ensurePrivateDirectory(place.home);
  await replacePrivate(pinPath(place), `${JSON.stringify({ address })}\n`);
}

/** @throws KeyError `not_a_key` when the pin does not parse */
export async function pinnedWallet(place: WalletPlace): Promise<Wallet | undefined> {
  const path = pinPath(place);
  const content = await readPrivate(path, FILE_BYTES_MAX);
  if (content === undefined) return undefined;
  const pin = Pin.safeParse(jsonOf(content.bytes));
  const address = pin.success ? parseWallet(pin.data.address) : undefined;
  if (address === undefined)
    throw new KeyError("not_a_key", `${path} does not name a wallet; it was left as it is. Delete it to choose anew.`);
  return address;
}

const Pin = z.object({ address: z.string() });

async function keep(place: WalletPlace, privateKey: `0x${string}`): Promise<FoundWallet> {
  const found = await candidates(place);
  const first = found[0];
  if (first !== undefined)
    throw new KeyError(
      "exists",
      `There is a wallet already: ${first.address} in ${first.path ?? "the configuration"}. It was left as it is.`,
    );
  const path = join(place.home, "key", "wallet.key");
  await ensurePrivateDirectory(place.home);
  const warnings = await ensurePrivateDirectory(dirname(path));
  await writePrivateNew(path, `${privateKey}\n`);
  // Read back: what is on the disk is what will be paid with.
  const kept = await readWallet(path, "mnemospark");
  if (kept?.privateKey !== privateKey)
    throw new KeyError("not_a_key", `${path} does not hold what was written to it; do not send money to it.`);
  return { ...kept, warnings: [...warnings, ...kept.warnings] };
}

async function candidates(place: WalletPlace): Promise<FoundWallet[]> {
  const found = [
    await configuredWallet(place.configured),
    await readWallet(join(place.home, "wallet", "wallet.key"), "published client"),
    await readWallet(join(place.stateDir, "blockrun", "wallet.key"), "blockrun"),
    await readWallet(join(place.home, "key", "wallet.key"), "mnemospark"),
  ];
  return found.filter((each) => each !== undefined);
}

async function configuredWallet(configured: string | undefined): Promise<FoundWallet | undefined> {
  if (configured === undefined || configured.trim() === "") return undefined;
  const privateKey = parsePrivateKey(configured);
  if (privateKey !== undefined) return walletOf(privateKey, "configured", undefined, []);
  // The text is not repeated: a key with a typing error is still most of a key.
  if (!isAbsolute(configured))
    throw new KeyError(
      "not_a_key",
      "The configured wallet is neither a private key (64 hex digits) nor an absolute path.",
    );
  const found = await readWallet(configured, "configured");
  if (found === undefined) throw new KeyError("missing", `The configured wallet file ${configured} does not exist.`);
  return found;
}

async function readWallet(path: string, source: WalletSource): Promise<FoundWallet | undefined> {
  const content = await readPrivate(path, FILE_BYTES_MAX);
  if (content === undefined) return undefined;
  const text = content.bytes && bytesToUtf8(content.bytes);
  const privateKey = text === undefined ? undefined : parsePrivateKey(text);
  if (privateKey === undefined)
    throw new KeyError(
      "not_a_key",
      `${path} is not a wallet key (64 hex digits, with or without 0x). It was left as it is; restore it from a backup, or move it away.`,
    );
  return walletOf(privateKey, source, path, content.warnings);
}

function walletOf(
  privateKey: `0x${string}`,
  source: WalletSource,
  path: string | undefined,
  warnings: readonly string[],
): FoundWallet {
  const address = parseWallet(privateKeyToAddress(privateKey));
  if (address === undefined) throw new Error("invariant: a private key has an address");
  return { address, privateKey, source, path, pinned: false, warnings };
}

/** Undefined for anything that is not 32 bytes of hex in the curve's range. */
function parsePrivateKey(text: string): `0x${string}` | undefined {
  const hex = HEX_KEY.exec(text.trim())?.[1]?.toLowerCase();
  if (hex === undefined) return undefined;
  const scalar = BigInt(`0x${hex}`);
  return scalar > 0n && scalar < CURVE_ORDER ? `0x${hex}` : undefined;
}

function others(chosen: FoundWallet, found: readonly FoundWallet[]): string[] {
  return found
    .filter(({ address }) => address !== chosen.address)
    .map(
      ({ address, path }) =>
        `Another wallet was found and not used: ${address} in ${path ?? "the configuration"}. Paying is ${chosen.address}.`,
    );
}

function unpinned(chosen: FoundWallet, pinned: Wallet | undefined): string[] {
  return pinned === undefined || pinned === chosen.address
    ? []
    : [`${pinned} has paid here before; what it stored belongs to it, and ${chosen.address} does not see it.`];
}

function pinPath(place: WalletPlace): string {
  return join(place.home, "paying-wallet.json");
}

function jsonOf(bytes: Uint8Array | undefined): unknown {
  try {
    return JSON.parse((bytes && bytesToUtf8(bytes)) ?? "");
  } catch {
    return undefined;
  }
}
