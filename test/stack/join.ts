/** How a second command finds the stack that a first one runs: a note in the state directory, as long as its writer lives. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Address } from "viem";
import * as z from "zod";
import { bank } from "./chain/chain.ts";
import { chainClient } from "./chain/client.ts";
import { isHeld } from "./lock.ts";

const note = z.object({
  urls: z.object({
    edge: z.string(),
    s3: z.string(),
    chain: z.string(),
    secrets: z.string(),
    pricing: z.string(),
  }),
  payTo: z.custom<Address>((value) => typeof value === "string" && /^0x[0-9a-fA-F]{40}$/.test(value)),
});
type Note = z.infer<typeof note>;

export interface Running extends Note {
  fund(address: Address, microUsdc: bigint): Promise<unknown>;
}

export function announce(directory: string, running: Note): void {
  writeFileSync(join(directory, "running.json"), JSON.stringify(running), { mode: 0o600 });
}

export function withdraw(directory: string): void {
  rmSync(join(directory, "running.json"), { force: true });
}

/** The stack that runs on this directory; undefined when none does, or one that is not ready yet. */
export async function joinStack(directory: string): Promise<Running | undefined> {
  if (!isHeld(directory)) return undefined;
  const read = note.safeParse(readNote(directory));
  if (!read.success) return undefined;
  const { fund } = bank(chainClient(read.data.urls.chain));
  return { ...read.data, fund };
}

function readNote(directory: string): unknown {
  try {
    return JSON.parse(readFileSync(join(directory, "running.json"), "utf8"));
  } catch {
    return undefined;
  }
}
