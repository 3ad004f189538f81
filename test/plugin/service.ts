/** A service at the socket that says what a test wants it to say, and remembers what it was asked. */
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { base64ToJson, jsonToBase64 } from "#contract/base64";
import { networkOf } from "#contract/x402";

export const PAYEE = `0x${"47".repeat(20)}`;
export const network = networkOf(84_532);

export interface Asked {
  readonly path: string;
  readonly body: Record<string, unknown>;
  /** The authorization of the payment that came along. */
  readonly nonce: string | undefined;
  readonly idempotencyKey: string | undefined;
}

/** What differs from an honest service. */
export interface Lies {
  payTo?: string;
  health?: Record<string, unknown>;
  quoted?: string;
  asked?: Record<string, unknown>;
  /** Answers before anything else does. */
  answer?: (asked: Asked) => Said | Promise<Said>;
}

type Said = { status: number; body: object; headers?: Record<string, string> } | "hang up" | undefined;

export interface Service {
  readonly url: string;
  readonly asked: Asked[];
  readonly lies: Lies;
  /** The 402 it answers to whoever did not pay. */
  unpaid(): { status: number; body: object; headers: Record<string, string> };
  close(): Promise<void>;
}

export function problem(status: number, code: string, retryable = false) {
  const text = { type: "about:blank", title: code, detail: code, instance: "/", error: code, message: code };
  return { status, body: { ...text, status, code, retryable, next_action: "-", request_id: "r" } };
}

export async function startService(): Promise<Service> {
  if (!network) throw new Error("invariant: Base Sepolia is served");
  const asked: Asked[] = [];
  const lies: Lies = {};
  const requirements = () => ({
    scheme: "exact",
    network: network.caip2,
    asset: network.usdc,
    payTo: lies.payTo ?? PAYEE,
    amount: lies.quoted ?? "10000",
    maxTimeoutSeconds: 120,
    extra: { name: "USDC", version: "2" },
    ...lies.asked,
  });
  const unpaid = () => {
    const required = { x402Version: 2, resource: { url: "http://x/" }, accepts: [requirements()] };
    return { ...problem(402, "payment_required"), headers: { "payment-required": jsonToBase64(required) } };
  };
  const reply = (call: Asked) => {
    if (call.path === "/healthz") return { status: 200, body: health(lies) };
    if (call.path === "/price-storage") return { status: 200, body: price(call.body, lies) };
    if (call.path === "/storage/upload" && call.nonce === undefined) return unpaid();
    return problem(503, "storage_unavailable", true);
  };
  const server = createServer(async (request, response) => {
    const call = await read(request);
    asked.push(call);
    const said = (await lies.answer?.(call)) ?? reply(call);
    if (said === "hang up") return void request.socket.destroy();
    const headers = "headers" in said ? said.headers : {};
    response.writeHead(said.status, { "content-type": "application/json", "retry-after": "0", ...headers });
    response.end(JSON.stringify(said.body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    lies,
    unpaid,
    close: () => new Promise((resolve) => server.close(() => resolve()) && server.closeAllConnections()),
  };
}

async function read(request: IncomingMessage): Promise<Asked> {
  let text = "";
  for await (const piece of request) text += piece;
  const header = request.headers["payment-signature"];
  const payment = typeof header === "string" ? (base64ToJson(header) as Record<string, unknown>) : undefined;
  const payload = payment?.["payload"] as { authorization?: { nonce?: string } } | undefined;
  return {
    path: request.url ?? "",
    body: text === "" ? {} : (JSON.parse(text) as Record<string, unknown>),
    nonce: payload?.authorization?.nonce,
    idempotencyKey: request.headers["idempotency-key"] as string | undefined,
  };
}

function health(lies: Lies) {
  return {
    ok: true,
    chain_id: 84_532,
    network: network?.caip2,
    asset: network?.usdc,
    pay_to: lies.payTo ?? PAYEE,
    regions: ["us-east-1"],
    rate_card: "test",
    ...lies.health,
  };
}

function price(body: Record<string, unknown>, lies: Lies) {
  const amount = lies.quoted ?? "10000";
  return {
    timestamp: "",
    quote_id: `quote_${"0".repeat(40)}_${"1".repeat(32)}`,
    storage_price: 0.01,
    addr: "",
    object_id: body["object_id"],
    object_id_hash: "",
    object_size_gb: 0,
    provider: "aws",
    location: "us-east-1",
    object_key: body["object_key"],
    agent_id: body["agent_id"] ?? "main",
    amount,
    size_bytes_max: body["size_bytes"],
    parts: { storage: "0", requests: "0", egress: "0", markup: "0", minimum_applied: true, total: amount },
    included: { days: 30, downloads: 3, lists: 200 },
    rate_card: "test",
    expires_at: new Date(Date.now() + 3_600_000).toISOString(),
  };
}
