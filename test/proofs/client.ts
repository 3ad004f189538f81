/**
 * `npm run proof:client -- [--kills 20] [--mb 40] [--big-mb 3000]`: the built command line, killed at random moments of upload and
 * of download, each time resumed to byte-identical content with one payment on the chain; and a large file there and back in
 * little memory. Prints its figures; exit 0 only when all of it held.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createHash, randomBytes, randomInt } from "node:crypto";
import { createReadStream, createWriteStream, existsSync, readFileSync } from "node:fs";
import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { parseArgs } from "node:util";
import { generatePrivateKey, privateKeyToAddress } from "viem/accounts";
import { buildPackage, PACKAGE } from "../../client-plugin/build.ts";
import { transfersFrom } from "../live/chain.ts";
import { startStack } from "../stack/stack.ts";

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "20" },
    mb: { type: "string", default: "40" },
    "big-mb": { type: "string", default: "3000" },
  },
});
const kills = Number(values.kills);
const RSS_MAX_MB = 300;

const room = await mkdtemp(join(tmpdir(), "client-proof-"));
const stack = await startStack({
  stateDirectory: join(room, "stack"),
  ports: { edge: 0, s3: 0, chain: 0, secrets: 0 },
});
const key = generatePrivateKey();
const address = privateKeyToAddress(key);
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

interface Run {
  readonly code: number | null;
  readonly killed: boolean;
  readonly ms: number;
  readonly answer: Record<string, Record<string, unknown>>;
  /** Most memory the process ever held, as the kernel counted. */
  readonly peakMb: number;
}

function run(args: readonly string[], killAfterMs?: number): Promise<Run> {
  const startedAtMs = Date.now();
  const child = spawn(process.execPath, [join(PACKAGE, "dist", "cli.js"), ...args, "--json"], { env: environment });
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
  const death =
    killAfterMs === undefined
      ? undefined
      : setTimeout(() => {
          killed = child.kill("SIGKILL");
        }, killAfterMs);
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

async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

/** Runs until it ends well; what is retryable is tried again, as its answer says. */
async function untilDone(args: readonly string[]): Promise<Run> {
  for (let tries = 1; ; tries++) {
    const ran = await run(args);
    if (ran.code === 0) return ran;
    if (ran.code !== 75 || tries >= 10)
      throw new Error(`${args.join(" ")} ended with ${ran.code}: ${JSON.stringify(ran.answer)}`);
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

/** Nothing half-written: below the destination there is nothing but what was asked for. */
async function debris(directory: string): Promise<string[]> {
  return (await readdir(directory)).filter((name) => name.startsWith("."));
}

async function killedUploads(source: string, bytes: number): Promise<string[]> {
  const measured = await untilDone(["upload", source, "name:measured"]);
  let cut = 0;
  const names: string[] = [];
  for (let turn = 0; names.length < kills; turn++) {
    const name = `killed-${turn}`;
    const first = await run(["upload", source, `name:${name}`], randomInt(50, measured.ms));
    if (!first.killed) continue;
    cut += 1;
    const again = await untilDone(["upload", source, `name:${name}`]);
    const object = again.answer["object"] as { state?: string; order?: { amount: string } } | undefined;
    assert.equal(object?.state, "stored");
    names.push(name);
  }
  const paid = await transfersFrom(stack, address);
  const { objects } = (await run(["ls"])).answer as unknown as {
    objects: { key: string; amount: string; size_bytes: number }[];
  };
  assert.equal(paid.length, objects.length, "as many transfers as objects");
  assert.equal(new Set(objects.map(({ key }) => key)).size, objects.length);
  for (const { size_bytes } of objects) assert.ok(size_bytes > bytes);
  console.log(
    `upload: ${cut} of ${kills} killed at random moments (0-${measured.ms} ms), all resumed; ${objects.length} objects, ${paid.length} payments`,
  );
  return names;
}

async function killedDownloads(names: readonly string[], source: string): Promise<void> {
  const wanted = await sha256(source);
  const into = await mkdtemp(join(room, "into-"));
  const measured = await untilDone(["download", "measured", `to:${join(into, "measured")}`]);
  let cut = 0;
  let twice = 0;
  for (const name of names) {
    const to = join(into, name);
    const first = await run(["download", name, `to:${to}`], randomInt(50, measured.ms));
    if (first.killed) cut += 1;
    assert.ok(!existsSync(to) || (await sha256(to)) === wanted, "whole or not there");
    if (!existsSync(to)) await untilDone(["download", name, `to:${to}`]);
    else await untilDone(["resume"]);
    assert.equal(await sha256(to), wanted);
    const { object } = (await run(["stat", name])).answer;
    // A kill between the service's answer and our writing it down costs that URL; never more than the period includes.
    const left = Number(object?.["downloads_left"]);
    assert.ok(left >= 1, `${name} took ${3 - left} downloads`);
    if (left === 1) twice += 1;
  }
  assert.deepEqual(await debris(into), []);
  assert.deepEqual(await readdir(join(home, "operations")), []);
  console.log(
    `download: ${cut} of ${names.length} killed at random moments (0-${measured.ms} ms), all byte-identical; ${names.length - twice} took one download of the allowance, ${twice} two`,
  );
}

async function large(mb: number): Promise<void> {
  const source = join(room, "large.bin");
  await pipeline(function* () {
    for (let done = 0; done < mb; done++) yield randomBytes(1_000_000);
  }, createWriteStream(source));
  const up = await untilDone(["upload", source, "name:large"]);
  const down = await untilDone(["download", "large", `to:${join(room, "large.back")}`]);
  assert.equal(await sha256(join(room, "large.back")), await sha256(source));
  assert.equal((await stat(join(room, "large.back"))).size, mb * 1_000_000);
  const line = (run: Run) => `${(run.ms / 1000).toFixed(1)} s, at most ${run.peakMb.toFixed(0)} MB of memory`;
  console.log(`${mb} MB up: ${line(up)}; down: ${line(down)}`);
  assert.ok(up.peakMb < RSS_MAX_MB && down.peakMb < RSS_MAX_MB, `more than ${RSS_MAX_MB} MB of memory`);
}

let failed = true;
try {
  await buildPackage();
  await stack.chain.fund(address, 100_000_000n);
  const source = join(room, "source.bin");
  await writeFile(source, randomBytes(Number(values.mb) * 1_000_000));
  if (kills > 0) await killedDownloads(await killedUploads(source, Number(values.mb) * 1_000_000), source);
  if (Number(values["big-mb"]) > 0) await large(Number(values["big-mb"]));
  failed = false;
} catch (error) {
  console.error(error);
} finally {
  await stack.stop();
  await rm(room, { recursive: true, force: true, maxRetries: 5 });
}
process.exit(failed ? 1 : 0);
