/** A command of the project as a person runs it, and the processes it starts, found by the directory they work on. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { isRunning, until } from "../stack-tests/scratch.ts";

export interface Program {
  readonly process: ChildProcess;
  output(): string;
  /** Resolves when the output holds the text; throws when the program ends without it. */
  says(text: string): Promise<void>;
  /** Its exit code. */
  readonly ended: Promise<number | null>;
}

/** `file` counts from the folder of the tests. */
export function run(file: string, ...args: readonly string[]): Program {
  const entry = fileURLToPath(new URL(`../${file}`, import.meta.url).href);
  const child = spawn(process.execPath, ["--no-warnings", entry, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
  const ended = once(child, "close").then(() => child.exitCode);
  const says = async (text: string) => {
    await until(`it says ${text}`, () => output.includes(text) || child.exitCode !== null, 60_000);
    if (!output.includes(text))
      throw new Error(`it ended with code ${child.exitCode} and never said ${text}:\n${output}`);
  };
  return { process: child, output: () => output, says, ended };
}

/** Every process of this machine whose command line holds the text. */
export function processesOf(text: string): number[] {
  const { stdout } = spawnSync("ps", ["-eo", "pid=,args=", "-ww"], { encoding: "utf8" });
  const numbers = stdout.split("\n").filter((line) => line.includes(text));
  return numbers.map((line) => Number(line.trim().split(" ")[0])).filter(isRunning);
}
