/** The demo as a person runs it: with a real folder, and with a part of the stack dying under it. */
import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { scratchDirectory, until } from "../stack-tests/scratch.ts";
import { processesOf, run } from "./program.ts";

function folderOf(directory: string, files: number, bytesEach: number): string {
  const folder = join(directory, "folder");
  for (let index = 0; index < files; index++) {
    const place = join(folder, `part ${index % 20}`, "ünïcode");
    mkdirSync(place, { recursive: true });
    writeFileSync(join(place, `file-${index}.bin`), randomBytes(index === 0 ? 0 : bytesEach));
  }
  return folder;
}

const demo = (directory: string, folder: string, ...more: string[]) =>
  run("demo/demo.ts", "--state", join(directory, "state"), "--port-base", "0", ...more, folder);

test("a thousand files and two hundred megabytes come back identical", { timeout: 300_000 }, async () => {
  const directory = scratchDirectory();
  const folder = folderOf(directory, 1_200, 180_000);
  const program = demo(directory, folder);
  expect(await program.ended).toBe(0);
  expect(program.output()).toMatch(/│ what +1,200 files, 21\d\.\d MB/);
  expect(program.output()).toMatch(/│ identical +yes/);
  expect(program.output()).toMatch(/│ deleted +yes/);
  await until("nothing is left", () => processesOf(directory).length === 0);
});

describe("when a part dies in mid-demo, it says so and ends; the same command then succeeds:", () => {
  /** What only this part's command line holds. */
  const marks = { chain: "state/chain/state.json", S3: "state/s3 ", edge: "state/edge " };
  for (const part of ["chain", "S3", "edge"] as const)
    test(part, { timeout: 180_000 }, async () => {
      const directory = scratchDirectory();
      const folder = folderOf(directory, 40, 50_000);
      const first = demo(directory, folder);
      await first.says("ask the price");
      const [pid] = processesOf(join(directory, marks[part]));
      if (pid === undefined) throw new Error(`no ${part} is running`);
      process.kill(pid, "SIGKILL");
      expect(await first.ended).toBe(1);
      expect(first.output()).toMatch(
        new RegExp(`(?:${part}|${part.toLowerCase()}) ended by SIGKILL|cannot be reached|broke off`),
      );
      expect(first.output()).toContain("Nothing is lost: run the same command again.");
      expect(first.output()).not.toMatch(/^ +at .*\.ts:\d+/m);
      await until("nothing is left", () => processesOf(directory).length === 0);

      const second = demo(directory, folder);
      expect(await second.ended, second.output()).toBe(0);
      expect(second.output()).toMatch(/│ identical +yes/);
    });
});
