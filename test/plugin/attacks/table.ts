/**
 * The attack list: the table of docs/client.md is what these tests check against, so each row is tried and says what the page says.
 * In a sentence `…` stands for what differs from machine to machine.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { explain } from "../../../client-plugin/faults.ts";

const PAGE = join(import.meta.dirname, "../../../docs/client.md");

/** Attack -> sentence. */
export function attackTable(): Map<string, string> {
  const [, section = ""] = /<!-- attack list -->\n([\s\S]*?)\n\n/.exec(readFileSync(PAGE, "utf8")) ?? [];
  const rows = section.split("\n").slice(2);
  return new Map(
    rows.map((row) => {
      const [, attack = "", sentence = ""] = row.split(/\s*(?<!\\)\|\s*/);
      return [attack, sentence.replaceAll("\\|", "|")] as const;
    }),
  );
}

/** Tries one row. `work` resolves to the sentence that the attacker, or the owner, gets to read. */
export function attack(name: string, work: () => Promise<string>): void {
  test(name, async () => {
    const wanted = attackTable().get(name) ?? "(not in the table of docs/client.md)";
    expect(await work()).toMatch(new RegExp(wanted.split("…").map(literal).join("[\\s\\S]*")));
  });
}

function literal(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

/** What was refused, as every face says it. */
export function sentenceOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    (value) => `nothing was refused: ${JSON.stringify(value)}`,
    (error: unknown) => explain(error).message,
  );
}
