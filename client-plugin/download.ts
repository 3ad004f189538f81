/**
 * Brings an object's sealed bytes into a partial file, window by window (windows.ts), and goes on where it stopped: after a cut
 * connection, after a crash by the state its caller kept, after the URL's death. URLs live a minute; what one was debited for may
 * be asked for again under the same download id. An ETag ties the pieces together; what the whole must be (`sha256`) is for
 * whoever opens it to check.
 */
import { open, rm, stat } from "node:fs/promises";
import type { DownloadReply } from "#contract/objects";
import { bear, type Patience } from "./patience.ts";
import { get, TransferError } from "./transfer.ts";
import { type Debited, debitedNow, nextWindow, type Window } from "./windows.ts";

/** To be kept by the caller, and handed in again to go on. The URL is a secret for as long as it lives. */
export interface DownloadState {
  readonly url: string;
  /** Milliseconds since 1970. */
  readonly urlExpiresMs: number;
  readonly headers: Readonly<Record<string, string>>;
  /** The bytes the URL fetches, all or none. */
  readonly window: Window;
  readonly debited: Debited;
  readonly etag: string | null;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly wrappedDek: string | null;
  readonly paidThrough: string;
  readonly downloadsLeft: number;
  /** Of the allowance and of a pack, after this URL. */
  readonly bytesLeft: number;
}

export interface DownloadJob extends Patience {
  /** The file the bytes are added to. What it holds must be of `state`'s content. */
  readonly partial: string;
  readonly state?: DownloadState | undefined;
  /** Asks the service for a URL of `bytes=<first>-<last>`, always under the same download id. Throws what should end the download. */
  readonly ask: (range: string) => Promise<DownloadReply>;
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
      else {
        state = await fetchWindow(job, state);
        failures = 0;
      }
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

/** A URL for the next window; of another content than before the bytes at hand are worth nothing. */
async function renewed(
  job: DownloadJob,
  before: DownloadState | undefined,
  have: number,
): Promise<DownloadState | undefined> {
  if (before !== undefined && have > before.sizeBytes) return startOver(job);
  if (before === undefined && have > 0) await rm(job.partial, { force: true });
  const wanted = nextWindow(before === undefined ? 0 : have, before, Date.now());
  const reply = await job.ask(`bytes=${wanted.first}-${wanted.last}`);
  const same = before?.sha256 === reply.content_sha256 && before.sizeBytes === reply.size_bytes;
  if (before !== undefined && !same) {
    job.onNotice?.("the object was replaced meanwhile");
    return startOver(job);
  }
  const state = stateOf(reply, before);
  if (state.window.first !== wanted.first)
    throw new TransferError(`The service offers bytes from ${state.window.first}, not from ${wanted.first}`, "never");
  await job.onState(state);
  return state;
}

async function startOver(job: DownloadJob): Promise<undefined> {
  job.onNotice?.("starting over from the first byte");
  await rm(job.partial, { force: true });
  return undefined;
}

async function fetchWindow(job: DownloadJob, state: DownloadState): Promise<DownloadState> {
  const { window, sizeBytes, debited } = state;
  if (window.first > debited.first) job.onNotice?.(`going on from byte ${window.first} of ${sizeBytes}`);
  const source = await get({ ...state, from: window.first, etag: state.etag ?? undefined, signal: job.signal });
  const wanted = window.last - window.first + 1;
  if (source.lengthBytes !== wanted)
    throw new TransferError(
      `S3 offers ${source.lengthBytes} bytes from ${window.first} on; the object has ${wanted} to ${window.last}`,
      "never",
    );
  let known = state;
  if (source.etag !== undefined && source.etag !== state.etag) {
    known = { ...state, etag: source.etag };
    await job.onState(known);
  }
  await append(job, known, source.bytes);
  return known;
}

/** A URL signed for a range fetches exactly that range. */
function serves({ urlExpiresMs, window }: DownloadState, have: number): boolean {
  return urlExpiresMs > Date.now() + MARGIN_MS && window.first === have;
}

function stateOf(reply: DownloadReply, before: DownloadState | undefined): DownloadState {
  const nowMs = Date.now();
  const window = reply.range ?? { first: 0, last: reply.size_bytes - 1 };
  return {
    url: reply.download_url,
    urlExpiresMs: nowMs + reply.expires_in_seconds * 1000,
    headers: reply.download_headers,
    window,
    debited: debitedNow(window, before?.debited, nowMs),
    etag: before?.etag ?? null,
    sizeBytes: reply.size_bytes,
    sha256: reply.content_sha256,
    wrappedDek: reply.wrapped_dek ?? null,
    paidThrough: reply.paid_through,
    downloadsLeft: reply.downloads_left,
    bytesLeft: reply.download_bytes_left + (reply.pack_bytes_left ?? 0),
  };
}

async function append(job: DownloadJob, state: DownloadState, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  const from = state.window.first;
  const total = state.sizeBytes;
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
