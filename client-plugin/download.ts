/**
 * Brings an object's sealed bytes into a partial file and goes on where it stopped: after a cut connection by the same URL, after a
 * crash by the state its caller kept, after the URL's death by a new one that is signed for the rest only (and debits no more).
 * An ETag ties the pieces together; what the whole must be (`sha256`) is for whoever opens it to check.
 */
import { open, rm, stat } from "node:fs/promises";
import type { DownloadReply } from "#contract/objects";
import { bear, type Patience } from "./patience.ts";
import { get, TransferError } from "./transfer.ts";

/** To be kept by the caller, and handed in again to go on. The URL is a secret for as long as it lives. */
export interface DownloadState {
  readonly url: string;
  /** Milliseconds since 1970. */
  readonly urlExpiresMs: number;
  readonly headers: Readonly<Record<string, string>>;
  /** First byte the URL can fetch; 0: any part of the object. */
  readonly from: number;
  readonly etag: string | null;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly wrappedDek: string | null;
  readonly paidThrough: string;
  readonly downloadsLeft: number;
}

export interface DownloadJob extends Patience {
  /** The file the bytes are added to. What it holds must be of `state`'s content. */
  readonly partial: string;
  readonly state?: DownloadState | undefined;
  /** Asks the service for a URL, of the whole or of `bytes=<first>-`. Throws what should end the download. */
  readonly ask: (range: string | undefined) => Promise<DownloadReply>;
  /** Told before the first byte that relies on it is written. */
  readonly onState: (state: DownloadState) => void | Promise<void>;
  readonly onProgress?: ((bytes: number, total: number) => unknown) | undefined;
}

/** A URL that dies within this is dead: the request must arrive before it does. */
const MARGIN_MS = 5_000;

/** All bytes are in `partial` when this returns. */
export async function download(asked: DownloadJob): Promise<DownloadState> {
  let state = asked.state;
  const job: DownloadJob = {
    ...asked,
    onState: (next) => {
      // Also where the step that told it fails afterwards.
      state = next;
      return asked.onState(next);
    },
  };
  let failures = 0;
  for (;;) {
    const have = await sizeOf(job.partial);
    if (state !== undefined && have === state.sizeBytes) return state;
    try {
      if (state === undefined || have > state.sizeBytes || !serves(state, have))
        state = await renewed(job, state, have);
      else state = await fetchRest(job, state, have);
    } catch (error) {
      // Each byte of progress renews the patience: a line that breaks every minute is slow, not dead.
      if ((await sizeOf(job.partial)) > have) failures = 0;
      if (error instanceof TransferError && error.cure === "renew" && state) state = { ...state, urlExpiresMs: 0 };
      if (error instanceof TransferError && error.cure === "lost") state = await startOver(job);
      else await bear(job, failures, error);
      failures += 1;
    }
  }
}

/** A URL for what is missing; of another content than before the bytes at hand are worth nothing. */
async function renewed(
  job: DownloadJob,
  before: DownloadState | undefined,
  have: number,
): Promise<DownloadState | undefined> {
  if (before !== undefined && have > before.sizeBytes) return startOver(job);
  const missing = before !== undefined && have > 0 ? `bytes=${have}-` : undefined;
  if (before === undefined && have > 0) await rm(job.partial, { force: true });
  const reply = await job.ask(missing);
  const same = before?.sha256 === reply.content_sha256 && before.sizeBytes === reply.size_bytes;
  if (before !== undefined && !same) {
    job.onNotice?.("the object was replaced meanwhile");
    return startOver(job);
  }
  const state = { ...stateOf(reply), etag: before?.etag ?? null };
  await job.onState(state);
  return state;
}

async function startOver(job: DownloadJob): Promise<undefined> {
  job.onNotice?.("starting over from the first byte");
  await rm(job.partial, { force: true });
  return undefined;
}

async function fetchRest(job: DownloadJob, state: DownloadState, have: number): Promise<DownloadState> {
  if (have > 0) job.onNotice?.(`going on from byte ${have} of ${state.sizeBytes}`);
  const source = await get({ ...state, from: have, etag: state.etag ?? undefined, signal: job.signal });
  if (source.lengthBytes !== state.sizeBytes - have)
    throw new TransferError(
      `S3 offers ${source.lengthBytes} bytes from ${have} on; the object has ${state.sizeBytes}`,
      "never",
    );
  let known = state;
  if (source.etag !== undefined && source.etag !== state.etag) {
    known = { ...state, etag: source.etag };
    await job.onState(known);
  }
  await append(job, known.sizeBytes, have, source.bytes);
  return known;
}

/** A URL signed for a range fetches exactly that range. */
function serves({ urlExpiresMs, from }: DownloadState, have: number): boolean {
  return urlExpiresMs > Date.now() + MARGIN_MS && (from === 0 || from === have);
}

function stateOf(reply: DownloadReply): Omit<DownloadState, "etag"> {
  return {
    url: reply.download_url,
    urlExpiresMs: Date.now() + reply.expires_in_seconds * 1000,
    headers: reply.download_headers,
    from: reply.range?.first ?? 0,
    sizeBytes: reply.size_bytes,
    sha256: reply.content_sha256,
    wrappedDek: reply.wrapped_dek ?? null,
    paidThrough: reply.paid_through,
    downloadsLeft: reply.downloads_left,
  };
}

async function append(job: DownloadJob, total: number, from: number, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  const handle = await open(job.partial, from === 0 ? "w" : "a", 0o600);
  let done = from;
  job.onProgress?.(done, total);
  try {
    for await (const piece of bytes) {
      job.signal?.throwIfAborted();
      await handle.writeFile(piece);
      done += piece.length;
      job.onProgress?.(done, total);
    }
  } finally {
    await handle.close();
  }
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0;
}
