/**
 * What the client does, whole: store a file or folder, get it back, list, delete. Order matters: the object is sealed before a
 * price is asked, so the length and the hash that are paid for are the ones that will be sent.
 */

import { randomBytes } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { ConfirmReply, DownloadReply, PriceReply, UploadReply } from "#contract/api";
import { sha256Hex } from "#contract/bytes";
import { parseMicroUsdc } from "#contract/money";
import type { Api } from "./api.ts";
import { type ArchivePlan, packArchive, planArchive } from "./archive/pack.ts";
import { type Unpacked, unpackArchive } from "./archive/unpack.ts";
import { type SealedFile, sealToFile } from "./envelope/files.ts";
import type { SealContext } from "./envelope/kek.ts";
import { open } from "./envelope/open.ts";
import { type KeyPlace, kekLookup, loadOrCreateKek } from "./keys.ts";
import { getStream, putFile, TransferError } from "./transfer.ts";

export type Step = "seal" | "price" | "pay" | "upload" | "confirm" | "download" | "open";

export interface Client {
  readonly api: Api;
  /** The client's directory, `~/.openclaw/mnemospark` unless told otherwise. */
  readonly home: string;
  readonly chainId: number;
  /** Told when a step begins and, on long ones, how far it is: bytes done of bytes in all. */
  readonly onStep?: (step: Step, done: number, total: number) => void;
}

export interface Stored {
  readonly archive: ArchivePlan;
  readonly sealed: SealedFile;
  readonly price: PriceReply;
  readonly upload: UploadReply;
  readonly confirmed: ConfirmReply;
  /** Host the bytes went to. */
  readonly host: string;
}

export interface StoreOptions {
  /** File or folder. */
  readonly path: string;
  readonly objectKey: string;
  readonly agentId: string;
  readonly region: string;
  /** Asked with the quote in hand, before anything is paid; false stops. */
  readonly accept?: (price: PriceReply) => Promise<boolean> | boolean;
}

export async function store(client: Client, options: StoreOptions): Promise<Stored> {
  const { api } = client;
  const temporary = await makeTemporary(client.home);
  try {
    const archive = await planArchive(options.path);
    const sealed = await sealArchive(client, options, archive, join(temporary, "object.age"));
    client.onStep?.("price", 0, 0);
    const price = await api.price({
      object_id: options.objectKey,
      object_id_hash: sealed.plainSha256Hex,
      object_key: options.objectKey,
      agent_id: options.agentId,
      size_bytes: sealed.sealedBytes,
      region: options.region,
    });
    const amountMax = parseMicroUsdc(price.amount);
    if (amountMax === undefined) throw new Error(`The quoted amount ${price.amount} is no amount.`);
    if (options.accept && !(await options.accept(price)))
      throw new Error("The price was not accepted; nothing was paid.");
    client.onStep?.("pay", 0, 0);
    const upload = await api.upload(
      {
        quote_id: price.quote_id,
        object_key: options.objectKey,
        agent_id: options.agentId,
        content_length_bytes: sealed.sealedBytes,
        content_sha256: sealed.sha256Hex,
        wrapped_dek: sealed.wrappedDek,
      },
      // One key per purchase, the same on every retry: this content under this quote.
      { held: { amountMax }, idempotencyKey: sha256Hex(`${price.quote_id}|${sealed.sha256Hex}`) },
    );
    const host = await send(client, upload, sealed);
    client.onStep?.("confirm", 0, 0);
    const confirmed = await api.confirm({ order_id: upload.order_id, plan: upload.plan.plan });
    if (confirmed.content_sha256 !== sealed.sha256Hex || confirmed.size_bytes !== sealed.sealedBytes)
      throw new Error("The service confirmed other bytes than were sent.");
    return { archive, sealed, price, upload, confirmed, host };
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function sealArchive(
  client: Client,
  options: StoreOptions,
  archive: ArchivePlan,
  path: string,
): Promise<SealedFile> {
  const total = archive.archiveBytes;
  client.onStep?.("seal", 0, total);
  const { kek } = await loadOrCreateKek(keyPlace(client));
  return sealToFile({
    source: packArchive(archive),
    kek,
    context: contextOf(client, options.agentId, options.objectKey),
    onProgress: (done) => client.onStep?.("seal", done, total),
    path,
  });
}

async function send(client: Client, upload: UploadReply, sealed: SealedFile): Promise<string> {
  const total = sealed.sealedBytes;
  client.onStep?.("upload", 0, total);
  let host = "";
  for (const target of upload.plan.targets) {
    const sent = await putFile(target, sealed.path, (bytes) => client.onStep?.("upload", target.offset + bytes, total));
    host = sent.host;
  }
  return host;
}

export interface Restored {
  readonly download: DownloadReply;
  readonly host: string;
  readonly unpacked: Unpacked;
}

export interface RestoreOptions {
  readonly objectKey: string;
  readonly agentId: string;
  /** Must not exist, or be empty. It appears complete or not at all. */
  readonly destination: string;
}

/** More than this in one archive is a bomb, not a backup. */
const ENTRIES_MAX = 5_000_000;

export async function restore(client: Client, options: RestoreOptions): Promise<Restored> {
  client.onStep?.("download", 0, 0);
  const download = await client.api.download({ object_key: options.objectKey, agent_id: options.agentId });
  const source = await getStream(download.download_url);
  if (source.lengthBytes !== download.size_bytes)
    throw new TransferError(`S3 holds ${source.lengthBytes} bytes; ${download.size_bytes} were stored.`, false);
  const plain = open({
    source: source.bytes,
    kekFor: kekLookup(keyPlace(client)),
    context: contextOf(client, options.agentId, options.objectKey),
    onProgress: (done) => client.onStep?.("open", done, download.size_bytes),
  });
  const unpacked = await unpackArchive({
    source: plain,
    destination: options.destination,
    maxEntries: ENTRIES_MAX,
    // A tar is never larger than what was sealed.
    maxBytes: download.size_bytes,
    // The owner's own backup: one link to a system path (a venv has them) must not hold the rest hostage; it is reported.
    outwardLinks: "leave-out",
  });
  return { download, host: source.host, unpacked };
}

function keyPlace(client: Client): KeyPlace {
  return { dir: client.home, wallet: client.api.wallet };
}

/** Binds a sealed object to its name: taken from one name it opens under no other. */
function contextOf(client: Client, agentId: string, objectKey: string): SealContext {
  return { chainId: client.chainId, wallet: client.api.wallet, objectId: `${agentId}/${objectKey}`, version: 1 };
}

async function makeTemporary(home: string): Promise<string> {
  const path = join(home, "tmp", randomBytes(8).toString("hex"));
  await mkdir(path, { recursive: true, mode: 0o700 });
  return path;
}
