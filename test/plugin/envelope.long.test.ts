/**
 * The long look: Debian's age must be there and agree about large objects, and a gigabyte must pass in constant memory.
 * The short suite skips age where it is missing; this one installs it, or fails.
 */
import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { createReadStream, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { identityToRecipient } from "age-encryption";
import { beforeAll, expect, test } from "vitest";
import { recoverToFile, sealToFile } from "../../client-plugin/envelope/files.ts";
import { context, kek, recovery, scratch } from "./fixture.ts";

const dir = scratch();
const at = (name: string): string => join(dir, name);
const PIECE = randomBytes(1024 * 1024);

function run(command: string, ...args: string[]): void {
  const { status, stderr, error } = spawnSync(command, args);
  if (error !== undefined || status !== 0) throw new Error(`${command} failed: ${error?.message ?? stderr.toString()}`);
}

async function* megabytes(count: number): AsyncGenerator<Uint8Array, void, undefined> {
  for (let index = 0; index < count; index++) yield PIECE;
}

async function digest(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(path)) hash.update(piece);
  return hash.digest("hex");
}

beforeAll(() => {
  if (spawnSync("age", ["--version"]).error !== undefined) run("apt-get", "install", "-y", "age");
  writeFileSync(at("key"), `${recovery.identity}\n`, { mode: 0o600 });
}, 120_000);

test("age opens a sealed gigabyte, made in constant memory; we open what age makes of it", async () => {
  const before = process.memoryUsage.rss();
  let peak = before;
  const onProgress = (bytes: number): void => {
    if (bytes % (64 * 65_536) === 0) peak = Math.max(peak, process.memoryUsage.rss());
  };
  const recipient = await identityToRecipient(recovery.identity);
  const options = { source: megabytes(1024), kek, context, recovery: recipient, onProgress };
  const sealed = await sealToFile({ ...options, path: at("sealed") });
  expect((peak - before) / 1024 ** 2).toBeLessThan(250);

  run("age", "-d", "-i", at("key"), "-o", at("plain"), at("sealed"));
  rmSync(at("sealed"));
  expect(await digest(at("plain"))).toBe(sealed.plainSha256Hex);

  run("age", "-r", recipient, "-o", at("by-age"), at("plain"));
  rmSync(at("plain"));
  const source = createReadStream(at("by-age"));
  const back = await recoverToFile({ source, identity: recovery.identity, destination: at("back") });
  expect(back.sha256Hex).toBe(sealed.plainSha256Hex);
}, 120_000);
