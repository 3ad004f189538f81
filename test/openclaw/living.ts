/** Scenes about the plugin's life in the gateway: installed, reloaded, crowded out, killed, removed. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { privateKeyToAddress } from "viem/accounts";
import { buildPackage, PACKAGE } from "../../client-plugin/build.ts";
import { freePort } from "./gateway.ts";
import { agent, answers, json, setCap, step, until, type World } from "./world.ts";

/** A wallet of the operator's secrets, by the name of the variable that holds it. It never pays. */
export const SECRET = { name: "E2E_WALLET_KEY", key: `0x${randomBytes(32).toString("hex")}` } as const;

export async function installing(world: World, openclaw: string): Promise<void> {
  const { host, proxyPort, room } = world;

  await step("the packed tarball installs, offline", async () => {
    await buildPackage();
    const packed = execFileSync("npm", ["pack", "--silent", "--pack-destination", room, PACKAGE], { encoding: "utf8" });
    world.tarball = join(room, packed.trim());
    const install = ["plugins", "install", `npm-pack:${world.tarball}`, "--force", "--accept-capabilities"];
    const ran = await host.cli(install);
    assert.equal(ran.code, 0, `${ran.out}\n${ran.err}`);
  });

  await step("OpenClaw's own scanner says of it that it reads files and sends, and nothing else", async () => {
    const name = (await readdir(join(openclaw, "dist"))).find((each) => /^scanner-.*\.mjs$/.test(each));
    if (name === undefined) return assert.fail("this OpenClaw has no scanner where it was");
    const scanner = (await import(pathToFileURL(join(openclaw, "dist", name)).href)) as Record<string, unknown>;
    const scan = Object.values(scanner).find(
      (each) => typeof each === "function" && each.name === "scanDirectoryWithSummary",
    ) as (path: string) => Promise<{ scannedFiles: number; findings: { ruleId: string; severity: string }[] }>;
    const { scannedFiles, findings } = await scan(PACKAGE);
    const files = (await readdir(join(PACKAGE, "dist"))).length;
    assert.equal(scannedFiles, files, "all of it is small enough to be scanned");
    assert.deepEqual(
      findings.map(({ ruleId, severity }) => `${severity} ${ruleId}`),
      ["warn potential-exfiltration"],
    );
  });

  await step("the gateway starts with it, and the proxy answers only to its token", async () => {
    await host.start();
    const url = `http://127.0.0.1:${proxyPort}`;
    assert.deepEqual(await (await fetch(`${url}/health`)).json(), { status: "ok", service: "mnemospark" });
    const post = (headers: Record<string, string>) =>
      fetch(`${url}/v1/tools/mnemospark_status`, { method: "POST", headers, body: "{}" }).then(
        (response) => response.status,
      );
    const type = { "content-type": "application/json" };
    const token = (await readFile(join(host.state, "mnemospark", "proxy.token"), "utf8")).trim();
    assert.equal(await post(type), 401);
    assert.equal(await post({ ...type, authorization: `Bearer ${token}`, origin: "https://evil.example" }), 403);
    assert.equal(await post({ authorization: `Bearer ${token}`, "content-type": "text/plain" }), 415);
    assert.equal(await post({ ...type, authorization: `Bearer ${token}` }), 404);
  });

  await step("what it registers is what its manifest says", async () => {
    const manifest = JSON.parse(await readFile(join(PACKAGE, "openclaw.plugin.json"), "utf8"));
    const tools = await host.rpc("tools.catalog");
    const commands = await host.rpc("commands.list");
    for (const name of manifest.contracts.tools)
      assert.ok(JSON.stringify(tools).includes(`"${name}"`), `no ${name} in ${JSON.stringify(tools)}`);
    for (const { name } of manifest.commandAliases)
      assert.ok(JSON.stringify(commands).includes(`"${name}"`), `no /${name} in ${JSON.stringify(commands)}`);
  });
}

export async function reloading(world: World): Promise<void> {
  const { host, proxyPort } = world;
  const paying = async () =>
    (await json<{ wallet: { address: string; source: string } | null }>(world, "/wallet")).wallet ?? undefined;

  await step("a new proxy port: the old one is let go, there is one proxy", async () => {
    const other = await freePort();
    await host.changePlugin({ proxyPort: other });
    await until(() => answers(other));
    assert.equal(await answers(proxyPort), false);
  });

  await step("a port that somebody else has: it says so, and all the rest works", async () => {
    const stranger = createServer((_, response) => response.end("hello"));
    await new Promise<void>((resolve) => stranger.listen(proxyPort, "127.0.0.1", resolve));
    await host.changePlugin({ proxyPort });
    await until(async () => /Something else answers/.test(await host.chat("/cloud doctor")));
    assert.match(await readFile(join(host.home, "gateway.out.log"), "utf8"), /is taken by something else/);
    assert.match(await host.chat("/wallet"), /USDC/);
    const listed = await agent(world, "mnemospark_list", {});
    assert.ok((listed["objects"] as unknown[]).length > 0, JSON.stringify(listed));
    stranger.closeAllConnections();
    await new Promise((resolve) => stranger.close(resolve));
    await host.changePlugin({ proxyPort, downloads: join(host.workspace, "downloads") });
    await until(() => answers(proxyPort));
  });

  await step("the wallet by a secret reference; one that cannot be resolved is no reason to take another", async () => {
    await host.changePlugin({ walletKey: { source: "env", provider: "default", id: SECRET.name } });
    const wanted = privateKeyToAddress(SECRET.key);
    await until(async () => (await paying())?.address === wanted);
    assert.equal((await paying())?.source, "configured");
    assert.match(await host.chat("/wallet"), /has paid here before/);
    assert.ok(!JSON.stringify(await host.rpc("config.get")).includes(SECRET.key.slice(2)), "config.get tells the key");
    // A reload that the host refuses keeps the one before; one that it takes leaves no wallet at all.
    await host.changePlugin({ walletKey: { source: "env", provider: "default", id: "E2E_MISSING" } });
    const log = () => readFile(join(host.home, "gateway.out.log"), "utf8");
    await until(
      async () => (await log()).includes("E2E_MISSING") || /secret reference/.test(await host.chat("/wallet")),
    );
    const said = await host.chat("/wallet");
    assert.ok(!said.includes(world.address), said);
    await host.changePlugin({ walletKey: undefined });
    await until(async () => (await paying())?.address === world.address);
  });
}

export async function surviving(world: World): Promise<void> {
  const { host } = world;
  const { workspace } = host;

  await step("an upload cut off by kill -9 is finished by the next gateway, and paid once", async () => {
    await setCap(world, "0.50", "500000");
    await writeFile(join(workspace, "big.bin"), randomBytes(60_000_000));
    const before = await world.balance();
    const started = await host.chat(`/cloud upload ${join(workspace, "big.bin")} name:big async:true`);
    const id = /operation-id: (\S+)/.exec(started)?.[1] ?? assert.fail(started);
    const operation = async () =>
      (await json<{ operation: { state: string; step: string } }>(world, `/cloud op-status ${id}`)).operation;
    await until(async () => ["pay", "upload", "confirm"].includes((await operation()).step));
    await host.stop("SIGKILL");
    await host.start();
    await until(async () => (await operation()).state === "done");
    const { objects } = await json<{ objects: { key: string; amount: string }[] }>(world, "/cloud ls");
    const big = objects.filter(({ key }) => key === "big");
    assert.equal(big.length, 1);
    assert.equal((before - (await world.balance())).toString(), big[0]?.amount);
  });

  await step("two loads in one process share one journal", async () => {
    const viaService = await host.tool("mnemospark_status");
    const viaAgent = await agent(world, "mnemospark_status", {});
    const spent = (viaService.body["result"] as { details: { spent: unknown } }).details.spent;
    assert.deepEqual(viaAgent["spent"], spent);
  });
}

export async function elsewhere({ host, room, tarball, stack }: World): Promise<void> {
  await step("the same tarball is an MCP server, on the same journal and wallet", async () => {
    const place = join(room, "mcp");
    await mkdir(place);
    await writeFile(join(place, "package.json"), "{}");
    const npm = ["install", "--offline", "--omit=peer", "--no-audit", "--no-fund", "--silent", tarball];
    execFileSync("npm", npm, { cwd: place, stdio: ["ignore", "ignore", "inherit"] });
    const client = new Client({ name: "test", version: "1" });
    const env = {
      PATH: `${dirname(process.execPath)}:${process.env["PATH"]}`,
      HOME: host.home,
      NODE_NO_WARNINGS: "1",
      MNEMOSPARK_BACKEND_API_BASE_URL: stack.urls.edge,
      MNEMOSPARK_RPC_URL: stack.urls.chain,
      MNEMOSPARK_NETWORK: "base-sepolia",
    };
    const command = join(place, "node_modules", ".bin", "mnemospark");
    await client.connect(new StdioClientTransport({ command, args: ["mcp"], env }));
    const { tools } = await client.listTools();
    assert.equal(tools.length, 9);
    const { structuredContent } = await client.callTool({ name: "mnemospark_list", arguments: { prefix: "by-" } });
    const names = (structuredContent as { objects: { name: string }[] }).objects.map(({ name }) => name);
    assert.deepEqual(names.sort(), ["by-agent", "by-hand"]);
    await client.close();
  });
}

export async function leaving({ host, proxyPort }: World): Promise<void> {
  await step("uninstalled from the running gateway: the proxy goes, the keys stay, and it says where", async () => {
    const ran = await host.cli(["plugins", "uninstall", "mnemospark", "--force"]);
    assert.equal(ran.code, 0, `${ran.out}\n${ran.err}`);
    await until(async () => !(await answers(proxyPort)));
    const home = join(host.state, "mnemospark");
    const log = await readFile(join(host.home, "gateway.out.log"), "utf8");
    assert.ok(log.includes(`keys and wallet stay in ${home}`), "the log does not say where the keys are");
    assert.match(await readFile(join(home, "README.txt"), "utf8"), /keys\//);
    assert.equal((await readdir(join(home, "keys"))).filter((name) => name.endsWith(".key")).length, 1);
    assert.ok((await readFile(join(home, "key", "wallet.key"))).length > 0);
    assert.doesNotMatch(await host.chat("/wallet"), /USDC on/);
    assert.equal(await host.stop(), 0);
    const { entries, allow = [] } = JSON.parse(await readFile(join(host.state, "openclaw.json"), "utf8")).plugins;
    assert.deepEqual(entries.mnemospark, { enabled: false });
    assert.ok(!allow.includes("mnemospark"));
  });
}
