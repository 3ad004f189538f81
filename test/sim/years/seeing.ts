/** Whether the judge of years sees the known bugs: asked of a process of its own, because the source is changed as it is loaded. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

export interface Found {
  readonly name: string;
  readonly seed: number;
  /** What the judge said. */
  readonly said: string;
}

export async function findBugs(names: readonly string[]): Promise<Found[]> {
  const hooks = join(import.meta.dirname, "../hooks.mjs");
  const program = join(import.meta.dirname, "find-bugs.ts");
  const { stdout } = await promisify(execFile)(process.execPath, ["--import", hooks, program, ...names]);
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Found);
}
