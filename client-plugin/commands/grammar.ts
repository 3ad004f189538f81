/**
 * What people type, as the published client takes it: `key:value`, `key=value`, `--key value`, in any case, with smart quotes and
 * long dashes where a chat put them. Wrong input says what came and what was wanted, all of it at once.
 */
import { Fault } from "../faults.ts";

export interface Flag {
  readonly kind: "text" | "switch";
  readonly help: string;
  /** Other spellings. */
  readonly also?: readonly string[];
}

export interface Grammar {
  /** Names of what may stand without a key, in order; the last may be left out. */
  readonly words: readonly string[];
  readonly flags: Readonly<Record<string, Flag>>;
}

export interface Parsed {
  readonly words: readonly string[];
  text(name: string): string | undefined;
  has(name: string): boolean;
}

/** Splits a line as a shell would, without its expansions: quotes keep spaces, also in `key:"two words"`. */
export function tokenize(line: string): string[] {
  const tokens: string[] = [];
  const plain = line.replace(/[\u201c\u201d\u201e\u00ab\u00bb]/g, '"').replace(/[\u2018\u2019\u201a]/g, "'");
  const pattern = /(?:[^\s"']+|"(?:\\.|[^"\\])*"|'[^']*')+/g;
  for (const [token] of plain.matchAll(pattern))
    tokens.push(
      token.replace(
        /"((?:\\.|[^"\\])*)"|'([^']*)'/g,
        (_, double?: string, single?: string) => double?.replace(/\\(.)/g, "$1") ?? single ?? "",
      ),
    );
  return tokens;
}

/** @throws Fault `bad_arguments` with one line per complaint */
export function parse(tokens: readonly string[], grammar: Grammar): Parsed {
  const values = new Map<string, string>();
  const words: string[] = [];
  const complaints: string[] = [];
  const names = spellings(grammar.flags);
  const take = (raw: string, value: string | undefined) => {
    const name = names.get(normalise(raw));
    if (name === undefined) complaints.push(unknown(raw, [...names.keys()]));
    else if (values.has(name)) complaints.push(`Duplicate argument "${name}".`);
    else if (value === undefined) complaints.push(`Missing value for argument "${name}".`);
    else if (value === "") complaints.push(`Empty value for argument "${name}".`);
    else values.set(name, value);
  };
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at] ?? "";
    const dashed = /^(?:--|[\u2013\u2014]|\u2010\u2010|\u2012)([A-Za-z].*)$/.exec(token)?.[1];
    const keyed = /^([A-Za-z][A-Za-z0-9_-]*)[:=]([\s\S]*)$/.exec(dashed ?? token);
    if (dashed !== undefined && keyed === null) {
      const name = names.get(normalise(dashed));
      const isSwitch = name !== undefined && grammar.flags[name]?.kind === "switch";
      const next = tokens[at + 1];
      if (isSwitch) take(dashed, next === "true" || next === "false" ? tokens[++at] : "true");
      else if (next === undefined || next.startsWith("--")) take(dashed, undefined);
      else take(dashed, tokens[++at]);
    } else if (
      keyed !== null &&
      (dashed !== undefined || names.has(normalise(keyed[1] ?? "")) || words.length >= grammar.words.length)
    )
      take(keyed[1] ?? "", keyed[2]);
    else if (names.has(normalise(token)) && grammar.flags[names.get(normalise(token)) ?? ""]?.kind === "switch")
      take(token, "true");
    else if (words.length < grammar.words.length) words.push(token);
    else complaints.push(`Unexpected token "${token}". Use key:value, key=value, or --key value.`);
  }
  if (complaints.length > 0) throw badArguments(complaints);
  return { words, text: (name) => values.get(name), has: (name) => values.has(name) && values.get(name) !== "false" };
}

export function badArguments(complaints: readonly string[]): Fault {
  const lines = ["Could not parse command arguments.", ...complaints.map((each) => `- ${each}`)];
  return new Fault("bad_arguments", lines.join("\n"), { next: "Accepted formats: key:value, key=value, --key value." });
}

function spellings(flags: Grammar["flags"]): Map<string, string> {
  return new Map(
    Object.entries(flags).flatMap(([name, flag]) => [name, ...(flag.also ?? [])].map((each) => [each, name] as const)),
  );
}

function normalise(name: string): string {
  return name
    .toLowerCase()
    .replace(/[\u2010-\u2015]/g, "-")
    .replaceAll("_", "-");
}

function unknown(raw: string, known: readonly string[]): string {
  const near = nearest(normalise(raw), known);
  return `Unknown argument "${raw}".${near === undefined ? "" : ` Did you mean "${near}"?`}`;
}

export function nearest(name: string, known: readonly string[]): string | undefined {
  const [best] = known.map((each) => ({ each, far: distance(name, each) })).sort((a, b) => a.far - b.far);
  return best !== undefined && best.far <= Math.min(2, Math.floor(name.length / 2)) ? best.each : undefined;
}

/** Levenshtein. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min(
        (row[j] ?? 0) + 1,
        (next[j - 1] ?? 0) + 1,
        (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1),
      );
    row = next;
  }
  return row[b.length] ?? 0;
}
