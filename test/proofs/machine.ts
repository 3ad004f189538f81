/** A machine with a wallet and the built command line on it, against the whole local stack, over a line that can be made slow. */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { createReadStream, createWriteStream, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { generatePrivateKey, privateKeyToAddress } from "viem/accounts";
import { buildPackage, PACKAGE } from "../../client-plugin/build.ts";
import { transfersFrom } from "../live/chain.ts";
import { type Stack, startStack } from "../stack/stack.ts";
import { type Line, openLine } from "./line.ts";

export const CLI = join(PACKAGE, "dist", "cli.js");

export interface Run {
  readonly code: number | null;
  readonly killed: boolean;
  readonly ms: number;
  readonly answer: Record<string, Record<string, unknown>>;
  /** Most memory the process ever held, as the kernel counted. */
  readonly peakMb: number;
}

export interface Machine {
  readonly room: string;
  readonly home: string;
  readonly stack: Stack;
  readonly line: Line;
  readonly environment: Readonly<Record<string, string>>;
  /** Runs the command line with `--json`, and kills it after so long. */
  run(args: readonly string[], killAfterMs?: number): Promise<Run>;
  /** Runs until it ends well; what is retryable is tried again, as its answer says. */
  untilDone(args: readonly string[]): Promise<Run>;
  /** How many USDC transfers the wallet has made. */
  payments(): Promise<number>;
  stop(): Promise<void>;
}

export async function startMachine(): Promise<Machine> {
  const room = await mkdtemp(join(tmpdir(), "client-proof-"));
  const line = await openLine();
  await buildPackage();
  const stack = await startStack({
    stateDirectory: join(room, "stack"),
    ports: { edge: 0, s3: 0, chain: 0, secrets: 0, pricing: 0 },
    edgeVars: { S3_ENDPOINT: line.origin },
  });
  line.upstreamPort = Number(new URL(stack.urls.s3).port);
  const key = generatePrivateKey();
  const address = privateKeyToAddress(key);
  await stack.chain.fund(address, 100_000_000n);
  const home = join(room, "home");
  const environment = {
    PATH: process.env["PATH"] ?? "",
    HOME: room,
    NODE_NO_WARNINGS: "1",
    MNEMOSPARK_HOME: home,
    MNEMOSPARK_BACKEND_API_BASE_URL: stack.urls.edge,
    MNEMOSPARK_RPC_URL: stack.urls.chain,
    MNEMOSPARK_NETWORK: "base-sepolia",
    MNEMOSPARK_WALLET_KEY: key,
    MNEMOSPARK_CAP_PER_DAY: "1000",
    MNEMOSPARK_CAP_PER_MONTH: "1000",
    MNEMOSPARK_CAP_PER_CALL: "100",
  };
  const run = (args: readonly string[], killAfterMs?: number) => runOnce(environment, args, killAfterMs);
  return {
    room,
    home,
    stack,
    line,
    environment,
    run,
    async untilDone(args) {
      for (let tries = 1; ; tries++) {
        const ran = await run(args);
        if (ran.code === 0) return ran;
        if (ran.code !== 75 || tries >= 10)
          throw new Error(`${args.join(" ")} ended with ${ran.code}: ${JSON.stringify(ran.answer)}`);
        await new Promise((resolve) => setTimeout(resolve, 1000));
      }
    },
    payments: async () => (await transfersFrom(stack, address)).length,
    async stop() {
      await stack.stop();
      await line.close();
      await rm(room, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

function runOnce(env: Record<string, string>, args: readonly string[], killAfterMs?: number): Promise<Run> {
  const startedAtMs = Date.now();
  const child = spawn(process.execPath, [CLI, ...args, "--json"], { env });
  let out = "";
  let peakMb = 0;
  let killed = false;
  child.stdout.on("data", (piece) => {
    out += piece;
  });
  child.stderr.on("data", (piece) => process.stderr.write(piece));
  const watch = setInterval(() => {
    peakMb = Math.max(peakMb, peakOf(child));
  }, 50);
  const kill = () => {
    killed = child.kill("SIGKILL");
  };
  const death = killAfterMs === undefined ? undefined : setTimeout(kill, killAfterMs);
  return new Promise((resolve) => {
    child.on("close", (code) => {
      clearInterval(watch);
      clearTimeout(death);
      resolve({ code, killed: killed && code === null, ms: Date.now() - startedAtMs, answer: parse(out), peakMb });
    });
  });
}

function parse(text: string): Run["answer"] {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

function peakOf(child: ChildProcess): number {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

export async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

export async function fill(path: string, mb: number): Promise<string> {
  await pipeline(function* () {
    for (let done = 0; done < mb; done++) yield randomBytes(1_000_000);
  }, createWriteStream(path));
  return path;
}
