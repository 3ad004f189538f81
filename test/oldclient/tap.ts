/** Between the old client and the edge: what was said on the wire, word for word, and a fault where a test wants one. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly asked: Readonly<Record<string, unknown>>;
  readonly status: number;
  readonly answered: Readonly<Record<string, unknown>>;
  readonly answerHeaders: Headers;
}

/** Runs before a request goes on; `lost`: the edge does its work and nobody hears of it. */
export type Fault = () => Promise<"lost" | undefined>;

export interface Tap {
  readonly url: string;
  /** Oldest first. */
  readonly said: Exchange[];
  /** Of one path. */
  of(path: string): Exchange[];
  /** For the next requests of a path, one each. */
  faults(path: string, ...faults: readonly Fault[]): void;
  stop(): Promise<void>;
}

export const lost: Fault = async () => "lost";
export const none: Fault = async () => undefined;

export async function startTap(edge: string): Promise<Tap> {
  const said: Exchange[] = [];
  const planned = new Map<string, Fault[]>();
  const pass = async (request: IncomingMessage, response: ServerResponse) => {
    const path = request.url ?? "/";
    const body = Buffer.concat(await request.toArray());
    const headers = Object.fromEntries(
      Object.entries(request.headers).flatMap(([name, value]) => (typeof value === "string" ? [[name, value]] : [])),
    );
    const fault = await planned.get(path)?.shift()?.();
    const method = request.method ?? "";
    // What belongs to one connection is this connection's.
    const { host: _, connection: __, "content-length": ___, "transfer-encoding": ____, ...forwarded } = headers;
    const answer = await fetch(edge + path, { method, headers: forwarded, ...(body.length === 0 ? {} : { body }) });
    const text = await answer.text();
    said.push({
      ...{ method, path, headers, asked: objectOf(body.toString()) },
      ...{ status: answer.status, answered: objectOf(text), answerHeaders: answer.headers },
    });
    if (fault === "lost") {
      request.socket.destroy();
      return;
    }
    const {
      "content-encoding": ____1,
      "content-length": ____2,
      "transfer-encoding": ____3,
      ...kept
    } = Object.fromEntries(answer.headers);
    response.writeHead(answer.status, kept).end(text);
  };
  const server = createServer((request, response) => {
    pass(request, response).catch(() => request.socket.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    said,
    of: (path) => said.filter((exchange) => exchange.path === path),
    faults: (path, ...faults) => void planned.set(path, [...faults]),
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

function objectOf(text: string): Record<string, unknown> {
  try {
    return { ...(JSON.parse(text) as object) };
  } catch {
    return { text };
  }
}
