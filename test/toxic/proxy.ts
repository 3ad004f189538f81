/**
 * A poor line: an HTTP proxy that passes on what it is sent, Host and all, except where a test says otherwise. Faults are where they
 * are in life, in the bytes: cut, late, answered by somebody else, or not at all.
 */
import { request as ask, type ClientRequest, createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

export type Fault =
  /** S3's own words for "not so fast", before the body is read. */
  | { readonly kind: "slow-down" }
  | { readonly kind: "error"; readonly status: number; readonly code: string }
  /** The line breaks after so many bytes of the request's body, which went through. */
  | { readonly kind: "cut-request"; readonly afterBytes: number }
  /** It arrives, and the answer is lost. */
  | { readonly kind: "lose-answer" }
  /** The line breaks after so many bytes of the answer's body. */
  | { readonly kind: "cut-answer"; readonly afterBytes: number }
  /** Nobody listens: the connection is reset. */
  | { readonly kind: "down" }
  /** Each piece of the body comes so much later. */
  | { readonly kind: "slow"; readonly pauseMs: number };

export interface Passed {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly fault: Fault | undefined;
}

export interface ToxicProxy {
  readonly origin: string;
  /** Every request that came, in order. */
  readonly passed: readonly Passed[];
  /** Asked for each request; undefined lets it pass. */
  judge: (request: IncomingMessage, count: number) => Fault | undefined;
  /** Resolves when nothing is under way. */
  quiet(): Promise<void>;
  close(): Promise<void>;
}

export async function startToxicProxy(upstream: () => string): Promise<ToxicProxy> {
  const passed: Passed[] = [];
  let underWay = 0;
  const server = createServer((incoming, outgoing) => {
    const fault = proxy.judge(incoming, passed.length);
    passed.push({ method: incoming.method ?? "", url: incoming.url ?? "", headers: incoming.headers, fault });
    underWay += 1;
    serve(upstream(), incoming, outgoing, fault)
      .catch(() => incoming.socket.destroy())
      .finally(() => {
        underWay -= 1;
      });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const proxy: ToxicProxy = {
    origin: `http://127.0.0.1:${port}`,
    passed,
    judge: () => undefined,
    quiet: async () => {
      while (underWay > 0) await sleep(5);
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return proxy;
}

async function serve(
  upstream: string,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  fault: Fault | undefined,
): Promise<void> {
  if (fault?.kind === "down") incoming.socket.destroy();
  else if (fault?.kind === "slow-down") await refuse(incoming, outgoing, 503, "SlowDown");
  else if (fault?.kind === "error") await refuse(incoming, outgoing, fault.status, fault.code);
  else await pass(upstream, incoming, outgoing, fault);
}

/** Read to its end first: a server that answers and hangs up on a large body is another fault than this one. */
async function refuse(incoming: IncomingMessage, outgoing: ServerResponse, status: number, code: string) {
  incoming.resume();
  await new Promise((resolve) => incoming.once("end", resolve));
  outgoing.writeHead(status, { "content-type": "application/xml" });
  outgoing.end(`<?xml version="1.0"?><Error><Code>${code}</Code></Error>`);
}

async function pass(upstream: string, incoming: IncomingMessage, outgoing: ServerResponse, fault: Fault | undefined) {
  const { hostname, port } = new URL(upstream);
  const onward = ask({
    hostname,
    port,
    method: incoming.method,
    path: incoming.url,
    headers: incoming.headers,
    agent: false,
  });
  const answer = new Promise<IncomingMessage>((resolve, reject) => {
    onward.on("response", resolve);
    onward.on("error", reject);
  });
  answer.catch(() => undefined);
  // A server may answer before it has read everything, and then reads no more.
  const early = answer.then(() => "answered" as const);
  try {
    if ((await Promise.race([early, passBody(incoming, onward, fault)])) === "cut") {
      incoming.socket.destroy();
      return;
    }
    const answered = await answer;
    if (fault?.kind === "lose-answer") incoming.socket.destroy();
    else await passAnswer(answered, outgoing, fault);
    incoming.resume();
  } finally {
    onward.destroy();
  }
}

async function passBody(incoming: IncomingMessage, onward: ClientRequest, fault: Fault | undefined) {
  let sent = 0;
  for await (const chunk of incoming.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    if (fault?.kind === "slow") await sleep(fault.pauseMs);
    if (fault?.kind === "cut-request" && sent + chunk.length > fault.afterBytes) {
      onward.write(chunk.subarray(0, fault.afterBytes - sent));
      return "cut" as const;
    }
    sent += chunk.length;
    if (onward.destroyed) break;
    if (!onward.write(chunk)) await drained(onward);
  }
  onward.end();
  return "sent" as const;
}

async function passAnswer(answered: IncomingMessage, outgoing: ServerResponse, fault: Fault | undefined) {
  outgoing.writeHead(answered.statusCode ?? 500, answered.headers);
  let received = 0;
  for await (const chunk of answered as AsyncIterable<Buffer>) {
    if (fault?.kind === "slow") await sleep(fault.pauseMs);
    if (fault?.kind === "cut-answer" && received + chunk.length > fault.afterBytes) {
      const part = chunk.subarray(0, fault.afterBytes - received);
      await new Promise<void>((resolve) => outgoing.write(part, () => resolve()));
      outgoing.socket?.destroy();
      return;
    }
    received += chunk.length;
    if (!outgoing.write(chunk)) await drained(outgoing);
  }
  outgoing.end();
}

/** Or gone. */
function drained(stream: ClientRequest | ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      for (const event of ["drain", "close", "error"]) stream.off(event, done);
      resolve();
    };
    for (const event of ["drain", "close", "error"]) stream.on(event, done);
  });
}
