/**
 * Holds a server to the suite, or to the suite minus a list of deviations: every finding of a test must be one that is listed for it,
 * and every listed finding must be found. So an unlisted deviation fails, and so does one that no longer holds.
 */
import { expect, it as plain } from "vitest";

export interface Deviation {
  /** What the server does otherwise, and what that means for the product. */
  readonly why: string;
  /** Name of a test, without the server's, and what it finds, in order. */
  readonly found: Readonly<Record<string, readonly string[]>>;
  /** A race: it may also not be found. */
  readonly sometimes?: true;
}

let listed: ReadonlyMap<string, readonly string[]> | undefined;
let racing: ReadonlySet<string> = new Set();
let findings: string[] | undefined;

/** Once a file, before its suites are described. A test in two deviations is a mistake in the list. */
export function judgeBy(deviations: readonly Deviation[]): void {
  const map = new Map<string, string[]>();
  for (const { found } of deviations)
    for (const [test, lines] of Object.entries(found)) map.set(test, [...(map.get(test) ?? []), ...lines]);
  listed = map;
  racing = new Set(deviations.flatMap(({ sometimes, found }) => (sometimes ? Object.keys(found) : [])));
}

/** The tests that deviations are listed for and that never ran: a renamed test must not take its deviation with it. */
export function unmet(): string[] {
  return [...(listed?.keys() ?? [])].filter((name) => !met.has(name));
}
const met = new Set<string>();

type Body = () => Promise<void> | void;

/** `it` of vitest, judged. */
export function it(name: string, body: Body): void {
  plain(name, () => judged(body));
}
it.each = each;

function each<T>(
  rows: readonly T[],
): (name: string, body: (...row: T extends readonly unknown[] ? T : [T]) => Promise<void> | void) => void {
  return (name, body) => {
    plain.each(rows as readonly unknown[])(name, (...row: unknown[]) => judged(() => body(...(row as never))));
  };
}

async function judged(body: Body): Promise<void> {
  if (listed === undefined) return body();
  const name = (expect.getState().currentTestName ?? "").split(" > ").slice(1).join(" > ");
  met.add(name);
  const wanted = listed.get(name) ?? [];
  const mine: string[] = [];
  findings = mine;
  try {
    await body();
  } catch (error) {
    // Not listed at all: the reader wants the test's own words.
    if (wanted.length === 0) throw error;
    mine.push(lineOf(error));
  } finally {
    findings = undefined;
  }
  if (mine.length === 0 && racing.has(name)) return;
  expect(mine.toSorted()).toEqual(wanted.toSorted());
}

/** An expectation that does not end a judged test: what comes after it is looked at too. */
export function check(expectation: () => void): void {
  try {
    expectation();
  } catch (error) {
    if (findings === undefined) throw error;
    findings.push(lineOf(error));
  }
}

/** The first line of a failure, without what differs from run to run. */
function lineOf(error: unknown): string {
  const [line = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
  return line
    .replace(/ \/\/ .*$/, "")
    .replace(/\b(bucket|sdk)-\d[\w-]*/g, "$1")
    .replace(/\btx[0-9a-f]{10,}[\w-]*/g, "tx")
    .slice(0, 200);
}
