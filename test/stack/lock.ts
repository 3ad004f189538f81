/**
 * One stack to a state directory.
 *
 * Two anvils writing one file, or two workerds one database, would lose what both remember. The lock names the
 * processes that hold it; a lock whose processes are gone is taken over, so a crash never needs cleaning by hand.
 */
import { linkSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as z from "zod";
import { StackFailure } from "./failure.ts";

export interface Lock {
  readonly directory: string;
  release(): void;
}

/** Somebody alive holds the directory. */
export function isHeld(directory: string): boolean {
  const holder = read(join(directory, "lock"));
  return holder !== undefined && isSame(holder);
}

const holderSchema = z.object({ pid: z.int(), startedAt: z.string(), leashPid: z.int() });
type Holder = z.infer<typeof holderSchema>;

/** How long a dead supervisor's leash may take to end its children. */
const LEASH_WITHIN_MS = 10_000;
const POLL_MS = 100;

export async function takeLock(directory: string, leashPid: number): Promise<Lock> {
  const file = join(directory, "lock");
  const mine = { pid: process.pid, startedAt: startOf(process.pid), leashPid };
  const deadline = Date.now() + LEASH_WITHIN_MS;
  while (!tryTake(file, mine)) {
    const holder = read(file);
    if (holder !== undefined && isSame(holder)) {
      throw new StackFailure(
        `Another local stack (process ${holder.pid}) is using ${directory}. Stop it, or choose another directory with --state.`,
      );
    }
    if (holder !== undefined && isAlive(holder.leashPid) && Date.now() < deadline) {
      await sleep(POLL_MS); // Its supervisor was killed and its children are being ended at this moment.
      continue;
    }
    rmSync(file, { force: true });
  }
  return {
    directory,
    release: () => {
      const holder = read(file);
      if (holder?.pid === mine.pid && holder.startedAt === mine.startedAt) rmSync(file, { force: true });
    },
  };
}

/** A link appears whole or not at all, so nobody ever reads half a lock. */
function tryTake(file: string, holder: Holder): boolean {
  const draft = `${file}.${process.pid}.${holder.leashPid}`;
  writeFileSync(draft, JSON.stringify(holder), { mode: 0o600 });
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

function read(file: string): Holder | undefined {
  try {
    return holderSchema.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** Alive, and not another program that was given the number since. */
function isSame(holder: Holder): boolean {
  return isAlive(holder.pid) && startOf(holder.pid) === holder.startedAt;
}

/** When a process began, where the system tells (Linux); process numbers are used again, moments are not. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // Fields are counted after the program's name, which is in brackets and may hold anything.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    return "";
  }
}
