/**
 * What happened, for the owner: `object.log` tells the life of each object, `logs/activity.jsonl` each thing done. One JSON
 * object a line, private, rotated. Never a key, never content; and never a reason to fail what is being logged.
 */
import { closeSync, constants, openSync, renameSync, statSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";
import { ensurePrivateDirectory } from "../private-file.ts";

const ROTATE_BYTES = 10 * 1024 * 1024;
const KEPT = 5;

export type LogFacts = Readonly<Record<string, string | number | boolean | null | undefined>>;

export interface Log {
  /** `object.log`: quoted, paid, stored, fetched, renewed, deleted. */
  object(event: string, facts: LogFacts): void;
  /** `logs/activity.jsonl`. */
  activity(event: string, facts: LogFacts): void;
}

export async function openLog(home: string): Promise<Log> {
  await ensurePrivateDirectory(join(home, "logs"));
  const write = (path: string, event: string, facts: LogFacts) => {
    try {
      rotate(path);
    } catch {
      // Two processes at once: the other one has done it.
    }
    try {
      append(path, `${JSON.stringify({ ts: new Date(Date.now()).toISOString(), event, ...facts })}\n`);
    } catch {
      // A full disk must not stop a download, nor make a paid upload look failed.
    }
  };
  return {
    object: (event, facts) => write(join(home, "object.log"), event, facts),
    activity: (event, facts) => write(join(home, "logs", "activity.jsonl"), event, facts),
  };
}

function append(path: string, line: string): void {
  const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0);
  const handle = openSync(path, flags, 0o600);
  try {
    writeSync(handle, line);
  } finally {
    closeSync(handle);
  }
}

function rotate(path: string): void {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size < ROTATE_BYTES) return;
  const name = (age: number) => `${path}.${age}`;
  try {
    unlinkSync(name(KEPT));
  } catch {
    // The oldest may not exist yet.
  }
  for (let age = KEPT - 1; age >= 1; age--) {
    if (statSync(name(age), { throwIfNoEntry: false })) renameSync(name(age), name(age + 1));
  }
  renameSync(path, name(1));
}
