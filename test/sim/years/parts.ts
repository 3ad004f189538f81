/**
 * A long history in parts, several at a time. Wallets have nothing in common but the outages, and those are drawn from the seed alone; so
 * parts are histories of some of the wallets each, and their books are added up. Few wallets a part keep their databases in the
 * processor's cache.
 */
import { fork } from "node:child_process";
import { join } from "node:path";
import type { YearsHistory } from "./history.ts";

export interface Part {
  readonly seed: number;
  readonly first: number;
  readonly wallets: number;
  readonly days: number;
}

const WALLETS_A_PART = 50;

export function partsOf({ seed, first: from, wallets, days }: Part): Part[] {
  return Array.from({ length: Math.ceil(wallets / WALLETS_A_PART) }, (_, index) => {
    const first = from + index * WALLETS_A_PART;
    return { seed, first, wallets: Math.min(WALLETS_A_PART, from + wallets - first), days };
  });
}

/** How to see again what a part has found. */
export class PartFailed extends Error {
  readonly part: Part;
  constructor(part: Part, fault: string) {
    super(fault);
    this.part = part;
  }
}

/** Throws what the first part to fail has found. */
export async function runParts(
  parts: readonly Part[],
  processes: number,
  done: (history: YearsHistory) => void,
): Promise<YearsHistory> {
  const waiting = [...parts];
  const histories: YearsHistory[] = [];
  const work = async () => {
    for (let part = waiting.shift(); part; part = waiting.shift()) {
      const history = await runPart(part);
      histories.push(history);
      done(history);
    }
  };
  await Promise.all(Array.from({ length: Math.min(processes, parts.length) }, work));
  return histories.reduce(add);
}

function runPart(part: Part): Promise<YearsHistory> {
  return new Promise((resolve, reject) => {
    const child = fork(join(import.meta.dirname, "part.ts"), { serialization: "advanced" });
    child.once("message", (said: { history?: YearsHistory; fault?: string }) =>
      said.history ? resolve(said.history) : reject(new PartFailed(part, said.fault ?? "")),
    );
    child.once("error", reject);
    child.once("exit", (code) => reject(new PartFailed(part, `its process ended with ${code}`)));
    child.send(part);
  });
}

function add(one: YearsHistory, two: YearsHistory): YearsHistory {
  const { troubles, ...books } = one;
  const sum = Object.entries(books).map(([name, value]) => {
    const other = two[name as keyof typeof books];
    return [name, typeof value === "bigint" ? value + BigInt(other) : Number(value) + Number(other)];
  });
  return { ...(Object.fromEntries(sum) as typeof books), troubles };
}
