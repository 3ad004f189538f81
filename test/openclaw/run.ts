/**
 * `npm run test:openclaw`: the packed plugin in a real OpenClaw gateway, against the whole local stack, with money that moves.
 * Install, slash commands, agent tools through a scripted model, approvals, hot reload, restart, uninstall. Exit 0 only when all
 * of it held; where it cannot run it says so loudly, and that nothing was proven.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildPackage, PACKAGE } from "../../client-plugin/build.ts";
import { startStack } from "../stack/stack.ts";
import { freePort, Gateway } from "./gateway.ts";
import { openclawDirectory } from "./install.ts";
import { type Model, startModel } from "./model.ts";

const found = openclawDirectory();
if ("reason" in found) {
  console.error(`\n*** test:openclaw did NOT run; the plugin is not proven here: ${found.reason} ***\n`);
  process.exit(0);
}

const room = await mkdtemp(join(tmpdir(), "openclaw-test-"));
const undo: (() => Promise<unknown>)[] = [() => rm(room, { recursive: true, force: true, maxRetries: 5 })];
let gateway: Gateway | undefined;

async function step(title: string, work: () => Promise<void>): Promise<void> {
  const startedAtMs = Date.now();
  await work();
  console.log(`ok  ${((Date.now() - startedAtMs) / 1000).toFixed(1).padStart(6)} s  ${title}`);
}

async function main(directory: string): Promise<void> {
  const stack = await startStack({
    stateDirectory: join(room, "stack"),
    ports: { edge: 0, s3: 0, chain: 0, secrets: 0 },
  });
  undo.push(() => stack.stop());
  const model = await startModel();
  undo.push(() => model.close());
  const proxyPort = await freePort();
  const plugin = {
    baseUrl: stack.urls.edge,
    rpcUrl: stack.urls.chain,
    network: "base-sepolia",
    proxyPort,
    capPerCall: "0.50",
  };
  gateway = await Gateway.create({ openclaw: directory, home: join(room, "home"), plugin, modelPort: model.port });
  const { workspace } = gateway;
  const host = gateway;
  undo.push(() => host.stop("SIGKILL"));
  let address: `0x${string}` = "0x";
  const balance = () => stack.chain.usdcBalance(address);
  const original = randomBytes(300_000);
  await writeFile(join(workspace, "memory.bin"), original);

  await step("the packed tarball installs, offline", async () => {
    await buildPackage();
    const packed = execFileSync("npm", ["pack", "--silent", "--pack-destination", room, PACKAGE], { encoding: "utf8" });
    const ran = await host.cli([
      "plugins",
      "install",
      `npm-pack:${join(room, packed.trim())}`,
      "--force",
      "--accept-capabilities",
    ]);
    assert.equal(ran.code, 0, `${ran.out}\n${ran.err}`);
  });

  await step("what it registers is what its manifest says", async () => {
    const ran = await host.cli(["plugins", "inspect", "mnemospark", "--runtime", "--json"]);
    assert.equal(ran.code, 0, ran.err);
    const manifest = JSON.parse(await readFile(join(PACKAGE, "openclaw.plugin.json"), "utf8"));
    for (const name of [...manifest.contracts.tools, "wallet", "cloud"])
      assert.ok(ran.out.includes(`"${name}"`), `no ${name} in\n${ran.out}`);
  });

  await step("the gateway starts with it, and the proxy answers only to its token", async () => {
    await host.start();
    const url = `http://127.0.0.1:${proxyPort}`;
    assert.deepEqual(await (await fetch(`${url}/health`)).json(), { status: "ok", service: "mnemospark" });
    const post = (headers: Record<string, string>) =>
      fetch(`${url}/v1/tools/mnemospark_status`, { method: "POST", headers, body: "{}" }).then(
        (response) => response.status,
      );
    const json = { "content-type": "application/json" };
    const token = (await readFile(join(host.state, "mnemospark", "proxy.token"), "utf8")).trim();
    assert.equal(await post(json), 401);
    assert.equal(await post({ ...json, authorization: `Bearer ${token}`, origin: "https://evil.example" }), 403);
    assert.equal(await post({ authorization: `Bearer ${token}`, "content-type": "text/plain" }), 415);
    assert.equal(await post({ ...json, authorization: `Bearer ${token}` }), 404);
  });

  await step("/wallet create, and a dollar on it", async () => {
    assert.match(await host.chat("/wallet"), /No mnemospark wallet found/);
    address = /0x[0-9a-fA-F]{40}/.exec(await host.chat("/wallet create"))?.[0] as `0x${string}`;
    await stack.chain.fund(address, 1_000_000n);
    assert.match(await host.chat("/mnemospark wallet"), /\$1\.00 USDC/);
    const mode = (await stat(join(host.state, "mnemospark", "key", "wallet.key"))).mode & 0o777;
    assert.equal(mode, 0o600);
    const key = (await readFile(join(host.state, "mnemospark", "key", "wallet.key"), "utf8")).trim();
    assert.ok(!(await grep(host.state, key.slice(2), ["wallet.key"])), "the private key is written elsewhere");
  });

  await step("/cloud upload, ls, download: the money moves once, the bytes come back", async () => {
    const before = await balance();
    const stored = await host.chat(`/cloud upload "${join(workspace, "memory.bin")}" name:by-hand`);
    assert.match(stored, /has been stored using `aws`/);
    const paid = before - (await balance());
    assert.ok(paid > 0n);
    const { objects } = JSON.parse(await host.chat("/cloud ls --json")) as {
      objects: { key: string; amount: string }[];
    };
    assert.deepEqual(
      objects.map(({ key, amount }) => ({ key, amount })),
      [{ key: "by-hand", amount: paid.toString() }],
    );
    assert.match(await host.chat(`/cloud download name=by-hand to=${join(workspace, "back.bin")}`), /downloaded to/);
    assert.deepEqual(await readFile(join(workspace, "back.bin")), original);
    assert.match(await host.chat("/cloud downlaod by-hand"), /Did you mean "download"/);
  });

  await step("the published client's three steps: backup, price-storage, upload", async () => {
    const paste = (text: string) => /```\n\/(.*)\n```/.exec(text)?.[1] ?? assert.fail(text);
    const backup = await host.chat(`/mnemospark cloud backup ${join(workspace, "memory.bin")} name:three-steps`);
    const price = await host.chat(`/${paste(backup)}`);
    assert.match(price, /Your storage quote `quote_/);
    assert.match(await host.chat(`/${paste(price)}`), /has been stored using `aws`/);
  });

  await step("the agent quotes and stores under the cap: nobody is asked", async () => {
    const result = await agent(host, model, "mnemospark_store", { path: "memory.bin", name: "by-agent" });
    assert.equal((result["object"] as { state?: string } | undefined)?.state, "stored", JSON.stringify(result));
    const again = await agent(host, model, "mnemospark_list", {});
    assert.equal((again["objects"] as unknown[]).length, 3);
  });

  await step("the agent may not read the client's keys, nor leave its workspace", async () => {
    for (const path of [join(host.state, "mnemospark"), "/etc/hostname", "../.openclaw/openclaw.json"]) {
      const result = await agent(host, model, "mnemospark_quote", { path });
      assert.equal((result["error"] as { code?: string } | undefined)?.code, "path_refused", JSON.stringify(result));
    }
  });

  await step("a changed config is in force without a restart: another cap", async () => {
    await host.changePlugin({ capPerCall: "0.001" });
    await until(async () => JSON.parse(await host.chat("/cloud status --json")).limitsMicroUsdc.perCall === "1000");
    await until(() =>
      fetch(`http://127.0.0.1:${proxyPort}/health`).then(
        (response) => response.ok,
        () => false,
      ),
    );
  });

  await step("above the cap a person is asked, and what was approved is what is paid", async () => {
    const before = await balance();
    const seen: Record<string, unknown>[] = [];
    const off = resolveApprovals(host, seen, "allow-once");
    const result = await agent(host, model, "mnemospark_store", { path: "memory.bin", name: "approved" });
    off();
    assert.equal((result["object"] as { state?: string } | undefined)?.state, "stored", JSON.stringify(result));
    const paid = before - (await balance());
    assert.equal(seen.length, 1);
    const scope = JSON.stringify(seen[0]);
    assert.match(scope, new RegExp(`"amount":"${(Number(paid) / 1e6).toFixed(2)}`));
    assert.match(scope.toLowerCase(), new RegExp(stack.payTo.toLowerCase()));
  });

  await step("denied, or nobody there to ask: nothing is paid", async () => {
    const before = await balance();
    const off = resolveApprovals(host, [], "deny");
    const denied = await agent(host, model, "mnemospark_store", { path: "memory.bin", name: "denied" });
    off();
    assert.equal(denied["object"], undefined, JSON.stringify(denied));
    await host.leave();
    const alone = await host.tool("mnemospark_store", { path: "memory.bin", name: "alone" });
    assert.equal(alone.status, 403, JSON.stringify(alone.body));
    assert.match(await host.chat(`/cloud upload ${join(workspace, "memory.bin")} name:chat`), /above the cap/);
    assert.equal(await balance(), before);
  });

  await step("arguments are checked although the host does not", async () => {
    const { body } = await host.tool("mnemospark_fetch", { nam: "by-hand" });
    assert.match(JSON.stringify(body), /bad_arguments/);
  });

  await step("an upload cut off by kill -9 is finished by the next gateway, and paid once", async () => {
    await host.changePlugin({ capPerCall: "0.50" });
    await until(async () => JSON.parse(await host.chat("/cloud status --json")).limitsMicroUsdc.perCall === "500000");
    await writeFile(join(workspace, "big.bin"), randomBytes(60_000_000));
    const before = await balance();
    const started = await host.chat(`/cloud upload ${join(workspace, "big.bin")} name:big async:true`);
    const id = /operation-id: (\S+)/.exec(started)?.[1] ?? assert.fail(started);
    const operation = async () =>
      JSON.parse(await host.chat(`/cloud op-status ${id} --json`)).operation as { state: string; step: string };
    await until(async () => ["pay", "upload", "confirm"].includes((await operation()).step));
    await host.stop("SIGKILL");
    await host.start();
    await until(async () => (await operation()).state === "done");
    const { objects } = JSON.parse(await host.chat("/cloud ls --json")) as {
      objects: { key: string; amount: string }[];
    };
    const big = objects.filter(({ key }) => key === "big");
    assert.equal(big.length, 1);
    assert.equal((before - (await balance())).toString(), big[0]?.amount);
  });

  await step("two loads in one process share one journal", async () => {
    const viaService = await host.tool("mnemospark_status");
    const viaAgent = await agent(host, model, "mnemospark_status", {});
    const spent = (viaService.body["result"] as { details: { spent: unknown } }).details.spent;
    assert.deepEqual(viaAgent["spent"], spent);
  });

  await step("it stops with the gateway and leaves with uninstall; keys stay", async () => {
    assert.equal(await host.stop(), 0);
    await assert.rejects(fetch(`http://127.0.0.1:${proxyPort}/health`));
    const ran = await host.cli(["plugins", "uninstall", "mnemospark", "--force"]);
    assert.equal(ran.code, 0, `${ran.out}\n${ran.err}`);
    const list = await host.cli(["plugins", "list", "--json"]);
    assert.ok(!/"id":\s*"mnemospark"/.test(list.out), list.out);
    assert.equal(
      (await readdir(join(host.state, "mnemospark", "keys"))).filter((name) => name.endsWith(".key")).length,
      1,
    );
  });
}

/** One turn of the agent: the model calls the tool, the gateway runs it, the model sees this. */
async function agent(
  host: Gateway,
  model: Model,
  tool: string,
  args: Record<string, unknown>,
): Promise<Record<string, unknown>> {
  model.say({ tool, args }, { text: "done" });
  const before = model.asked.length;
  await host.chat(`please use ${tool}`);
  const last = model.asked.slice(before).findLast(({ messages }) => messages.some(({ role }) => role === "tool"));
  const said = last?.messages.findLast(({ role }) => role === "tool")?.content;
  const text =
    typeof said === "string"
      ? said
      : ((said as { text?: string }[] | undefined)?.map((each) => each.text ?? "").join("") ?? "");
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return { text };
  }
}

/** Answers every approval that the gateway asks for. */
function resolveApprovals(host: Gateway, seen: Record<string, unknown>[], decision: "allow-once" | "deny"): () => void {
  return host.on(({ event, payload }) => {
    if (event !== "plugin.approval.requested" || !payload) return;
    seen.push(payload);
    // The answer may be lost with the connection; what counts is what the gateway then does.
    host.rpc("plugin.approval.resolve", { id: payload["id"], decision }).catch(() => undefined);
  });
}

async function until(holds: () => Promise<boolean>, withinMs = 120_000): Promise<void> {
  for (const deadline = Date.now() + withinMs; Date.now() < deadline; ) {
    if (await holds().catch(() => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  throw new Error(`it did not come to hold within ${withinMs / 1000} s: ${holds}`);
}

/** Whether a file below holds the text, other than those named. */
async function grep(directory: string, text: string, but: readonly string[]): Promise<boolean> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    if (!entry.isFile() || but.includes(entry.name)) continue;
    const content = await readFile(join(entry.parentPath, entry.name)).catch(() => Buffer.alloc(0));
    if (content.includes(text)) return true;
  }
  return false;
}

let failed = false;
try {
  await main(found.directory);
} catch (error) {
  failed = true;
  console.error(error);
  console.error((await readFile(join(room, "home", "gateway.out.log"), "utf8").catch(() => "")).slice(-6000));
} finally {
  for (const each of undo.reverse()) await each().catch((error: unknown) => console.error(error));
}
console.log(failed ? "test:openclaw FAILED" : "test:openclaw passed");
process.exit(failed ? 1 : 0);
