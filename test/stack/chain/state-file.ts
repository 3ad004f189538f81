/**
 * The file anvil keeps the chain in, read before anvil reads it.
 *
 * anvil writes it in place every second. Killed hard in the middle, it leaves half a file, and its own words about that
 * would not help anyone; ours say what to type. The time of block 0 is read here too, see `anvilArguments`.
 */
import { readFile } from "node:fs/promises";
import * as z from "zod";
import { StackFailure } from "../failure.ts";

const savedChain = z.object({
  accounts: z.record(z.string(), z.unknown()),
  transactions: z.array(z.unknown()),
  blocks: z.array(z.object({ header: z.object({ number: z.string(), timestamp: z.string() }) })),
});

/** When the saved chain was born, in seconds since 1970; `undefined` if there is no saved chain. */
export async function birthOfSavedChain(stateFile: string): Promise<number | undefined> {
  let text: string;
  try {
    text = await readFile(stateFile, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  const saved = savedChain.safeParse(parsed(text));
  const births = saved.success
    ? saved.data.blocks.filter((block) => BigInt(block.header.number) === 0n).map((block) => block.header.timestamp)
    : [];
  if (births.length === 0) {
    throw new StackFailure(
      `The saved chain in ${stateFile} is damaged: it was cut short while it was being written. ` +
        "Start again with --reset to throw away the local chain and everything paid on it.",
    );
  }
  return Math.min(...births.map(Number));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
