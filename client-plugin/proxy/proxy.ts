/**
 * The local proxy: an HTTP agent on this machine stores a file with one request and never holds a key. Loopback or a Unix
 * socket, behind the gate; the tools of every other face under /v1/tools, and the published proxy's routes.
 */
import { chmod, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Core } from "../core.ts";
import { explain, Fault } from "../faults.ts";
import { runTool, TOOLS } from "../tools/tools.ts";
import { loadOrCreateToken, probeProxy } from "./client.ts";
import { type Gate, judgeCaller, judgeRequest, type Turned } from "./gate.ts";
import { PUBLISHED_ROUTES } from "./published.ts";

/** Inline ciphertext of the earlier client is at most 4.5 MB, 6 MB in base64. */
const BODY_BYTES_MAX = 8 * 1024 * 1024;
/** How long `close` waits for requests under way; operations are journalled and go on elsewhere. */
const DRAIN_MS = 2_000;

export interface RunningProxy {
  /** What it listens on: a port, or a socket's path. */
  readonly at: number | string;
  close(): Promise<void>;
}

export interface ProxyOptions {
  readonly core: Core;
  /** Keeps operations running after an answer. */
  readonly background?: (work: Promise<unknown>) => void;
}

/** @throws Fault `port_taken` */
export async function startProxy({ core, background }: ProxyOptions): Promise<RunningProxy> {
  const { port, socket } = core.settings.proxy;
  const gate: { token: string; port: number | undefined } = {
    token: await loadOrCreateToken(core.settings),
    port: undefined,
  };
  const server = createServer((request, response) => {
    answer(request, response, gate, core, background).catch((error: unknown) => {
      const fault = explain(error);
      send(response, statusOf(fault.code, fault.retryable), { error: fault.code, ...fault });
    });
  });
  server.headersTimeout = 10_000;
  server.requestTimeout = 60_000;
  await listen(server, core, port, socket);
  if (socket === undefined) gate.port = (server.address() as AddressInfo).port;
  else await chmod(socket, 0o600);
  return { at: socket ?? gate.port ?? port, close: () => close(server, socket) };
}

async function listen(server: Server, core: Core, port: number, socket: string | undefined): Promise<void> {
  const start = () =>
    new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      const ready = () => {
        server.off("error", reject);
        resolve();
      };
      if (socket === undefined) server.listen(port, "127.0.0.1", ready);
      else server.listen(socket, ready);
    });
  try {
    await start();
  } catch (cause) {
    if (!(cause instanceof Error && "code" in cause && cause.code === "EADDRINUSE")) throw cause;
    const who = await probeProxy(core.settings);
    if (socket !== undefined && who === "nobody") {
      // A socket file that nobody listens on was left by a process that died.
      await rm(socket, { force: true });
      return start();
    }
    throw new Fault(
      "port_taken",
      `${socket ?? `127.0.0.1:${port}`} is taken by ${who === "ours" ? "another mnemospark proxy" : "something else"}.`,
      {
        next: "Stop that, or set proxyPort (MNEMOSPARK_PROXY_PORT) to another port.",
        cause,
      },
    );
  }
}

async function close(server: Server, socket: string | undefined): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  const late = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
  server.closeIdleConnections();
  await closed.finally(() => clearTimeout(late));
  if (socket !== undefined) await rm(socket, { force: true });
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  gate: Gate,
  core: Core,
  background: ProxyOptions["background"],
): Promise<void> {
  const turned = judgeCaller(request, gate);
  if (turned) return turn(response, turned);
  const path = new URL(request.url ?? "/", "http://localhost").pathname;
  // Says that it is here, and nothing else, to whoever has no token.
  if (path === "/health" && judgeRequest(request, gate))
    return send(response, 200, { status: "ok", service: "mnemospark" });
  const refused = judgeRequest(request, gate);
  if (refused) return turn(response, refused);
  if (path === "/health") return send(response, 200, await health(core));
  if (path === "/v1/tools" && request.method === "GET") return send(response, 200, { tools: TOOLS });
  const tool = /^\/v1\/tools\/(mnemospark_[a-z]+)$/.exec(path)?.[1];
  const published = PUBLISHED_ROUTES[path];
  if (tool === undefined && published === undefined) return send(response, 404, { error: "Not found" });
  if (request.method !== "POST") return send(response, 405, { error: "method_not_allowed", message: "Use POST." });
  const body = await readJson(request);
  if (tool !== undefined) {
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    const result = await runTool(tool, body, { core, background, signal: gone.signal });
    if (result.ok) return send(response, 200, result.data);
    return send(response, statusOf(result.error.code, result.error.retryable), {
      error: result.error.code,
      ...result.error,
    });
  }
  send(response, 200, await published?.(await core.session(), body, core));
}

async function health(core: Core): Promise<object> {
  const wallet = await core.findWallet().catch(() => undefined);
  const balance = await core.balance().catch(() => undefined);
  return {
    status: "ok",
    service: "mnemospark",
    wallet: wallet?.address ?? null,
    backendConfigured: true,
    network: core.settings.network.caip2,
    ...(balance === undefined
      ? { balanceError: "cannot be read now" }
      : { balanceMicroUsdc: balance.microUsdc.toString() }),
  };
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > BODY_BYTES_MAX) throw new Fault("body_too_large", `A body may have ${BODY_BYTES_MAX} bytes.`);
    pieces.push(piece);
  }
  try {
    return bytes === 0 ? {} : JSON.parse(Buffer.concat(pieces).toString("utf8"));
  } catch {
    throw new Fault("bad_arguments", "The body is not JSON.");
  }
}

function statusOf(code: string, retryable: boolean): number {
  if (/not_found|missing$/.test(code)) return 404;
  if (code === "above_cap" || code.startsWith("payment_") || code === "insufficient_balance") return 402;
  if (code === "path_refused" || code === "wallet_proof_invalid") return 403;
  if (code === "body_too_large") return 413;
  if (code === "unreachable") return 502;
  return retryable ? 503 : 400;
}

function turn(response: ServerResponse, { status, code, message }: Turned): void {
  send(response, status, { error: code, code, message });
}

function send(response: ServerResponse, status: number, body: unknown): void {
  if (response.headersSent) return void response.end();
  response.writeHead(status, {
    "content-type": "application/json",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    // What was refused may not have been read to its end; nothing else comes over this connection.
    ...(status >= 400 ? { connection: "close" } : {}),
  });
  response.end(JSON.stringify(body));
}
