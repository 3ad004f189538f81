/** The few moves on byte streams that both runtimes lack or spell differently. */

/** One read of a byte stream; workerd would otherwise hand out 4 KiB at a time, fifty thousand of them for 200 MiB. */
const READ_BYTES = 128 * 1024;

/** Async iteration by reader: ReadableStream's own iterator is typed differently in each runtime. */
export async function* chunksOf(stream: ReadableStream<Uint8Array> | null): AsyncGenerator<Uint8Array> {
  if (stream === null) return;
  const { read, release } = readerOf(stream);
  let done = false;
  try {
    for (;;) {
      const next = await read();
      done = next.done;
      if (next.value !== undefined && next.value.length > 0) yield next.value;
      if (done) return;
    }
  } finally {
    release(done);
  }
}

interface Read {
  readonly done: boolean;
  readonly value?: Uint8Array | undefined;
}

function readerOf(stream: ReadableStream<Uint8Array>): { read: () => Promise<Read>; release: (done: boolean) => void } {
  const bytes = byteReader(stream);
  if (bytes !== undefined) return { read: () => bytes.read(new Uint8Array(READ_BYTES)), release: releaser(bytes) };
  const chunks = stream.getReader();
  return { read: () => chunks.read(), release: releaser(chunks) };
}

function releaser(reader: { cancel(): Promise<void>; releaseLock(): void }): (done: boolean) => void {
  return (done) => {
    // Not awaited: whoever feeds the stream may never answer.
    if (!done) reader.cancel().catch(() => undefined);
    reader.releaseLock();
  };
}

/** Undefined for a stream that does not lend itself to reading into a buffer. */
function byteReader(stream: ReadableStream<Uint8Array>) {
  try {
    return stream.getReader({ mode: "byob" });
  } catch {
    return undefined;
  }
}

/** A pull-driven stream: the source is asked for the next chunk only when the consumer wants it, so memory stays flat. */
export function streamOf(source: AsyncGenerator<Uint8Array>): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const next = await source.next();
      if (next.done) controller.close();
      else controller.enqueue(next.value);
    },
    cancel() {
      // Not awaited: the source may be waiting for a client that sends nothing more.
      source.return(undefined).catch(() => undefined);
    },
  });
}

export function concat(chunks: readonly Uint8Array[]): Uint8Array {
  let size = 0;
  for (const chunk of chunks) size += chunk.length;
  const whole = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
