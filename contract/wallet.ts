/**
 * Who a wallet is, in one spelling, and the names that follow from it: bucket, S3 key, ids.
 * Everything that is keyed by a wallet (Durable Object, bucket, key file) uses the lower-case address and nothing else.
 */
import { sha256Hex, utf8ToBytes } from "./bytes.ts";
import { AGENT_ID_CHARS_MAX, OBJECT_KEY_BYTES_MAX } from "./limits.ts";

/** A lower-case `0x` address. The only constructor is `parseWallet`. */
export type Wallet = `0x${string}` & { readonly brand: "Wallet" };

const ADDRESS = /^0x[0-9a-fA-F]{40}$/;

/** Undefined unless 20 bytes of hex. Checksum case is dropped, not checked: a typo in case is still the same 20 bytes. */
export function parseWallet(raw: unknown): Wallet | undefined {
  return typeof raw === "string" && ADDRESS.test(raw) ? (raw.toLowerCase() as Wallet) : undefined;
}

/** First 16 hex digits of SHA-256 of the lower-case address text: names buckets and key files. */
export function addrHash(wallet: Wallet): string {
  return sha256Hex(wallet).slice(0, 16);
}

/**
 * Name number `sequence` (0, 1, …) for the wallet's bucket in a region. A 64-bit hash can be collided and bucket names can be
 * squatted, so a name is only a proposal: the bucket is the wallet's when its tag holds the full address.
 */
export function bucketName(wallet: Wallet, region: string, defaultRegion: string, sequence = 0): string {
  const base = `mnemospark-${addrHash(wallet)}`;
  const regional = region === defaultRegion ? base : `${base}-${region}`;
  return sequence === 0 ? regional : `${regional}-${sequence}`;
}

/** Why a name cannot be an object key, or undefined when it can. One segment: dot segments are folded by URL parsing. */
export function objectKeyFault(name: string): string | undefined {
  if (name.length === 0) return "is empty";
  if (/[/\\]/.test(name)) return "contains a slash; it must be one segment";
  if (/^(?:\.|%2e){1,2}$/i.test(name)) return "is a dot segment";
  if (!name.isWellFormed()) return "is not well-formed Unicode";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this looks for
  if (/[\u0000-\u001f\u007f]/.test(name)) return "contains a control character";
  if (utf8ToBytes(name).length > OBJECT_KEY_BYTES_MAX) return `is longer than ${OBJECT_KEY_BYTES_MAX} bytes`;
  return undefined;
}

const AGENT = new RegExp(`^[A-Za-z0-9][A-Za-z0-9._-]{0,${AGENT_ID_CHARS_MAX - 1}}$`);

export function isAgentId(text: string): boolean {
  return AGENT.test(text);
}

/** `agent=<agent>/<object_key>/<order>.<plan>`: never reused, so no late PUT or erase can touch another purchase. */
export function s3Key(agentId: string, objectKey: string, orderId: string, plan: number): string {
  return `agent=${agentId}/${objectKey}/${serialOf(orderId)}.${plan}`;
}

/**
 * Ids carry their wallet, so that whoever holds an id reaches the right Durable Object and nobody else's:
 * `<kind>_<40 hex of the wallet>_<serial>`.
 */
export type IdKind = "quote" | "order" | "pay" | "pack" | "stmt";

export function makeId(kind: IdKind, wallet: Wallet, serial: string): string {
  return `${kind}_${wallet.slice(2)}_${serial}`;
}

const ID = /^(quote|order|pay|pack|stmt)_([0-9a-f]{40})_([0-9a-f]{16,64})$/;

export function walletOfId(kind: IdKind, id: string): Wallet | undefined {
  const match = ID.exec(id);
  return match?.[1] === kind ? parseWallet(`0x${match[2]}`) : undefined;
}

function serialOf(id: string): string {
  return ID.exec(id)?.[3] ?? id;
}
