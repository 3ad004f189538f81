/**
 * One log file a child, written by the child itself.
 *
 * A child holds the file, not a pipe to us: when the supervisor is killed, a child that still has something to say
 * (anvil while it saves the chain) must not die of a broken pipe. Names are put before lines only where they are shown.
 */
import { closeSync, existsSync, mkdirSync, openSync, readSync, renameSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { stripVTControlCharacters } from "node:util";

/** How much of the end of a log is read to find its last lines. */
const TAIL_BYTES = 16_384;

/** Opens a fresh log; the one of the run before is kept beside it. */
export function openLog(file: string): number {
  mkdirSync(dirname(file), { recursive: true });
  if (existsSync(file)) renameSync(file, `${file}.previous`);
  return openSync(file, "a", 0o600);
}

/** The last lines of a log, each with the name of its child before it. */
export function lastLines(file: string, name: string, count = 12): string {
  let text: string;
  try {
    const size = statSync(file).size;
    const buffer = Buffer.alloc(Math.min(size, TAIL_BYTES));
    const descriptor = openSync(file, "r");
    readSync(descriptor, buffer, 0, buffer.length, size - buffer.length);
    closeSync(descriptor);
    text = stripVTControlCharacters(buffer.toString("utf8"));
  } catch {
    return `${name} | (no log)`;
  }
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== "");
  if (lines.length === 0) return `${name} | (wrote nothing)`;
  return lines
    .slice(-count)
    .map((line) => `${name} | ${line}`)
    .join("\n");
}
