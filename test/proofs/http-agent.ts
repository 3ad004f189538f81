/**
 * An HTTP agent beside the built `mnemospark proxy`: it has the address and the token, no key and no code of ours, and stores and
 * fetches with one request each, over TCP and over a Unix socket; and an old caller of the published proxy's routes.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import * as http from "node:http";
import { join } from "node:path";
import { CLI, type Machine } from "./machine.ts";

interface Reply {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: what a stranger reads out of JSON
  readonly body: any;
}

interface Proxy {
  readonly child: ChildProcess;
  readonly at: string;
  /** With the token, where no headers are given. */
  post(path: string, body: object, headers?: Record<string, string>, signal?: AbortSignal): Promise<Reply>;
  end(signal: NodeJS.Signals): Promise<void>;
}

export async function startProxyProgram(machine: Machine, where: Record<string, string>): Promise<Proxy> {
  const child = spawn(process.execPath, [CLI, "proxy", "--json"], { env: { ...machine.environment, ...where } });
  let out = "";
  let errors = "";
  child.stderr.on("data", (piece) => (errors += piece));
  for await (const piece of child.stdout) {
    out += piece;
    if (out.includes("\n")) break;
  }
  if (!out.includes("\n")) throw new Error(`the proxy did not start: ${errors}`);
  const { at, token: tokenFile } = (JSON.parse(out) as { proxy: { at: string; token: string } }).proxy;
  const token = (await readFile(tokenFile, "utf8")).trim();
  const target = at.startsWith("http:") ? { host: "127.0.0.1", port: new URL(at).port } : { socketPath: at };
  const own = { authorization: `Bearer ${token}` };
  const post = (path: string, body: object, headers: Record<string, string> = own, signal?: AbortSignal) =>
    new Promise<Reply>((resolve, reject) => {
      const sent = { "content-type": "application/json", ...headers };
      const asked = { ...target, method: "POST", path, headers: sent, agent: false, signal };
      const request = http.request(asked, (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (piece: string) => (text += piece));
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) }));
      });
      request.on("error", reject);
      request.end(JSON.stringify(body));
    });
  const closed = once(child, "close");
  return {
    child,
    at,
    post,
    async end(signal) {
      child.kill(signal);
      await closed;
    },
  };
}

/** One request stores, one fetches; a third party without the token does neither. @returns what it stored */
export async function storeAndFetch(machine: Machine, proxy: Proxy, name: string): Promise<Buffer> {
  const room = await mkdtemp(join(machine.room, "agent-"));
  const path = join(room, "notes.bin");
  const content = randomBytes(300_000);
  await writeFile(path, content);
  assert.equal((await proxy.post("/v1/tools/mnemospark_store", { path, name }, {})).status, 401);
  const before = await machine.payments();
  const stored = await proxy.post("/v1/tools/mnemospark_store", { path, name });
  assert.equal(stored.status, 200, JSON.stringify(stored.body));
  assert.equal(stored.body.object.state, "stored");
  assert.equal((await machine.payments()) - before, 1);
  const destination = join(room, "back.bin");
  const fetched = await proxy.post("/v1/tools/mnemospark_fetch", { name, destination });
  assert.equal(fetched.status, 200, JSON.stringify(fetched.body));
  assert.ok(content.equals(await readFile(destination)));
  assert.doesNotMatch(
    JSON.stringify([stored.body, fetched.body]),
    new RegExp(machine.environment["MNEMOSPARK_WALLET_KEY"] ?? ""),
  );
  return content;
}

/** Killed in the middle of a store, and started again: it goes on by itself, nobody asks it to. */
export async function killedProxy(machine: Machine, where: Record<string, string>): Promise<void> {
  const path = join(machine.room, "killed.bin");
  await writeFile(path, randomBytes(2_000_000));
  const first = await startProxyProgram(machine, where);
  const before = await machine.payments();
  const asked = first.post("/v1/tools/mnemospark_store", { path, name: "killed.bin" }).catch(() => undefined);
  while ((await machine.payments()) === before) await new Promise((resolve) => setTimeout(resolve, 50));
  await first.end("SIGKILL");
  await asked;
  const second = await startProxyProgram(machine, where);
  await untilStored(second, "killed.bin");
  assert.equal((await machine.payments()) - before, 1);
  // And a caller that hangs up ends its waiting, not the work.
  const hangUp = new AbortController();
  const waiting = second.post("/v1/tools/mnemospark_store", { path, name: "left.bin" }, undefined, hangUp.signal);
  const gone = waiting.then(
    () => "answered",
    () => "gone",
  );
  while ((await machine.payments()) === before + 1) await new Promise((resolve) => setTimeout(resolve, 20));
  hangUp.abort();
  await gone;
  await untilStored(second, "left.bin");
  assert.equal((await machine.payments()) - before, 2);
  await second.end("SIGTERM");
}

async function untilStored(proxy: Proxy, name: string): Promise<void> {
  for (;;) {
    const { body } = await proxy.post("/v1/tools/mnemospark_list", { prefix: name });
    if (body.objects?.[0]?.state === "stored") return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** The published proxy's routes, in the order its client calls them, with bytes that caller sealed itself. */
export async function oldCaller(machine: Machine, proxy: Proxy, stored: { name: string; content: Buffer }) {
  const { body: health } = await proxy.post("/v1/tools/mnemospark_status", {});
  const wallet_address = health.wallet.address;
  const bytes = randomBytes(50_000);
  const content_sha256 = createHash("sha256").update(bytes).digest("hex");
  const named = { wallet_address, object_id: "old-1", object_id_hash: content_sha256 };
  const ask = { ...named, gb: bytes.length / 1e9, provider: "aws", region: "us-east-1" };
  assert.equal((await proxy.post("/mnemospark/price-storage", ask, {})).status, 401);
  const price = await proxy.post("/mnemospark/price-storage", ask);
  assert.equal(price.status, 200, JSON.stringify(price.body));
  const { quote_id } = price.body;
  const payload = {
    mode: "inline",
    content_base64: bytes.toString("base64"),
    content_sha256,
    content_length_bytes: bytes.length,
    wrapped_dek: randomBytes(60).toString("base64"),
  };
  const before = await machine.payments();
  // Looked at before it is paid for.
  const other = { ...payload, content_sha256: "0".repeat(64) };
  const refused = await proxy.post("/mnemospark/upload", { ...named, quote_id, payload: other });
  assert.deepEqual([refused.status, refused.body.code], [400, "content_mismatch"]);
  assert.equal(await machine.payments(), before);
  const settled = await proxy.post("/mnemospark/payment/settle", { wallet_address, quote_id });
  assert.equal(settled.status, 200, JSON.stringify(settled.body));
  const uploaded = await proxy.post("/mnemospark/upload", { ...named, quote_id, payload });
  assert.equal(uploaded.status, 200, JSON.stringify(uploaded.body));
  assert.equal((await proxy.post("/mnemospark/upload/confirm", { wallet_address, quote_id })).status, 200);
  assert.equal((await machine.payments()) - before, 1);
  const look = await proxy.post("/mnemospark/storage/ls", { wallet_address, object_key: "old-1" });
  assert.equal(look.body.size_bytes, bytes.length);
  const link = await proxy.post("/mnemospark/storage/ls-web/session", { wallet_address });
  assert.equal(link.status, 200);
  const object_key = stored.name;
  const download = await proxy.post("/mnemospark/storage/download", { wallet_address, object_key });
  assert.equal(download.status, 200, JSON.stringify(download.body));
  assert.ok(stored.content.equals(await readFile(download.body.file_path)));
  const gone = await proxy.post("/mnemospark/storage/delete", { wallet_address, object_key });
  assert.deepEqual([gone.status, gone.body.success], [200, true]);
}
