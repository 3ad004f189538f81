/** The dialect over the memory store behind node:http: what a test starts in a few milliseconds. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { S3Door } from "../../worker/s3-door/door.ts";
import { handleS3 } from "../../worker/s3-door/handle.ts";
import { memoryStore } from "../../worker/s3-door/memory-store.ts";
import { accounts, hostSuffix, regions, type Subject } from "./subject.ts";

/** What stands between the wire and the server: it may answer itself, change what passes, or only look. */
export type Between = (request: Request, server: (request: Request) => Promise<Response>) => Promise<Response>;

export async function startNodeServer(overrides: Partial<S3Door> = {}, between?: Between): Promise<Subject> {
  const entries: unknown[] = [];
  const door: S3Door = {
    store: memoryStore(),
    credentials: (id) => accounts.find(({ accessKeyId }) => accessKeyId === id),
    regions,
    hostSuffix,
    now: Date.now,
    log: (entry) => entries.push(entry),
    ...overrides,
  };
  const serve = (request: Request) => handleS3(request, door);
  const handle = between === undefined ? serve : (request: Request) => between(request, serve);
  const server = createServer((incoming, outgoing) => void answer(handle, incoming, outgoing));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    log: () => entries,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function answer(
  handle: (request: Request) => Promise<Response>,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  try {
    const response = await handle(toRequest(incoming));
    outgoing.writeHead(response.status, Object.fromEntries(response.headers));
    if (response.body === null) outgoing.end();
    else await pipeline(Readable.fromWeb(response.body as never), outgoing);
    incoming.resume();
  } catch {
    outgoing.destroy();
  }
}

function toRequest(incoming: IncomingMessage): Request {
  const headers = new Headers();
  for (let at = 0; at + 1 < incoming.rawHeaders.length; at += 2) {
    headers.append(incoming.rawHeaders[at] ?? "", incoming.rawHeaders[at + 1] ?? "");
  }
  const method = incoming.method ?? "GET";
  const hasBody =
    incoming.headers["content-length"] !== undefined || incoming.headers["transfer-encoding"] !== undefined;
  const url = `http://${incoming.headers.host ?? "localhost"}${incoming.url ?? "/"}`;
  if (!hasBody || method === "GET" || method === "HEAD") return new Request(url, { method, headers });
  const body = bodyOf(incoming);
  return new Request(url, { method, headers, body, duplex: "half" });
}

/** By hand: Readable.toWeb throws when bytes still arrive after the handler has let go of the stream. */
function bodyOf(incoming: IncomingMessage): ReadableStream<Uint8Array> {
  const chunks = incoming.iterator({ destroyOnReturn: false });
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const next = await chunks.next();
      if (next.done) controller.close();
      else controller.enqueue(new Uint8Array(next.value));
    },
    cancel() {
      // Not awaited: a chunk that is still being waited for would hold it up for ever.
      void chunks.return?.();
      incoming.resume();
    },
  });
}
