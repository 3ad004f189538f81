/**
 * A stand-in for AWS Secrets Manager, which cannot be had here: its JSON 1.1 protocol, its signature check, one operation.
 *
 * It says which secret was read, never what it is.
 */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { takePort } from "../ports.ts";
import { getSecretValue, type Vault } from "./get-secret-value.ts";
import { type Refusal, refuseSignature } from "./signature.ts";

export interface SecretsManagerOptions {
  /** 0 picks a free one. */
  readonly port: number;
  /** Secret strings by name. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly region?: string;
  readonly accountId?: string;
  readonly log?: (line: string) => void;
}

export interface SecretsManager {
  readonly url: string;
  stop(): Promise<void>;
}

const MAX_BODY_BYTES = 65_536;
const TARGET = "secretsmanager.GetSecretValue";

export async function startSecretsManager(options: SecretsManagerOptions): Promise<SecretsManager> {
  const { credentials, secrets, region = "us-east-1", accountId = "000000000001", log = () => {} } = options;
  const port = await takePort("secrets", options.port);
  const vault: Vault = { region, accountId, secrets, createdAtMs: Date.now() };

  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const body = await bodyOf(request);
    if (body === undefined) return refuse(response, { code: "ValidationException", message: "The body is too large." });
    const signed = { method: request.method ?? "", path: request.url ?? "", headers: flat(request), body };
    const expected = { ...credentials, region, service: "secretsmanager", nowMs: Date.now() };
    const refusal = refuseCall(signed) ?? refuseSignature(signed, expected);
    if (refusal !== undefined) {
      log(`refused: ${refusal.code}`);
      return refuse(response, refusal);
    }
    const result = getSecretValue(body, vault);
    if ("refusal" in result) {
      log(`refused: ${result.refusal.code}`);
      return refuse(response, result.refusal);
    }
    log(`GetSecretValue ${result.value.Name}`);
    reply(response, 200, result.value);
  };

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      log(`failed: ${error instanceof Error ? error.name : "unknown"}`);
      if (!response.headersSent)
        reply(response, 500, { __type: "InternalServiceError", Message: "An error occurred." });
      else response.destroy();
    });
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${port}`,
    stop: async () => {
      if (!server.listening) return;
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** Where the call goes and what it asks for, before anybody looks at who asks. */
function refuseCall(call: { method: string; path: string; headers: Record<string, string | undefined> }) {
  const target = call.headers["x-amz-target"];
  if (call.method === "POST" && call.path === "/" && target === TARGET) return undefined;
  return { code: "UnknownOperationException", message: `This stand-in knows POST / with X-Amz-Target: ${TARGET}.` };
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

function refuse(response: ServerResponse, { code, message }: Refusal): void {
  reply(response, 400, { __type: code, Message: message, message });
}

function reply(response: ServerResponse, status: number, value: object): void {
  const body = JSON.stringify(value);
  response.writeHead(status, {
    "content-type": "application/x-amz-json-1.1",
    "content-length": Buffer.byteLength(body),
    "x-amzn-requestid": randomUUID(),
    ...("__type" in value ? { "x-amzn-errortype": String(value.__type) } : {}),
  });
  response.end(body);
}
