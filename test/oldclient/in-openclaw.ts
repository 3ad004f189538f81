/**
 * The published client as a plugin of a real OpenClaw, spoken to by slash commands: `node test/oldclient/in-openclaw.ts [folder]`.
 * The folder is one where `npm install openclaw@2026.9.6` was run; without it that is done in a temporary one (355 MB), which is why
 * this is a program and no test. Prints what was said and fails where a step does.
 */
import { execFileSync, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { transfersFrom } from "../live/chain.ts";
import { startLive } from "../live/stack.ts";
import { takePort } from "../stack/ports.ts";
import { said } from "./client.ts";
import { startMainnet } from "./mainnet.ts";

const OPENCLAW = "openclaw@2026.9.6";
const PLUGIN = join(import.meta.dirname, "../../node_modules/mnemospark-published");

const AGENTS = ["mnemospark-renewal", "mnemospark"].map((id) => ({
  id,
  tools: { deny: ["subagents"], exec: { ask: "off" } },
}));

const scratch = mkdtempSync(join(tmpdir(), "in-openclaw-"));
const live = await startLive({ wallets: 1 });
const mainnet = await startMainnet(live.stack.chain);
const home = join(scratch, "home");
const bin = join(process.argv[2] ?? installed(), "node_modules", ".bin");
const port = await takePort("edge", 0);
const buyer = live.wallet();
const certificate = join(scratch, "mainnet.pem");
writeFileSync(certificate, mainnet.certificate);
mkdirSync(join(home, ".openclaw"), { recursive: true });
writeFileSync(join(home, ".openclaw", "openclaw.json"), JSON.stringify(settings()));
const env = {
  HOME: home,
  PATH: `${bin}:${dirname(process.execPath)}:/usr/bin:/bin`,
  ...{ CI: "1", DO_NOT_TRACK: "1", OPENCLAW_OFFLINE: "1", OPENCLAW_NO_AUTO_UPDATE: "1", OPENCLAW_DISABLE_BONJOUR: "1" },
  ...{ OPENCLAW_NO_RESPAWN: "1", OPENCLAW_EXEC_SHELL_SNAPSHOT: "0", OPENCLAW_SKIP_CHANNELS: "1" },
  MNEMOSPARK_BACKEND_API_BASE_URL: live.edge,
  MNEMOSPARK_PROXY_PORT: String(await takePort("edge", 0)),
  MNEMOSPARK_WALLET_KEY: buyer.privateKey,
  MNEMOSPARK_CRON_NODE_BIN: process.execPath,
  // Its cron job would name the copy that a host of today makes of a plugin for one run.
  MNEMOSPARK_CLI_PATH: join(PLUGIN, "dist", "cli.js"),
  ...{ NODE_USE_ENV_PROXY: "1", NODE_EXTRA_CA_CERTS: certificate, HTTPS_PROXY: mainnet.proxyUrl },
  NO_PROXY: "127.0.0.1,localhost",
};
const log = openSync(join(scratch, "gateway.log"), "a");
const gateway = spawn(join(bin, "openclaw"), ["gateway", "run"], { env, cwd: home, stdio: ["ignore", log, log] });
try {
  await story(await dial());
} catch (error) {
  console.error(error, `\n${readFileSync(join(scratch, "gateway.log"), "utf8").slice(-6_000)}`);
  process.exitCode = 1;
} finally {
  gateway.kill("SIGTERM");
  if (gateway.exitCode === null) await once(gateway, "exit");
  await mainnet.stop();
  await live.stop();
  rmSync(scratch, { recursive: true, force: true, maxRetries: 5 });
}

function installed(): string {
  console.log(`installing ${OPENCLAW}`);
  const folder = join(scratch, "host");
  mkdirSync(folder);
  execFileSync("npm", ["install", "--prefix", folder, "--no-audit", "--no-fund", OPENCLAW], { stdio: "inherit" });
  return folder;
}

function settings(): object {
  return {
    gateway: {
      mode: "local",
      port,
      bind: "loopback",
      auth: { mode: "token", token: "local" },
      controlUi: { enabled: false },
    },
    update: { checkOnStart: false },
    models: { catalogRefresh: { enabled: false } },
    discovery: { mdns: { mode: "off" } },
    logging: { file: join(scratch, "openclaw.log") },
    // The two agents that the plugin would add to the roster by itself: its way of writing it is refused by a host of today, because
    // its list leaves `main` out. Without them `openclaw cron add` fails, after the upload.
    agents: {
      defaults: { workspace: join(home, "workspace"), skipBootstrap: true },
      list: [{ id: "main" }, ...AGENTS],
    },
    plugins: {
      allow: ["mnemospark"],
      slots: { memory: "none" },
      load: { paths: [PLUGIN] },
      entries: { mnemospark: { enabled: true } },
    },
  };
}

/** Sends a slash command and answers with what the plugin says. */
type Say = (command: string) => Promise<string>;

async function dial(): Promise<Say> {
  for (const deadline = Date.now() + 120_000; ; await sleep(250)) {
    const ready = await fetch(`http://127.0.0.1:${port}/readyz`).then(
      (answer) => answer.ok,
      () => false,
    );
    if (ready) break;
    if (gateway.exitCode !== null || Date.now() > deadline) throw new Error("the gateway is not ready");
  }
  const socket = new WebSocket(`ws://127.0.0.1:${port}`);
  const frames: Frame[] = [];
  socket.addEventListener("message", ({ data }) => frames.push(JSON.parse(String(data)) as Frame));
  const seen = async (what: string, is: (frame: Frame) => boolean): Promise<Frame> => {
    for (const deadline = Date.now() + 120_000; Date.now() < deadline; await sleep(20)) {
      const frame = frames.find(is);
      if (frame) return frame;
    }
    throw new Error(`not seen: ${what}\n${JSON.stringify(frames.slice(-5))}`);
  };
  const send = (id: string, method: string, params: object) =>
    socket.send(JSON.stringify({ type: "req", id, method, params }));
  await seen("connect.challenge", ({ event }) => event === "connect.challenge");
  send("connect", "connect", {
    ...{ minProtocol: 4, maxProtocol: 4, role: "operator", caps: [], auth: { token: "local" } },
    client: { id: "gateway-client", version: "0", platform: "linux", mode: "backend" },
    scopes: ["operator.admin", "operator.read", "operator.write"],
  });
  const connected = await seen("connect", ({ id }) => id === "connect");
  if (connected.ok !== true) throw new Error(`not connected: ${JSON.stringify(connected)}`);
  let count = 0;
  return async (message) => {
    const key = `command-${++count}`;
    send(key, "chat.send", { sessionKey: "main", message, idempotencyKey: key });
    const final = await seen(
      message,
      ({ event, payload }) => event === "chat" && payload?.runId === key && payload.state === "final",
    );
    const text = (final.payload?.message?.content ?? []).map(({ text: part }) => part ?? "").join("\n");
    console.log(`\n> ${message}\n${text}`);
    return text;
  };
}

interface Job {
  readonly name: string;
  readonly payload: { readonly message: string };
}

interface Frame {
  readonly id?: string;
  readonly ok?: boolean;
  readonly event?: string;
  readonly payload?: {
    readonly runId?: string;
    readonly state?: string;
    readonly message?: { readonly content?: readonly { readonly text?: string }[] };
  };
}

async function story(say: Say): Promise<void> {
  const wallet = `wallet-address:${buyer.address}`;
  const expect = (text: string, wanted: string) => {
    if (!text.includes(wanted)) throw new Error(`wanted ${JSON.stringify(wanted)}`);
    return text;
  };
  expect(await say("/mnemospark wallet"), buyer.address);
  for (const [name, sizeBytes] of [
    ["small", 20_000],
    ["large", 6_000_000],
  ] as const) {
    const file = join(scratch, `${name}.bin`);
    writeFileSync(file, randomBytes(sizeBytes));
    const backup = await say(`/mnemospark cloud backup ${file} name:${name}`);
    const [id, hash, gb] = ["object-id", "object-id-hash", "object-size"].map((field) => said(backup, field));
    const priced = await say(
      `/mnemospark cloud price-storage ${wallet} object-id:${id} object-id-hash:${hash} gb:${gb} provider:aws region:us-east-1`,
    );
    const quote = /storage quote `([^`]+)`/.exec(priced)?.[1];
    expect(
      await say(
        `/mnemospark cloud upload quote-id:${quote} ${wallet} object-id:${id} object-id-hash:${hash} name:${name}`,
      ),
      "has been stored using",
    );
    const fetched = await say(`/mnemospark cloud download ${wallet} object-key:${id}`);
    const archive = readFileSync(fetched.trim().split(" downloaded to ")[1] ?? "");
    if (createHash("sha256").update(archive).digest("hex") !== hash) throw new Error("other bytes came back");
  }
  expect(await say(`/mnemospark cloud ls ${wallet}`), "small");
  expect(await say(`/mnemospark cloud delete ${wallet} name:small latest:true`), "has been deleted");
  const list = execFileSync(join(bin, "openclaw"), ["cron", "list", "--all", "--json"], { env, encoding: "utf8" });
  const jobs = (JSON.parse(list) as { jobs: Job[] }).jobs.filter((job) => job.name === "Mnemospark Monthly Renewal");
  const command = jobs[0]?.payload.message.replace(/^Command: /, "") ?? "";
  if (jobs.length !== 1) throw new Error(`${jobs.length} renewals are planned, wanted that of the object that is left`);
  const renewed = execFileSync("/bin/sh", ["-c", command], { env, encoding: "utf8" });
  console.log(`\n$ ${command}\n${expect(renewed, "Payment settled for object")}`);
  const paid = await transfersFrom(live.stack, buyer.address);
  if (paid.length !== 3) throw new Error(`${paid.length} transfers, wanted two uploads and one renewal`);
  console.log(`\npaid ${paid.map(({ amount }) => amount).join(", ")} micro-USDC; both objects came back byte for byte`);
}
