/** The house inspects itself: sizes, words that only one room may say, and a file map that cannot drift. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

const root = join(import.meta.dirname, "..");
const shipped = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "*.ts"], {
  cwd: root,
  encoding: "utf8",
})
  .split("\n")
  .filter((path) => /^(?:contract|durable|worker|client-plugin)\//.test(path) && existsSync(join(root, path)));
const read = (path: string) => readFileSync(join(root, path), "utf8");

/** Words with a room of their own: elsewhere they are a second clock, a second parser, a second configuration. */
const WORDS: readonly { word: RegExp; room: RegExp; why: string }[] = [
  {
    word: /\bDate\.now\(|new Date\(\)/,
    room: /^(?:worker\/env\.ts|worker\/page\/main\.ts|durable\/(?:wallet|relayer|rates)\.ts|client-plugin\/|worker\/s3-door\/)/,
    why: "time is passed in",
  },
  { word: /\bMath\.random\(/, room: /^$/, why: "chance is no source of ids" },
  { word: /\bprocess\.env\b/, room: /^client-plugin\/config\.ts$/, why: "one room reads the environment" },
  { word: /\bparseFloat\(/, room: /^$/, why: "money and sizes are exact" },
  { word: /\bas any\b|@ts-ignore|@ts-expect-error/, room: /^$/, why: "a type that lies is worse than none" },
];

describe("the house", () => {
  test("keeps every shipped file under 400 lines", () => {
    const long = shipped
      .map((path) => ({ path, lines: read(path).split("\n").length }))
      .filter(({ lines }) => lines > 400);
    expect(long).toEqual([]);
  });

  test("says why at the top of every shipped file", () => {
    const silent = shipped.filter((path) => !path.endsWith(".d.ts") && !/^(?:#![^\n]*\n)?\/\*\*/.test(read(path)));
    expect(silent).toEqual([]);
  });

  test.each(WORDS)("keeps $word to its room: $why", ({ word, room }) => {
    const heard = shipped.filter(
      (path) => !room.test(path) && word.test(read(path).replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, "")),
    );
    expect(heard).toEqual([]);
  });

  test("has a file map in the README that names only what exists", () => {
    const map = /<!-- file map -->([\s\S]*?)\n\n/.exec(read("README.md"))?.[1] ?? "";
    const named = [...map.matchAll(/^\| `([^`]+)`/gm)].map((match) => match[1] ?? "");
    expect(named.length).toBeGreaterThan(10);
    expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  test("runs in CI what the README tells people to run", () => {
    expect(read(".ci/run")).toContain("<!-- test command -->");
    expect(read("README.md")).toMatch(/<!-- test command -->\n```sh\nnpm ci && npm run \w+\n```/);
  });
});
