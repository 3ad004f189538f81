/**
 * What AWS's JSON services share on the wire, for the stand-ins of those that cannot be had here: one POST, the operation in a header,
 * a checked signature, errors by name. Each service says what it does; one server may carry several, told apart by their targets.
 */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type Refusal, refuseSignature } from "./signature.ts";

export interface JsonService {
  /** What stands before the operation in `X-Amz-Target`. */
  readonly target: string;
  /** The service's name in signatures. */
  readonly signedAs: string;
  readonly version: "1.0" | "1.1";
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly region: string;
  /** Operations by name. They get the body as it came. */
  readonly operations: Readonly<Record<string, (body: Buffer) => Result | Promise<Result>>>;
}

/** `log` is put into the log after the operation's name. */
export type Result = { readonly value: object; readonly log?: string } | { readonly refusal: Refusal };

/** A request as it came, before anybody judged it. */
export interface Heard {
  readonly method: string;
  readonly path: string;
  readonly target: string;
  readonly contentType: string;
  readonly body: string;
}

export interface JsonServer {
  readonly url: string;
  stop(): Promise<void>;
}

const MAX_BODY_BYTES = 65_536;

export async function startJsonServer(options: {
  readonly port: number;
  readonly services: readonly JsonService[];
  readonly log?: (line: string) => void;
  readonly overhear?: ((heard: Heard) => void) | undefined;
}): Promise<JsonServer> {
  const { services, log = () => {}, overhear = () => {} } = options;

  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const body = await bodyOf(request);
    const headers = flat(request);
    const named = headers["x-amz-target"] ?? "";
    const [target = "", operation = ""] = named.split(".", 2);
    const { method = "", url: path = "" } = request;
    overhear({ method, path, target: named, contentType: headers["content-type"] ?? "", body: String(body ?? "") });
    const service = services.find((each) => each.target === target);
    const refuse = (refusal: Refusal) => {
      log(`refused: ${refusal.code}`);
      reply(response, refusal.status ?? 400, service?.version ?? "1.1", errorBody(refusal));
    };
    if (body === undefined) return refuse({ code: "ValidationException", message: "The body is too large." });
    const perform = service && Object.hasOwn(service.operations, operation) ? service.operations[operation] : undefined;
    if (method !== "POST" || path !== "/" || !service || !perform)
      return refuse({ code: "UnknownOperationException", message: `This stand-in knows ${known(services)}.` });
    const signed = { method, path, headers, body };
    const { credentials, region, signedAs } = service;
    const refusal = refuseSignature(signed, { ...credentials, region, service: signedAs, nowMs: Date.now() });
    if (refusal !== undefined) return refuse(refusal);
    const result = await perform(body);
    if ("refusal" in result) return refuse(result.refusal);
    log([operation, result.log ?? ""].join(" ").trim());
    reply(response, 200, service.version, result.value);
  };

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      log(`failed: ${error instanceof Error ? error.name : "unknown"}`);
      if (response.headersSent) response.destroy();
      else
        reply(
          response,
          500,
          "1.1",
          errorBody({ code: "InternalServiceError", message: "An error occurred on the server side." }),
        );
    });
  });
  server.listen(options.port, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a TCP server has an address with a port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    stop: async () => {
      if (!server.listening) return;
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

function known(services: readonly JsonService[]): string {
  const targets = services.flatMap(({ target, operations }) =>
    Object.keys(operations).map((each) => `${target}.${each}`),
  );
  return `POST / with X-Amz-Target: ${targets.join(", ")}`;
}

async function bodyOf(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size <= MAX_BODY_BYTES) chunks.push(bytes);
  }
  return size <= MAX_BODY_BYTES ? Buffer.concat(chunks) : undefined;
}

function flat(request: IncomingMessage): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(request.headersDistinct).map(([name, values]) => [name, values?.join(",")]));
}

function errorBody({ code, message, more }: Refusal): object {
  return { __type: code, Message: message, message, ...more };
}

function reply(response: ServerResponse, status: number, version: string, value: object): void {
  const body = JSON.stringify(value);
  response.writeHead(status, {
    "content-type": `application/x-amz-json-${version}`,
    "content-length": Buffer.byteLength(body),
    "x-amzn-requestid": randomUUID(),
    ...("__type" in value ? { "x-amzn-errortype": String(value.__type) } : {}),
  });
  response.end(body);
}
