/** Bytes from S3 straight into the page, by presigned URL. A connection that breaks is taken up where it was, while the URL lives. */
import { Unopened } from "./sealed/fault.ts";

const TRIES_MAX = 4;
const PAUSE_MS = 700;

/** @throws Unopened, as the stream's error too; nothing may be kept of a stream that errs. */
export function fetchStored(
  url: string,
  sizeBytes: number,
  signal: AbortSignal,
  onProgress: (bytes: number) => void,
): ReadableStream<Uint8Array> {
  let at = 0;
  let tries = 0;
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      for (;;) {
        try {
          reader ??= await open(url, at, sizeBytes, signal);
          const { done, value } = await reader.read();
          if (done && at === sizeBytes) return controller.close();
          if (done) throw new TypeError("the connection ended early");
          at += value.byteLength;
          if (at > sizeBytes) throw new Unopened("S3 sent more bytes than were stored. Nothing was released.");
          tries = 0;
          onProgress(at);
          return controller.enqueue(value);
        } catch (cause) {
          reader = undefined;
          if (signal.aborted) return controller.error(new Unopened("Stopped."));
          if (cause instanceof Unopened) return controller.error(cause);
          tries += 1;
          if (tries >= TRIES_MAX)
            return controller.error(new Unopened("The connection to S3 broke and stayed broken.", { cause }));
          await new Promise((resolve) => setTimeout(resolve, PAUSE_MS * tries));
        }
      }
    },
    cancel: (reason) => reader?.cancel(reason),
  });
}

async function open(
  url: string,
  at: number,
  sizeBytes: number,
  signal: AbortSignal,
): Promise<ReadableStreamDefaultReader<Uint8Array>> {
  const response = await fetch(url, {
    signal,
    credentials: "omit",
    cache: "no-store",
    redirect: "error",
    referrerPolicy: "no-referrer",
    ...(at === 0 ? {} : { headers: { range: `bytes=${at}-` } }),
  });
  if (response.status >= 500) throw new TypeError(`S3 answered ${response.status}`);
  if (response.status === 403) throw new Unopened("The download’s URL has expired, or S3 refused it. Try again.");
  if (response.status === 404) throw new Unopened("The bytes are not in S3 any more.");
  if (!response.ok || !response.body || (at > 0 && response.status !== 206))
    throw new Unopened(`S3 answered ${response.status}.`);
  const length = Number(response.headers.get("content-length") ?? Number.NaN);
  if (Number.isFinite(length) && length !== sizeBytes - at)
    throw new Unopened(`S3 holds ${at + length} bytes; ${sizeBytes} were stored. Nothing was released.`);
  return response.body.getReader();
}
