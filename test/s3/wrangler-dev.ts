/** The Worker under the real `wrangler dev`, as a person starts it; state in a folder that outlives it. */
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { accounts, hostSuffix, regions, type Subject } from "./subject.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

export interface WranglerDev extends Subject {
  /** Process ids of wrangler and everything it started. */
  readonly family: () => readonly number[];
}

export async function startWranglerDev(persistTo: string): Promise<WranglerDev> {
  const port = await freePort();
  const credentials = Object.fromEntries(accounts.map(({ accessKeyId, ...rest }) => [accessKeyId, rest]));
  const args = [
    ...["node_modules/wrangler/bin/wrangler.js", "dev", "--config", "test/stack/s3/wrangler.toml"],
    ...["--ip", "127.0.0.1", "--port", String(port), "--inspector-port", "0", "--persist-to", persistTo],
    ...["--var", `S3_CREDENTIALS:${JSON.stringify(credentials)}`],
    ...["--var", `S3_REGIONS:${regions.join(",")}`, "--var", `S3_HOST_SUFFIX:${hostSuffix}`],
    ...["--show-interactive-dev-session=false", "--log-level", "log"],
  ];
  const env = { ...process.env, WRANGLER_SEND_METRICS: "false", CLOUDFLARE_CF_FETCH_ENABLED: "false" };
  const child = spawn(process.execPath, args, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  child.stdout.on("data", (data) => (output += data));
  child.stderr.on("data", (data) => (output += data));
  const origin = `http://127.0.0.1:${port}`;
  await untilHealthy(origin, child, () => output);
  return {
    origin,
    log: () => output.split("\n").flatMap(parseLine),
    family: () => (child.pid === undefined ? [] : [child.pid, ...descendants(child.pid)]),
    close: () => stop(child),
  };
}

async function untilHealthy(origin: string, child: ChildProcess, output: () => string): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    if (child.exitCode !== null) throw new Error(`wrangler dev ended:\n${output()}`);
    const healthy = await fetch(`${origin}/-/healthz`).then(
      (response) => response.ok,
      () => false,
    );
    if (healthy) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  child.kill("SIGKILL");
  throw new Error(`wrangler dev did not come up:\n${output()}`);
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  await ended;
}

function parseLine(line: string): unknown[] {
  try {
    return line.startsWith("{") ? [JSON.parse(line)] : [];
  } catch {
    return [];
  }
}

/** Linux only, like the rest of this file's use: parents are read from /proc. */
function descendants(pid: number): number[] {
  const children = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && parentOf(name) === pid);
  return children.flatMap((name) => [Number(name), ...descendants(Number(name))]);
}

function parentOf(pid: string): number | undefined {
  try {
    // "pid (name) state ppid": the name may hold spaces and brackets.
    return Number(
      readFileSync(`/proc/${pid}/stat`, "latin1")
        .replace(/^.*\) \S /, "")
        .split(" ")[0],
    );
  } catch {
    return undefined;
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() =>
        address !== null && typeof address === "object" ? resolve(address.port) : reject(new Error("no port")),
      );
    });
  });
}
