/** The state directory: one stack at a time, keys found again, a lost chain noticed. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { takeLock } from "../stack/lock.ts";
import { forget, keysOf, recogniseChain, refuseLostChain, statePaths } from "../stack/state-directory.ts";
import { scratchDirectory } from "./scratch.ts";

/** The number of a process that has ended. */
const dead = () => spawnSync(process.execPath, ["-e", ""]).pid;

describe("the lock", () => {
  const write = (directory: string, holder: object) => writeFileSync(join(directory, "lock"), JSON.stringify(holder));

  test("keeps a second stack out, and lets it in once released", async () => {
    const directory = scratchDirectory();
    const lock = await takeLock(directory, process.pid);
    const refusal = `Another local stack (process ${process.pid}) is using ${directory}.`;
    await expect(takeLock(directory, process.pid)).rejects.toThrow(refusal);
    lock.release();
    (await takeLock(directory, process.pid)).release();
    expect(readdirSync(directory)).toEqual([]);
  });

  test("of a dead stack is taken over", async () => {
    const directory = scratchDirectory();
    write(directory, { pid: dead(), startedAt: "1", leashPid: dead() });
    (await takeLock(directory, process.pid)).release();
  });

  test("of a dead stack whose number another program has now is taken over", async () => {
    const directory = scratchDirectory();
    write(directory, { pid: process.pid, startedAt: "long ago", leashPid: dead() });
    (await takeLock(directory, process.pid)).release();
  });

  test("of a stack whose children are still being ended is waited for", async () => {
    const directory = scratchDirectory();
    const leash = spawn(process.execPath, ["-e", "setTimeout(() => {}, 500)"]);
    onTestFinished(() => void leash.kill());
    write(directory, { pid: dead(), startedAt: "1", leashPid: leash.pid });
    const lock = await takeLock(directory, process.pid);
    expect(leash.exitCode).toBe(0);
    lock.release();
  });

  test("that cannot be read is taken over", async () => {
    const directory = scratchDirectory();
    writeFileSync(join(directory, "lock"), "{");
    (await takeLock(directory, process.pid)).release();
  });
});

test("keys are made once, for their owner's eyes only, and found again", () => {
  const paths = statePaths(scratchDirectory());
  const keys = keysOf(paths);
  expect(keysOf(paths)).toEqual(keys);
  for (const name of readdirSync(paths.keys)) expect(statSync(join(paths.keys, name)).mode & 0o777).toBe(0o600);
  writeFileSync(join(paths.keys, "wallet"), "gone\n");
  expect(() => keysOf(paths)).toThrow(/wallet does not hold a private key\. .* --reset/);
});

test("forgetting removes what the stack made and nothing else", () => {
  const directory = scratchDirectory();
  const paths = statePaths(directory);
  keysOf(paths);
  recogniseChain(paths, "0x01");
  mkdirSync(join(directory, "photographs"));
  writeFileSync(join(directory, "letter"), "");
  forget(paths);
  expect(readdirSync(directory).sort()).toEqual(["letter", "photographs"]);
});

describe("a chain", () => {
  const known = () => {
    const paths = statePaths(scratchDirectory());
    mkdirSync(join(paths.chainFile, ".."), { recursive: true });
    writeFileSync(paths.chainFile, "{}");
    return paths;
  };

  test("that is the one the edge knows is welcome", () => {
    const paths = known();
    refuseLostChain(paths);
    recogniseChain(paths, "0xaa");
    refuseLostChain(paths);
    recogniseChain(paths, "0xaa");
  });

  test("that is another is refused, naming --reset", () => {
    const paths = known();
    recogniseChain(paths, "0xaa");
    expect(() => recogniseChain(paths, "0xbb")).toThrow(/The local chain was lost: .* --reset/);
  });

  test("whose file is gone is missed before a new one is begun", () => {
    const paths = known();
    recogniseChain(paths, "0xaa");
    rmSync(paths.chainFile);
    expect(() => refuseLostChain(paths)).toThrow(/The local chain was lost: .* --reset/);
    expect(existsSync(paths.chainFile)).toBe(false);
  });

  test("is missed even if only the edge's data is left", () => {
    const paths = statePaths(scratchDirectory());
    mkdirSync(join(paths.edge, "v3"), { recursive: true });
    expect(() => refuseLostChain(paths)).toThrow("--reset");
  });
});
