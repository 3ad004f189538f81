/**
 * How fast the envelope is, beside the age library's stream and the age binary when it is installed.
 * Prints MB/s (10^6 bytes) and, since machines differ, the ratio to our own opening or sealing in the same run.
 *
 *   node bench/envelope.ts [MiB]      default 256; all on one thread but what the binary and the disk do
 */
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Decrypter, Encrypter, generateX25519Identity, identityToRecipient } from "age-encryption";
import { parseWallet } from "#contract/wallet";
import { openToFile, sealToFile } from "../client-plugin/envelope/files.ts";
import { open } from "../client-plugin/envelope/open.ts";
import { seal } from "../client-plugin/envelope/seal.ts";

const PIECE = randomBytes(1024 * 1024);
const mib = Number(process.argv[2] ?? 256);
const megabytes = (mib * PIECE.length) / 1e6;

const wallet = parseWallet(`0x${"11".repeat(20)}`);
if (wallet === undefined) throw new Error("the bench's wallet is malformed");
const kek = randomBytes(32);
const context = { chainId: 8453, wallet, objectId: "bench", version: 1 };
const kekFor = () => kek;
const identity = await generateX25519Identity();
const recovery = await identityToRecipient(identity);

async function* source(): AsyncGenerator<Uint8Array, void, undefined> {
  for (let count = 0; count < mib; count++) yield PIECE;
}

async function drain(stream: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of stream);
}

/** Best of three, in MB/s: the least disturbed run says most about the code. */
async function measure(run: () => unknown): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let turn = 0; turn < 3; turn++) {
    const begun = performance.now();
    await run();
    best = Math.min(best, performance.now() - begun);
  }
  return megabytes / (best / 1000);
}

/** The library takes and gives web streams. */
function web(): ReadableStream<Uint8Array> {
  return ReadableStream.from(source());
}

const dir = mkdtempSync(join(tmpdir(), "mnemospark-bench-"));
const at = (name: string): string => join(dir, name);
const results: [what: string, mbPerS: number, beside: string][] = [];
try {
  const object: Uint8Array[] = [];
  for await (const part of seal({ source: source(), kek, context, recovery }).bytes) object.push(Buffer.from(part));
  const stored = async function* () {
    yield* object;
  };
  const sealing = () => seal({ source: source(), kek, context, recovery }).bytes;
  results.push(["seal", await measure(() => drain(sealing())), "seal"]);
  results.push(["open", await measure(() => drain(open({ source: stored(), kekFor, context }))), "open"]);

  const toFile = async () => {
    rmSync(at("sealed"), { force: true });
    await sealToFile({ source: source(), kek, context, recovery, path: at("sealed") });
  };
  results.push(["sealToFile (hashes both sides, writes)", await measure(toFile), "seal"]);
  const fromFile = () => {
    const options = { source: createReadStream(at("sealed"), { highWaterMark: 1 << 20 }), kekFor, context };
    return openToFile({ ...options, destination: at("plain"), overwrite: true });
  };
  results.push(["openToFile (reads, writes, syncs)", await measure(fromFile), "open"]);

  const encrypter = new Encrypter();
  encrypter.addRecipient(recovery);
  results.push(["age-encryption, encrypt", await measure(async () => drain(await encrypter.encrypt(web()))), "seal"]);
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity);
  const theirs = async () => drain(await decrypter.decrypt(ReadableStream.from(stored())));
  results.push(["age-encryption, decrypt", await measure(theirs), "open"]);

  if (spawnSync("age", ["--version"]).error !== undefined) console.log("no `age` binary here: left out");
  else {
    writeFileSync(at("key"), `${identity}\n`, { mode: 0o600 });
    const age = (...args: string[]) => {
      const { status, stderr } = spawnSync("age", args);
      if (status !== 0) throw new Error(stderr.toString());
    };
    const encrypt = () => age("-r", recovery, "-o", at("by-age"), at("plain"));
    results.push(["age binary, file to file, encrypt", await measure(encrypt), "seal"]);
    const decrypt = () => age("-d", "-i", at("key"), "-o", at("back"), at("sealed"));
    results.push(["age binary, file to file, decrypt", await measure(decrypt), "open"]);
  }
} finally {
  rmSync(dir, { recursive: true, force: true });
}

console.log(`${mib} MiB, node ${process.version}, one thread`);
for (const [what, speed, beside] of results) {
  const ours = results.find(([name]) => name === beside)?.[1] ?? speed;
  console.log(`${what.padEnd(42)}${speed.toFixed(0).padStart(6)} MB/s  ${(speed / ours).toFixed(2)} of our ${beside}`);
}
