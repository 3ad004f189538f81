/**
 * Getting back what was stored, as steps that survive: the sealed bytes into a private file, resumed where it stops; then opened
 * into a directory of the operation's own beside the destination; then one rename. Under the final name there is the whole
 * verified content or nothing. What the service says is compared with what this machine wrote down when it stored.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { DOWNLOAD_URL_TTL_CLIENT_S } from "#contract/limits";
import type { DownloadReply } from "#contract/objects";
import { ApiError, type Send } from "../api.ts";
import { unpackArchive } from "../archive/unpack.ts";
import { type DownloadState, download } from "../download.ts";
import { openLegacyToFile } from "../envelope/legacy.ts";
import { open as openSealed, recover } from "../envelope/open.ts";
import { Fault } from "../faults.ts";
import type { Session } from "../session.ts";
import { type Operation, purchaseOf } from "../state/operations.ts";
import { judgeOffer, judgeOpened, learnOpened } from "../versions.ts";
import { looksLegacy } from "./legacy.ts";
import { type Destination, type Landing, landedBefore, place, prepare, stagingOf } from "./place.ts";
import { refuseFull } from "./room.ts";
import { type Running, TakenOver } from "./runner.ts";
import { workDirectory } from "./store.ts";

export interface FetchFacts extends Destination {
  /** Another content than this machine stored is taken all the same: another machine of the owner's replaced it. */
  readonly acceptChanged: boolean;
  /** Micro-USDC: pay up to this for a download beyond what the paid period includes. */
  readonly maxAmount?: string | null;
  /** A download beyond the paid period was bought for this one. */
  readonly bought?: boolean;
  /** Where the sealed bytes come from; to go on with after a crash. */
  readonly source?: DownloadState | null;
  readonly landing?: Landing<Opened> | null;
}

export interface Fetched {
  readonly operationId: string;
  readonly objectKey: string;
  readonly agentId: string;
  readonly path: string;
  readonly kind: "file" | "directory";
  readonly sealedBytes: number;
  readonly sha256: string;
  readonly format: "age" | "legacy";
  readonly files: number;
  readonly contentBytes: number;
  readonly downloadsLeft: number;
  readonly paidThrough: string;
  readonly leftOut: readonly string[];
}

export interface FetchWork {
  readonly session: Session;
  readonly operation: Operation;
  readonly running: Running;
  /** `AGE-SECRET-KEY-1…`: opens by the recovery kit alone. Never written down. */
  readonly identity?: string | undefined;
}

/** More than this in one archive is a bomb, not a backup. */
const ENTRIES_MAX = 5_000_000;

export async function runFetch(work: FetchWork): Promise<{ result: Fetched }> {
  const { session, operation } = work;
  const { objectKey, agentId, id: operationId } = operation;
  const facts = operation.facts as unknown as FetchFacts;
  const staging = stagingOf(operation);
  if (staging === undefined) throw new Error("invariant: what is fetched has a destination");
  try {
    const before = await landedBefore(facts.landing);
    const done =
      before && facts.source ? { source: facts.source, landed: before } : await bringAndOpen(work, facts, staging);
    const { sizeBytes, sha256, downloadsLeft, paidThrough } = done.source;
    const { path, kind, more } = done.landed;
    session.log.object("fetched", { object: objectKey, agent: agentId, bytes: sizeBytes });
    const named = { operationId, objectKey, agentId, path, kind };
    return { result: { ...named, ...more, sealedBytes: sizeBytes, sha256, downloadsLeft, paidThrough } };
  } finally {
    // Nothing of the plaintext stays behind; the sealed part does, for the next attempt.
    if (!(work.running.signal.reason instanceof TakenOver))
      await rm(staging, { recursive: true, force: true }).catch(() => undefined);
  }
}

async function bringAndOpen(work: FetchWork, facts: FetchFacts, staging: string) {
  await prepare(facts, staging);
  const partial = join(workDirectory(work.session, work.operation.id), "object.part");
  const source = await bring(work, facts, partial);
  return { source, landed: await openAndLand(work, facts, source, partial, staging) };
}

/** The sealed bytes, all of them, in `partial`. */
async function bring({ session, operation, running }: FetchWork, facts: FetchFacts, partial: string) {
  await mkdir(dirname(partial), { recursive: true, mode: 0o700 });
  const { objectKey, agentId } = operation;
  const asked = { object_key: objectKey, agent_id: agentId, expires_in_seconds: DOWNLOAD_URL_TTL_CLIENT_S };
  // The operation's name is the download's: after a kill the same is asked for, and what was debited is not debited again.
  const named = { ...asked, download_id: operation.id };
  const buyer = buyerOf(session, operation, facts, running);
  running.begin("download");
  return download({
    partial,
    // A state without a window is of an earlier version of this client.
    state: facts.source?.window === undefined ? undefined : facts.source,
    ask: async (range) => {
      const reply = await buyer.ask((held) =>
        session.api.download({ ...named, range }, { signal: running.signal, ...held }),
      );
      if (!facts.acceptChanged) await judgeOffer(session, operation, reply);
      buyer.refuseTooLittle(reply);
      await refuseFull(dirname(partial), reply.size_bytes - (reply.range?.first ?? 0), "The download");
      return reply;
    },
    onState: (source) => running.begin("download", { source }),
    onProgress: (done, total) => running.progress("download", done, total),
    onNotice: (text) => session.log.activity("download.notice", { object: objectKey, agent: agentId, notice: text }),
    signal: running.signal,
  });
}

/**
 * Beyond the allowance the service sells another download; it is bought only where somebody agreed to pay for it, and once: a yes is
 * for one, however many URLs the download takes.
 */
function buyerOf(session: Session, operation: Operation, facts: FetchFacts, running: Running) {
  const purchase = purchaseOf(operation);
  let maxAmount = facts.bought ? undefined : facts.maxAmount;
  const used = (message: string) =>
    new Fault("allowance_used", message, {
      next: "The downloads of this paid period are used up. Agree to a price for one more (max:DOLLARS, max_amount), or wait for the next period.",
    });
  return {
    async ask(send: (held: Send) => Promise<DownloadReply>): Promise<DownloadReply> {
      if (maxAmount) await session.meet();
      try {
        const reply = await send(
          maxAmount ? { held: { amountMax: BigInt(maxAmount), purchase, consumable: true } } : {},
        );
        if (session.spending.live(purchase) === undefined) return reply;
        session.paid(purchase, "");
        running.begin("download", { bought: true });
        maxAmount = undefined;
        return reply;
      } catch (error) {
        if (!(error instanceof ApiError && error.problem.code === "payment_required")) throw error;
        throw used(`${error.problem.title}: ${error.problem.detail}`);
      }
    },

    /** Half an object is none: what is left must be enough for the rest of it, or somebody has agreed to buy. */
    refuseTooLittle({ size_bytes, range, download_bytes_left, pack_bytes_left = 0 }: DownloadReply): void {
      const rest = size_bytes - 1 - (range?.last ?? size_bytes - 1);
      const left = download_bytes_left + pack_bytes_left;
      if (rest > left && !maxAmount)
        throw used(`${rest} bytes of the object are still to come, and only ${left} are left of this paid period.`);
    },
  };
}

/** What was in it. */
type Opened = Pick<Fetched, "format" | "files" | "contentBytes" | "leftOut">;

async function openAndLand(
  work: FetchWork,
  facts: FetchFacts,
  source: DownloadState,
  partial: string,
  staging: string,
): Promise<Omit<Landing<Opened>, "inode">> {
  const { session, operation, running } = work;
  running.begin("open");
  // What is in it is never larger than what was sealed.
  await refuseFull(staging, source.sizeBytes, "Opening it");
  const sealed = verified(partial, source, running);
  const known = session.catalogue.known(operation.agentId, operation.objectKey) !== undefined;
  if (!known && (await looksLegacy(partial))) {
    const path = join(staging, operation.objectKey);
    const keks = await session.keys.all();
    await openLegacyToFile({ source: sealed, wrappedDek: source.wrappedDek ?? undefined, keks, destination: path });
    const bytes = (await stat(path)).size;
    return place(facts, path, running, { format: "legacy", files: 1, contentBytes: bytes, leftOut: [] });
  }
  let version: number | undefined;
  const unpacked = await unpackArchive({
    source: opened(work, source, sealed, (found) => {
      if (!facts.acceptChanged) judgeOpened(session, operation, source.sha256, found);
      version = found;
    }),
    destination: join(staging, "tree"),
    maxEntries: ENTRIES_MAX,
    // A tar is never larger than what was sealed.
    maxBytes: source.sizeBytes,
    // The owner's own backup: one link to a system path (a venv has them) must not hold the rest hostage; it is reported.
    outwardLinks: "leave-out",
  });
  const [root, ...more] = unpacked.roots;
  if (root === undefined || more.length > 0)
    throw new Fault("bad_archive", `The archive holds ${unpacked.roots.length} top-level entries; ours hold one.`);
  // Whole and verified: what this machine knows of the name from now on.
  if (version !== undefined) learnOpened(session, operation, source, version);
  const leftOut = unpacked.leftOut.map(({ path, target }) => `${path} -> ${target}`);
  const { files, bytes: contentBytes } = unpacked;
  return place(facts, join(unpacked.destination, root), running, { format: "age", files, contentBytes, leftOut });
}

/** Opened by the wallet's keys; or, where the owner gave his recovery identity, by that. Told the version before anything is released. */
function opened(
  { session, operation, running, identity }: FetchWork,
  from: DownloadState,
  source: AsyncIterable<Uint8Array>,
  onVersion: (version: number) => void,
) {
  const onProgress = (done: number) => running.progress("open", done, from.sizeBytes);
  if (identity !== undefined) return recover({ source, identity, onProgress });
  const context = session.context(operation.agentId, operation.objectKey);
  const wrappedDek = from.wrappedDek ?? undefined;
  const kekFor = session.keys.lookup;
  return openSealed({
    source,
    kekFor,
    context,
    wrappedDek,
    onUnlocked: ({ version }) => onVersion(version),
    onProgress,
  });
}

/** The sealed bytes from the disk; an error instead of an end when they are not the bytes that were stored. */
async function* verified(partial: string, source: DownloadState, running: Running): AsyncGenerator<Uint8Array> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(partial, { highWaterMark: 1 << 18 }) as AsyncIterable<Buffer>) {
    running.signal.throwIfAborted();
    hash.update(piece);
    yield piece;
  }
  if (hash.digest("hex") === source.sha256) return;
  await rm(partial, { force: true });
  throw new Fault("bytes_differ", "What came is not what was stored; it was thrown away.", {
    retryable: true,
    next: "The same call downloads it again.",
  });
}
