/**
 * A large object, whole: stored in parts while the client and the edge are killed, brought back while the client is killed again.
 * S3's access log says what was sent, the chain what was paid, the kernel how much memory the client took.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createCipheriv, createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createReadStream, globSync, readFileSync, statfsSync, statSync } from "node:fs";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { transfersFrom } from "../live/chain.ts";
import { type Live, startLive } from "../live/stack.ts";
import type { Call } from "./client.ts";

export interface Figures {
  readonly sourceBytes: number;
  readonly sealedBytes: number;
  readonly parts: number;
  /** Parts S3 took, and their bytes: as many as there are, or some were sent twice. */
  readonly partsTaken: number;
  readonly partsTakenBytes: number;
  readonly partsAtKill: { readonly client: number; readonly edge: number };
  /** Bytes the client had of the object when it was killed bringing it back, and what it asked S3 for afterwards. */
  readonly bytesAtKill: number;
  readonly bytesAskedAfterwards: number;
  readonly payments: number;
  readonly paidMicroUsdc: string;
  readonly clientPeakMib: number;
  readonly identical: boolean;
  readonly seconds: Readonly<Record<string, number>>;
}

interface Entry {
  readonly operation: string;
  readonly status: number;
  readonly key?: string;
  readonly requestBytes: number;
  readonly responseBytes?: number;
  readonly userAgent?: string;
}

const NAME = "large.bin";

export async function big(sourceBytes: number, say: (line: string) => void): Promise<Figures> {
  const directory = await mkdtemp(join(tmpdir(), "big-"));
  const { bavail, bsize } = statfsSync(directory);
  // The source, the sealed file or what came, S3's copy, and what is restored.
  if (bavail * bsize < 4.5 * sourceBytes) throw new Error(`${directory} has no room for ${4.5 * sourceBytes} bytes`);
  const live = await startLive({ wallets: 0 });
  try {
    return await inDirectory(live, directory, sourceBytes, say);
  } finally {
    await live.stop();
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function inDirectory(
  live: Live,
  directory: string,
  sourceBytes: number,
  say: (line: string) => void,
): Promise<Figures> {
  const { stack } = live;
  const key = generatePrivateKey();
  const { address } = privateKeyToAccount(key);
  await stack.chain.fund(address, 100_000_000n);
  const path = join(directory, NAME);
  const seconds: Record<string, number> = {};
  const timed = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const from = performance.now();
    const done = await work();
    seconds[name] = Math.round((performance.now() - from) / 100) / 10;
    say(`${name}: ${seconds[name]} s`);
    return done;
  };
  const sourceSha256 = await timed("make a source", () => fill(path, sourceBytes));
  const { edge: edgeUrl, chain: chainUrl } = stack.urls;
  const call = { edgeUrl, chainUrl, payTo: stack.payTo, home: join(directory, "home"), key, objectKey: NAME };
  const clients = watched((line) => say(line));
  const entries = () => logOf(stack.paths.logs);
  const taken = () => entries().filter((entry) => entry.operation === "UploadPart" && entry.status === 200);
  const parts = Math.ceil(sourceBytes / (16 * 1024 ** 2));
  const at = { client: 0, edge: 0 };

  const stored = await timed("store, with a killed client and a killed edge", async () => {
    const store: Call = { ...call, verb: "store", path };
    const first = clients.start(store);
    await until(() => taken().length >= parts * 0.3, first);
    await first.kill();
    await quiet(() => entries().length);
    at.client = taken().length;
    say(`client killed with ${at.client} parts in S3`);
    const second = clients.start(store);
    await until(() => taken().length >= parts * 0.6, second);
    await live.kill("edge");
    at.edge = taken().length;
    say(`edge killed with ${at.edge} parts in S3`);
    await sleep(1_000);
    await live.restart("edge");
    return JSON.parse(await second.ended()) as { sealed: { sealedBytes: number } };
  });

  const { sealedBytes } = stored.sealed;
  const destination = join(directory, "back.bin");
  const gets = () =>
    entries().filter(({ operation, userAgent }) => operation === "GetObject" && userAgent === "mnemospark-client");
  let bytesAtKill = 0;
  let getsAtKill = 0;
  await timed("fetch, with a killed client", async () => {
    const fetch: Call = { ...call, verb: "fetch", path: destination };
    const first = clients.start(fetch);
    bytesAtKill = await untilPartial(join(directory, "home"), sealedBytes * 0.4, first);
    await first.kill();
    bytesAtKill = partialIn(join(directory, "home"));
    say(`client killed with ${bytesAtKill} bytes of the object`);
    await quiet(() => entries().length);
    getsAtKill = gets().length;
    await clients.start(fetch).ended();
  });
  const identical = await timed("compare", async () => (await hashOf(destination)) === sourceSha256);
  const paid = await transfersFrom(stack, address);
  return {
    sourceBytes,
    sealedBytes,
    parts: Math.ceil(sealedBytes / (16 * 1024 ** 2)),
    partsTaken: taken().length,
    partsTakenBytes: taken().reduce((sum, { requestBytes }) => sum + requestBytes, 0),
    partsAtKill: at,
    bytesAtKill,
    bytesAskedAfterwards: gets()
      .slice(getsAtKill)
      .reduce((sum, { responseBytes = Number.NaN }) => sum + responseBytes, 0),
    payments: paid.length,
    paidMicroUsdc: paid.reduce((sum, { amount }) => sum + amount, 0n).toString(),
    clientPeakMib: clients.peakMib(),
    identical,
    seconds,
  };
}

/** Bytes that no compression shortens, as fast as the disk takes them. */
async function fill(path: string, bytes: number): Promise<string> {
  const stream = createCipheriv("aes-128-ctr", randomBytes(16), randomBytes(16));
  const zeros = Buffer.alloc(4 * 1024 ** 2);
  const hash = createHash("sha256");
  const file = await open(path, "wx", 0o600);
  try {
    for (let left = bytes; left > 0; left -= zeros.length) {
      const piece = stream.update(zeros.subarray(0, Math.min(left, zeros.length)));
      hash.update(piece);
      await file.writeFile(piece);
    }
  } finally {
    await file.close();
  }
  return hash.digest("hex");
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(path, { highWaterMark: 4 * 1024 ** 2 })) hash.update(piece as Buffer);
  return hash.digest("hex");
}

interface Client {
  readonly child: ChildProcess;
  kill(): Promise<void>;
  /** Its last line; throws when it failed. */
  ended(): Promise<string>;
}

/** Starts clients, and asks the kernel about each as long as it lives. */
function watched(say: (line: string) => void) {
  let peakKib = 0;
  const entry = fileURLToPath(new URL("client.ts", import.meta.url).href);
  const start = (call: Call): Client => {
    const child = spawn(process.execPath, ["--no-warnings", entry, JSON.stringify(call)], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    let errors = "";
    child.stdout?.on("data", (chunk) => (output += chunk));
    child.stderr?.on("data", (chunk) => (errors += chunk));
    const closed = once(child, "close");
    const watch = setInterval(() => {
      peakKib = Math.max(peakKib, highWaterKib(child.pid));
    }, 100);
    void closed.then(() => clearInterval(watch));
    return {
      child,
      kill: async () => {
        peakKib = Math.max(peakKib, highWaterKib(child.pid));
        child.kill("SIGKILL");
        await closed;
      },
      ended: async () => {
        await closed;
        if (child.exitCode === 0) return output.trim().split("\n").at(-1) ?? "";
        say(errors);
        throw new Error(`the client ended with ${child.exitCode ?? child.signalCode}: ${errors.slice(0, 400)}`);
      },
    };
  };
  return { start, peakMib: () => Math.ceil(peakKib / 1024) };
}

function highWaterKib(pid: number | undefined): number {
  try {
    return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

function logOf(logs: string): Entry[] {
  const lines = readFileSync(join(logs, "s3.log"), "utf8").split("\n");
  return lines.flatMap((line) => (line.startsWith("{") && line.endsWith("}") ? [JSON.parse(line) as Entry] : []));
}

async function until(come: () => boolean, { child, ended }: Client): Promise<void> {
  while (!come()) {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`the client ended before it could be killed: ${await ended()}`);
    await sleep(20);
  }
}

async function untilPartial(home: string, bytes: number, client: Client): Promise<number> {
  await until(() => partialIn(home) >= bytes, client);
  return partialIn(home);
}

/** What is there of the sealed object, in the work directory of the one operation that brings it. */
function partialIn(home: string): number {
  let most = 0;
  for (const path of globSync(join(home, "**", "object.part"))) most = Math.max(most, statSync(path).size);
  return most;
}

/** S3 has finished whatever a killed client had sent. */
async function quiet(count: () => number): Promise<void> {
  for (let before = -1; before !== count(); ) {
    before = count();
    await sleep(2_000);
  }
}
