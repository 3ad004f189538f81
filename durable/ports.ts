/**
 * The sockets to the world that decisions need; types only. They speak in values with three ends, never in HTTP:
 * `done`, `refused` (it certainly did not and will not happen) and `unknown` (ask again later, never assume).
 */
import type { Refusal } from "#contract/errors";
import type { MicroUsdc } from "#contract/money";
import type { RateCard, RegionRates } from "#contract/rates";
import type { Wallet } from "#contract/wallet";
import type { Authorization } from "#contract/x402";

export interface Clock {
  nowMs(): number;
}

/** Where a transfer was seen. Block time in milliseconds. */
export interface TransferProof {
  readonly txHash: `0x${string}`;
  readonly blockNumber: bigint;
  readonly blockTimeMs: number;
  readonly gasUsed: bigint;
  readonly effectiveGasPrice: bigint;
}

/** (network, asset, from, nonce): the identity of a payment. */
export type ClaimKey = string;

export function claimKeyOf(network: string, asset: string, authorization: Authorization): ClaimKey {
  return `${network}|${asset.toLowerCase()}|${authorization.from}|${authorization.nonce}`;
}

/** What a lane needs to settle a claim, and nothing about why. */
export interface SettlementJob {
  readonly claimKey: ClaimKey;
  readonly authorization: Authorization;
  readonly signature: `0x${string}`;
  /** When the claim was first written down: what was transferred before that pays for something else. */
  readonly claimedMs: number;
  /** How often it was given back unsent before; a lane that could not send it is not asked the next time. */
  readonly attempt: number;
  /**
   * What the ledger knows. `look`: the claim was given up and must not be submitted again, only looked for. `first`, for a path that
   * remembers nothing itself (a facilitator), is told once, to the caller that wrote the claim. Absent: it may have left us before.
   */
  readonly ask?: "first" | "look";
}

export type SettlementEnd =
  | { readonly end: "settled"; readonly proof: TransferProof }
  /** `leftUs`: whether a transaction was ever broadcast; if so its proof may still appear and then becomes credit. */
  | { readonly end: "refused"; readonly reason: string; readonly detail: string; readonly leftUs: boolean }
  | { readonly end: "unknown"; readonly txHash: `0x${string}` | undefined };

/** Settles claims, idempotently by claim key: calling again asks again, it never pays again. */
export interface Chain {
  settle(job: SettlementJob, waitMs: number): Promise<SettlementEnd>;
  /** Asked about a transfer that was seen, until it is final. */
  recheck(job: SettlementJob, seen: TransferProof): Promise<Recheck>;
  /** Block time, in ms, of the newest block that cannot be taken back. Throws when nobody knows. */
  headMs(): Promise<number>;
}

export type Recheck =
  /** In a finalized block: it cannot go away. */
  | { readonly end: "final"; readonly proof: TransferProof }
  /** On chain, perhaps in another block than before. */
  | { readonly end: "standing"; readonly proof: TransferProof }
  /** A reorg took it; the same bytes are sent again, and the payment is unknown again. */
  | { readonly end: "vanished" }
  | { readonly end: "unknown" };

/** How settled a block is: `safe` is on L1, `finalized` will never be undone. */
export type BlockTag = "latest" | "safe" | "finalized";

/**
 * A chain behind endpoints that may lie or lag. A throw means "not known": no endpoint answered, or they contradict each other
 * where agreement is needed. It never means "no".
 */
export interface ChainRpc {
  /** `eth_call` of transferWithAuthorization at latest: undefined when it would succeed, else the reason. */
  simulate(authorization: Authorization, signature: `0x${string}`, from: Wallet): Promise<string | undefined>;
  fees(): Promise<{ maxFeePerGas: bigint; maxPriorityFeePerGas: bigint }>;
  balanceWei(address: Wallet): Promise<bigint>;
  balanceOfUsdc(address: Wallet): Promise<bigint>;
  /** The next nonce of an account; at `finalized` the lowest that the endpoints say. */
  transactionCount(address: Wallet, at: "latest" | "pending" | "finalized"): Promise<number>;
  hasCode(address: Wallet): Promise<boolean>;
  /** Resolves when a node took it or already had it; throws with the nodes' words when all refused or none answered. */
  send(raw: `0x${string}`): Promise<void>;
  /** In the order asked; undefined when not mined as far as is known. With several endpoints a failure needs two of them. */
  receipts(hashes: readonly `0x${string}`[]): Promise<(Receipt | undefined)[]>;
  /**
   * The transfer that used the authorization, in a block not before `sinceMs` (less a minute for clocks). Undefined: nobody has
   * seen one. Throws when one endpoint shows a transfer that another, needed to believe it, does not show (yet).
   */
  findTransfer(authorization: Authorization, sinceMs: number): Promise<TransferProof | undefined>;
  /** At `finalized`, with several endpoints: two must answer and all that do must agree, else it throws. */
  authorizationUsed(authorization: Authorization, at: BlockTag): Promise<boolean>;
  /** `safe` and `finalized`: the lowest head of all endpoints; with several, at least two must answer. */
  head(at: BlockTag): Promise<{ number: bigint; timeS: bigint }>;
}

export interface Receipt {
  readonly succeeded: boolean;
  readonly blockNumber: bigint;
  /**
   * The proof, when the receipt holds `AuthorizationUsed` and the matching `Transfer` right after it; a batch holds many. Throws
   * like `findTransfer` while endpoints disagree. Does not look at the claim's time: our own transaction is later than its claim.
   */
  transferOf(authorization: Authorization): Promise<TransferProof | undefined>;
}

/** Reads the relayer's key; it lives in memory only and is asked for again after an eviction. */
export interface Secrets {
  relayerKey(secretId: string): Promise<`0x${string}`>;
}

/** What may be sold by now: the newest card, and those it superseded less than an hour ago, newest first. */
export interface CardsNow {
  readonly ok: true;
  readonly card: RateCard;
  readonly honoured: readonly RateCard[];
}

export interface Rates {
  /** The cards to quote from, or why there is none. Takes milliseconds: it never waits for AWS. */
  current(nowMs: number): Promise<CardsNow | Refusal>;
}

/** A card as the shelf hands it out; the current one has no end. Times in milliseconds. */
export interface ShelvedCard {
  readonly card: RateCard;
  readonly honouredUntilMs: number | undefined;
}

/** Where cards are kept: the newest first, then those that are honoured still; none when no card was ever taken. */
export interface CardShelf {
  cards(): Promise<ShelvedCard[]>;
}

/** How the taking of cards stands. Times in milliseconds. */
export interface ShelfState {
  /** Names, in the order they are asked; none where nobody takes cards. */
  readonly sources: readonly string[];
  /** When they are asked next. */
  readonly dueMs: number;
  /** When they were asked last; 0 before the first time. */
  readonly askedMs: number;
  /** What came of it the last time it ended: the card's version, or none, and why sources were passed over. */
  readonly last:
    | {
        readonly askedMs: number;
        readonly atMs: number;
        readonly version?: string;
        readonly faults: readonly { readonly source: string; readonly detail: string }[];
      }
    | undefined;
}

export type Taken =
  | { readonly end: "done"; readonly regions: Readonly<Record<string, RegionRates>> }
  | { readonly end: "unknown"; readonly detail: string };

/** A place where AWS tells its prices. Takes a minute or two, so only an alarm asks. Never throws. */
export interface PriceSource {
  /** For people: what a card says it was taken from. */
  readonly name: string;
  /** Short, for the card's version. */
  readonly label: string;
  /** Prices of all these regions, or none. */
  take(regions: readonly string[], nowMs: number): Promise<Taken>;
}

export interface ForecastAsk {
  readonly wallet: Wallet;
  /** The period; whole UTC days are counted, from the day it begins to the day before it ends. */
  readonly fromMs: number;
  readonly untilMs: number;
}

export type Forecast =
  /** What AWS expects to charge for the storage of all the wallet's buckets in the period: no markup, rounded up. */
  | { readonly end: "done"; readonly amount: MicroUsdc }
  /** AWS has no history to tell from, or none so far ahead; asking again soon will not help. */
  | { readonly end: "no_data"; readonly detail: string }
  | { readonly end: "unknown"; readonly detail: string };

/** Every call costs money ($0.01), so only an alarm asks: once per wallet and period, the intent written down before. Never throws. */
export interface Forecasts {
  storageCost(ask: ForecastAsk, nowMs: number): Promise<Forecast>;
}

/** An object's place. The lease records it, so no later call computes it. */
export interface ObjectPlace {
  readonly store: string;
  readonly region: string;
  readonly bucket: string;
  readonly key: string;
  /** Parts may have been sent under this key: erasing it also aborts every upload that would put them together. */
  readonly parts?: boolean;
}

/** An upload of parts under way at a place. */
export interface PartsPlace extends ObjectPlace {
  readonly uploadId: string;
}

export interface PartTarget extends PartsPlace {
  readonly part: number;
  readonly lengthBytes: number;
  readonly sha256Hex: string;
  readonly md5Base64?: string | undefined;
  readonly expiresInS: number;
}

/** A part as announced, and as S3 lists it; a store that keeps no checksum lists none. */
export interface AnnouncedPart {
  readonly part: number;
  readonly lengthBytes: number;
  readonly sha256Hex: string;
}
export interface StoredPart {
  readonly part: number;
  readonly lengthBytes: number;
  readonly sha256Hex: string | undefined;
  readonly etag: string;
}

export type ListedParts =
  | { readonly end: "done"; readonly parts: readonly StoredPart[] }
  /** S3 knows no such upload: completed, or aborted. */
  | { readonly end: "absent" }
  | { readonly end: "unknown"; readonly detail: string };

/** Bytes and where they belong. */
export interface PutContent extends ObjectPlace {
  readonly lengthBytes: number;
  readonly sha256Hex: string;
  readonly wrappedDek: string | undefined;
  /** `Content-MD5` to be signed beside the SHA-256, where the sender gave one. */
  readonly md5Base64?: string | undefined;
}

export interface PutTarget extends PutContent {
  readonly expiresInS: number;
}

export interface GetTarget extends ObjectPlace {
  readonly expiresInS: number;
  /** The whole object without it. First and last byte, both inclusive. */
  readonly span: { readonly first: number; readonly last: number } | undefined;
  /** `Content-Disposition` that the answer will carry. */
  readonly disposition: string;
}

export type Looked =
  | {
      readonly end: "found";
      readonly lengthBytes: number;
      readonly sha256Hex: string | undefined;
      /** ISO 8601, where the store says it. */
      readonly lastModified?: string;
      /** Of an object put together from parts, instead of a SHA-256 of the whole. */
      readonly composite?: { readonly sha256Hex: string; readonly parts: number } | undefined;
    }
  | { readonly end: "absent" }
  | { readonly end: "unknown"; readonly detail: string };

export type Assembled =
  | Looked
  /** S3 does not hold these parts as announced. */
  | { readonly end: "incomplete"; readonly missing: readonly number[] };

export interface StoredEntry {
  readonly key: string;
  readonly sizeBytes: number;
  readonly lastModified: string;
}

export type Removed =
  | { readonly end: "gone" }
  /** Something is in it: the first keys, as far as they could be listed. */
  | { readonly end: "occupied"; readonly keys: readonly string[] }
  | { readonly end: "unknown"; readonly detail: string };

export interface Store {
  /**
   * Makes the bucket ours or says why it cannot be: `taken` when the name belongs to somebody else or to another wallet.
   * `intended` tells whether this wallet wrote down earlier that it would create this very name.
   */
  ensureBucket(bucket: {
    store: string;
    region: string;
    name: string;
    wallet: Wallet;
    intended: boolean;
  }): Promise<
    { readonly end: "ready" } | { readonly end: "taken" } | { readonly end: "unknown"; readonly detail: string }
  >;
  /** Removes an emptied bucket of this wallet. A bucket that is not there, or somebody else's by now, is gone. */
  removeBucket(bucket: { store: string; region: string; name: string; wallet: Wallet }): Promise<Removed>;
  /** Whether a wallet that has no bucket there yet may be sold a place; a sentence when that cannot be known now. */
  room(at: { store: string }): Promise<boolean | string>;
  /** A presigned PUT that admits exactly these bytes. Pure: no request is made. */
  signPut(target: PutTarget): Promise<{ url: string; headers: Record<string, string> }>;
  /** A presigned GET, of a span of bytes if one is named; the GET must send `headers`. Pure: no request is made. */
  signGet(target: GetTarget): Promise<{ url: string; headers: Record<string, string> }>;
  look(place: ObjectPlace): Promise<Looked>;
  /** An upload for parts at a place: one that is open there already (its beginner died before it was written down), else a new one. */
  beginParts(
    target: ObjectPlace & { readonly wrappedDek: string | undefined },
  ): Promise<
    { readonly end: "done"; readonly uploadId: string } | { readonly end: "unknown"; readonly detail: string }
  >;
  /** A presigned PUT that admits exactly this part. Pure: no request is made. */
  signPart(target: PartTarget): Promise<{ url: string; headers: Record<string, string> }>;
  listParts(upload: PartsPlace): Promise<ListedParts>;
  /** Makes the object of all its parts, unless one is there already, and looks. Idempotent; never replaces. */
  assemble(upload: PartsPlace, parts: readonly AnnouncedPart[]): Promise<Assembled>;
  abortParts(
    upload: PartsPlace,
  ): Promise<{ readonly end: "done" } | { readonly end: "unknown"; readonly detail: string }>;
  erase(place: ObjectPlace): Promise<{ readonly end: "done" } | { readonly end: "unknown"; readonly detail: string }>;
  list(page: {
    store: string;
    region: string;
    bucket: string;
    prefix: string;
    maxKeys: number;
    /** Keys behind this one; need not be one that exists. */
    startAfter: string | undefined;
  }): Promise<
    | { readonly end: "done"; readonly entries: StoredEntry[]; readonly truncated: boolean }
    | { readonly end: "refused"; readonly detail: string }
    | { readonly end: "unknown"; readonly detail: string }
  >;
}

/** For bytes that came inline; all others go by a URL past us. */
export interface BytesIn {
  /** Write-once. `done` also when something is under this key already: whether it is these bytes, a look tells. */
  put(
    content: PutContent,
    bytes: Uint8Array,
  ): Promise<{ readonly end: "done" } | { readonly end: "unknown"; readonly detail: string }>;
}

/** What the operator decided; none of it has a default in code. */
export interface Policy {
  readonly payTo: Wallet;
  readonly markupPercent: bigint;
  readonly priceMinimum: MicroUsdc;
  readonly regions: readonly string[];
  readonly defaultRegion: string;
  /** Which store serves a region that is sold. */
  readonly stores: Readonly<Record<string, string>>;
}
