/**
 * Bytes between the disk and S3, by presigned URL; one attempt each, judged. A PUT streams from a file with its exact length (a bare
 * stream would go out chunked, which S3 refuses); a GET streams to whoever reads. What to do about a failure is said by its `cure`.
 */
import { open } from "node:fs/promises";
import * as http from "node:http";
import * as https from "node:https";
import type { UploadTarget } from "#contract/upload";

/** `again`: the same request may work. `renew`: another URL may. `lost`: the upload it belongs to is gone. `never`: none will. */
export type Cure = "again" | "renew" | "lost" | "never";

export class TransferError extends Error {
  readonly cure: Cure;
  constructor(message: string, cure: Cure, cause?: unknown) {
    super(message, { cause });
    this.name = "TransferError";
    this.cure = cure;
  }
  /** The whole transfer may be tried again. */
  get retryable(): boolean {
    return this.cure !== "never";
  }
}

const IDLE_MS = 60_000;
/** Shows in S3's access log who sent the bytes. */
const USER_AGENT = "mnemospark-client";

/**
 * What an answer of S3 that is not a success asks for ("Error responses", S3 API reference). A presigned URL that has expired, or was
 * signed by a clock ahead of S3's, is 403 AccessDenied; under temporary credentials ExpiredToken.
 */
export function judge(status: number, code: string): Cure {
  if (code === "NoSuchUpload") return "lost";
  // A bucket made a moment ago is not yet known everywhere.
  if (code === "NoSuchBucket") return "again";
  if (code === "RequestTimeout" || code === "IncompleteBody") return "again";
  if (code === "OperationAborted" || code === "ConditionalRequestConflict") return "again";
  if (status >= 500 || status === 429 || status === 408) return "again";
  if (code === "SignatureDoesNotMatch" || code === "BadDigest" || code === "InvalidRequest") return "never";
  return status === 403 || status === 400 ? "renew" : "never";
}

export interface Sent {
  /** Host the bytes went to. */
  readonly host: string;
  /** S3 had an object there already (a write-once key that was written); whether it is this one, confirm says. */
  readonly already: boolean;
}

/** PUTs one target from a file, once. */
export function put(
  target: UploadTarget,
  path: string,
  { signal, onProgress }: { signal?: AbortSignal | undefined; onProgress?: ((bytes: number) => void) | undefined } = {},
): Promise<Sent> {
  const url = new URL(target.url);
  return new Promise((resolve, reject) => {
    const request = clientOf(url).request(url, {
      method: target.method,
      headers: { ...target.headers, "user-agent": USER_AGENT },
      timeout: IDLE_MS,
      ...(signal === undefined ? {} : { signal }),
    });
    let sent = 0;
    let answered = false;
    const fail = (error: unknown) => {
      request.destroy();
      if (signal?.aborted) reject(signal.reason);
      else
        reject(
          error instanceof TransferError
            ? error
            : new TransferError(`The upload to ${url.host} broke off: ${messageOf(error)}`, "again", error),
        );
    };
    request.on("timeout", () => fail(new TransferError(`${url.host} did not answer for ${IDLE_MS / 1000} s`, "again")));
    // S3 answers a refused body before it has read it and closes: the answer counts, not the broken pipe behind it.
    request.on("error", (error) => setTimeout(() => answered || fail(error), 50));
    request.on("response", (response) => {
      answered = true;
      readText(response).then((text) => {
        const status = response.statusCode ?? 0;
        // Answered before everything was sent: nothing more is.
        if (!request.writableEnded) request.destroy();
        if (status >= 200 && status < 300) resolve({ host: url.host, already: false });
        else if (status === 412) resolve({ host: url.host, already: true });
        else fail(refusal("upload", url, status, text));
      }, fail);
    });
    const body = async () => {
      for await (const piece of piecesOf(path, target.offset, target.length)) {
        if (request.destroyed || answered) return;
        // The piece is used again for the next one, so it must have left first.
        await new Promise<void>((resolve) => request.write(piece, () => resolve()));
        sent += piece.length;
        onProgress?.(sent);
      }
      request.end();
    };
    body().catch((error) => fail(new TransferError(`${path} cannot be read: ${messageOf(error)}`, "never", error)));
  });
}

const PIECE_BYTES = 256 * 1024;

/**
 * A span of a file, piece by piece in one and the same buffer: a piece is good until the next is asked for. A stream would allocate
 * each anew, and of gigabytes the garbage is what a process weighs.
 */
export async function* piecesOf(path: string, offset: number, length: number): AsyncGenerator<Uint8Array> {
  const file = await open(path, "r");
  try {
    const buffer = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, length));
    for (let done = 0; done < length; ) {
      const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, length - done), offset + done);
      if (bytesRead === 0) throw new Error("it is shorter than it was");
      done += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

function refusal(what: string, url: URL, status: number, text: string): TransferError {
  const code = codeOf(text);
  return new TransferError(`S3 (${url.host}) refused the ${what}: ${status} ${code}`.trim(), judge(status, code));
}

export interface Wanted {
  readonly url: string;
  /** What the URL was signed with. */
  readonly headers: Readonly<Record<string, string>>;
  /** First byte wanted. A URL signed for a range can fetch that range only. */
  readonly from: number;
  /**
   * The bytes before `from` are of this version; to another one they would not fit. Asked with If-Match, which S3 documents for GET
   * (412 when it differs); If-Range it does not.
   */
  readonly etag?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Source {
  readonly host: string;
  /** Length S3 announced for what follows. */
  readonly lengthBytes: number;
  readonly etag: string | undefined;
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** The bytes from `from` to the end. `lost`: S3 holds another version than that of `etag`. */
export function get({ url: text, headers, from, etag, signal }: Wanted): Promise<Source> {
  const url = new URL(text);
  const range = from > 0 && headers["range"] === undefined ? { range: `bytes=${from}-` } : {};
  const condition = etag === undefined ? {} : { "if-match": etag };
  const wanted = from > 0 || headers["range"] !== undefined ? 206 : 200;
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => {
      if (signal?.aborted) reject(signal.reason);
      else
        reject(
          error instanceof TransferError
            ? error
            : new TransferError(`The download from ${url.host} broke off: ${messageOf(error)}`, "again", error),
        );
    };
    const request = clientOf(url).get(url, {
      headers: { ...headers, ...range, ...condition, "user-agent": USER_AGENT },
      timeout: IDLE_MS,
      ...(signal === undefined ? {} : { signal }),
    });
    request.on("timeout", () => request.destroy(new Error(`no byte for ${IDLE_MS / 1000} s`)));
    request.on("error", fail);
    request.on("response", (response) => {
      const status = response.statusCode ?? 0;
      const begins = status === 206 ? firstByte(response.headers["content-range"]) : 0;
      if (status === wanted && begins === from)
        resolve({
          host: url.host,
          lengthBytes: Number(response.headers["content-length"]),
          etag: response.headers.etag,
          bytes: whole(response, url.host, signal),
        });
      else if (status === 200 || status === 206) {
        response.destroy();
        fail(new TransferError(`${url.host} offers bytes from ${begins}; wanted were those from ${from}`, "renew"));
      } else
        readText(response).then((body) => {
          const gone = status === 412 && new TransferError(`S3 (${url.host}) holds another version now`, "lost");
          fail(gone || refusal("download", url, status, body));
        }, fail);
    });
  });
}

function firstByte(contentRange: string | undefined): number {
  return Number(/^bytes (\d+)-/.exec(contentRange ?? "")?.[1] ?? Number.NaN);
}

/** A body cut short ends in an error, never in an early end. */
async function* whole(
  response: http.IncomingMessage,
  host: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  try {
    yield* response;
  } catch (error) {
    signal?.throwIfAborted();
    throw new TransferError(`The download from ${host} broke off: ${messageOf(error)}`, "again", error);
  }
}

function clientOf(url: URL): typeof http | typeof https {
  return url.protocol === "https:" ? https : http;
}

async function readText(response: http.IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of response.setEncoding("utf8")) if (text.length < 4096) text += chunk;
  return text;
}

function codeOf(xml: string): string {
  return /<Code>([^<]{1,80})<\/Code>/.exec(xml)?.[1] ?? "";
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error);
}
