/**
 * The published client as its users run it, not a byte of it changed: its proxy as a process, each command as a process, on a home
 * of its own. It is told where things are by the variables that it, Node and its users have for that, and by nothing else.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { freePort } from "../openclaw/gateway.ts";
import { type CronJob, jobsIn } from "./openclaw.ts";

/** npm's `mnemospark@2026.4.13`, with its integrity in the lockfile. */
export const CLI = fileURLToPath(new URL("../../node_modules/mnemospark-published/dist/cli.js", import.meta.url).href);
const OPENCLAW = fileURLToPath(new URL("./openclaw.ts", import.meta.url).href);

export interface Printed {
  readonly code: number | null;
  readonly text: string;
}

export interface OldClient {
  readonly home: string;
  /** Its proxy on loopback. */
  readonly proxy: string;
  /** One line as a user types it: `cloud ls wallet-address:0x…`. */
  run(line: string, more?: Readonly<Record<string, string>>): Promise<Printed>;
  cron(): CronJob[];
  /** Does what a cron job of its tells the agent to do: its command, in a shell. */
  obey(job: CronJob): Promise<Printed>;
  /** What its proxy has printed. */
  log(): string;
  stop(): Promise<void>;
}

export interface Place {
  readonly home: string;
  readonly edge: string;
  readonly privateKey: `0x${string}`;
  readonly mainnet: { readonly proxyUrl: string; readonly certificate: string };
}

/** All it is told, by the variables that it and Node have for that. `cron` jobs run by this Node. */
export function environment({ home, edge, privateKey, mainnet }: Place, port: number): Record<string, string> {
  const certificate = join(home, "mainnet.pem");
  writeFileSync(certificate, mainnet.certificate);
  return {
    HOME: home,
    MNEMOSPARK_BACKEND_API_BASE_URL: edge,
    MNEMOSPARK_PROXY_PORT: String(port),
    MNEMOSPARK_WALLET_KEY: privateKey,
    MNEMOSPARK_CRON_NODE_BIN: process.execPath,
    NODE_NO_WARNINGS: "1",
    NODE_USE_ENV_PROXY: "1",
    NODE_EXTRA_CA_CERTS: certificate,
    HTTPS_PROXY: mainnet.proxyUrl,
    NO_PROXY: "127.0.0.1,localhost",
  };
}

export async function startOldClient(place: Place): Promise<OldClient> {
  const { home } = place;
  const port = await freePort();
  const bin = join(home, "bin");
  mkdirSync(bin, { recursive: true });
  const crontab = join(home, "crontab.json");
  const quoted = [process.execPath, OPENCLAW, crontab].map((word) => `'${word}'`).join(" ");
  writeFileSync(join(bin, "openclaw"), `#!/bin/sh\nexec ${quoted} "$@"\n`);
  chmodSync(join(bin, "openclaw"), 0o755);
  const env = { ...environment(place, port), PATH: `${bin}:/usr/bin:/bin` };
  const proxy = spawn(process.execPath, [CLI, "proxy", "start"], { env, cwd: home });
  const printed = gather(proxy);
  const base = `http://127.0.0.1:${port}`;
  await answering(base, proxy, printed);
  return {
    home,
    proxy: base,
    run: (line, more = {}) => ended(process.execPath, [CLI, ...line.split(" ")], { ...env, ...more }),
    obey: ({ payload }) => ended("/bin/sh", ["-c", payload.message.replace(/^Command: /, "")], env),
    cron: () => jobsIn(crontab),
    log: printed,
    stop: async () => {
      const closed = once(proxy, "close");
      if (proxy.kill("SIGTERM")) await closed;
    },
  };
}

/** Runs a command to its end. */
export async function ended(command: string, args: readonly string[], env: Record<string, string>): Promise<Printed> {
  const child = spawn(command, args, { env, cwd: env["HOME"] });
  const text = gather(child);
  const [code] = (await once(child, "close")) as [number | null];
  return { code, text: text() };
}

function gather(child: ChildProcess): () => string {
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => (text += chunk));
  return () => text;
}

async function answering(base: string, proxy: ChildProcess, printed: () => string): Promise<void> {
  for (const deadline = Date.now() + 30_000; ; await sleep(50)) {
    const healthy = await fetch(`${base}/health`).then(
      (response) => response.ok,
      () => false,
    );
    if (healthy) return;
    if (proxy.exitCode !== null || Date.now() > deadline) throw new Error(`the old proxy is not up:\n${printed()}`);
  }
}

/** A line of its output by its name: `object-id: …`. */
export function said(text: string, name: string): string {
  const value = new RegExp(`^${name}: *(.+)$`, "m").exec(text)?.[1]?.trim();
  if (value === undefined) throw new Error(`nothing is said of ${name}:\n${text}`);
  return value;
}

/** Where a download says that it has put the archive. */
export function archiveOf(text: string): string {
  const file = text.trim().split(" downloaded to ")[1];
  if (file === undefined) throw new Error(`nothing was downloaded:\n${text}`);
  return file;
}
