/**
 * Bytes between the disk and S3, by presigned URL. A PUT streams from a file with its exact length (a bare stream would go out
 * chunked, which S3 refuses); a GET streams to whoever reads, and says how S3 answered when it was not 200.
 */
import { createReadStream } from "node:fs";
import * as http from "node:http";
import * as https from "node:https";
import type { UploadTarget } from "#contract/upload";

export class TransferError extends Error {
  /** The same transfer may be tried again as it is. */
  readonly retryable: boolean;
  constructor(message: string, retryable: boolean, cause?: unknown) {
    super(message, { cause });
    this.name = "TransferError";
    this.retryable = retryable;
  }
}

const IDLE_MS = 60_000;
const ATTEMPTS = 3;
/** Shows in S3's access log who sent the bytes. */
const USER_AGENT = "mnemospark-client";

export interface Sent {
  /** Host the bytes went to. */
  readonly host: string;
  /** S3 had these bytes already (a write-once key that was written). */
  readonly already: boolean;
}

/** PUTs one target from a file. Tries again what is safe to try again: the key is write-once, the bytes are signed. */
export async function putFile(target: UploadTarget, path: string, onProgress?: (bytes: number) => void): Promise<Sent> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await putOnce(target, path, onProgress);
    } catch (error) {
      if (attempt >= ATTEMPTS || !(error instanceof TransferError && error.retryable)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 500 * 2 ** attempt));
    }
  }
}

function putOnce(target: UploadTarget, path: string, onProgress?: (bytes: number) => void): Promise<Sent> {
  const url = new URL(target.url);
  return new Promise((resolve, reject) => {
    const request = clientOf(url).request(url, {
      method: target.method,
      headers: { ...target.headers, "user-agent": USER_AGENT },
      timeout: IDLE_MS,
    });
    const file = createReadStream(path, {
      start: target.offset,
      end: target.offset + target.length - 1,
      highWaterMark: 1 << 20,
    });
    let sent = 0;
    const fail = (error: unknown) => {
      file.destroy();
      request.destroy();
      reject(
        error instanceof TransferError
          ? error
          : new TransferError(`The upload to ${url.host} broke off: ${messageOf(error)}`, true, error),
      );
    };
    file.on("error", (error) => fail(new TransferError(`${path} cannot be read: ${error.message}`, false, error)));
    file.on("data", (chunk) => {
      sent += chunk.length;
      onProgress?.(sent);
    });
    request.on("timeout", () => fail(new TransferError(`${url.host} did not answer for ${IDLE_MS / 1000} s`, true)));
    request.on("error", fail);
    request.on("response", (response) => {
      readText(response).then((text) => {
        const status = response.statusCode ?? 0;
        if (status >= 200 && status < 300) resolve({ host: url.host, already: false });
        else if (status === 412) resolve({ host: url.host, already: true });
        else
          fail(
            new TransferError(
              `S3 (${url.host}) refused the upload: ${status} ${codeOf(text)}`,
              // A bucket made a moment ago is not yet known everywhere.
              status >= 500 || status === 429 || codeOf(text) === "NoSuchBucket",
            ),
          );
      }, fail);
    });
    file.pipe(request);
  });
}

export interface Source {
  readonly host: string;
  /** Length S3 announced. */
  readonly lengthBytes: number;
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** The bytes from `from` to the end. S3 answers a range with 206; a server that ignores it would give other bytes, so it is refused. */
export function getStream(downloadUrl: string, from = 0): Promise<Source> {
  const url = new URL(downloadUrl);
  const range = from === 0 ? {} : { range: `bytes=${from}-` };
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) =>
      reject(
        error instanceof TransferError
          ? error
          : new TransferError(`The download from ${url.host} broke off: ${messageOf(error)}`, true, error),
      );
    const request = clientOf(url).get(url, { headers: { ...range, "user-agent": USER_AGENT }, timeout: IDLE_MS });
    request.on("timeout", () => request.destroy(new Error(`no byte for ${IDLE_MS / 1000} s`)));
    request.on("error", fail);
    request.on("response", (response) => {
      if (response.statusCode === (from === 0 ? 200 : 206))
        resolve({
          host: url.host,
          lengthBytes: Number(response.headers["content-length"]),
          bytes: whole(response, url.host),
        });
      else
        readText(response).then(
          (text) =>
            fail(
              new TransferError(`S3 (${url.host}) refused the download: ${response.statusCode} ${codeOf(text)}`, false),
            ),
          fail,
        );
    });
  });
}

/** A body cut short ends in an error, never in an early end. */
async function* whole(response: http.IncomingMessage, host: string): AsyncGenerator<Uint8Array> {
  try {
    yield* response;
  } catch (error) {
    throw new TransferError(`The download from ${host} broke off: ${messageOf(error)}`, true, error);
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
