/** What people type. */
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { parse, tokenize } from "../../client-plugin/commands/grammar.ts";
import { readSettings } from "../../client-plugin/config.ts";
import { explain } from "../../client-plugin/faults.ts";
import { readablePath, writablePath } from "../../client-plugin/tools/paths.ts";
import { scratch } from "./fixture.ts";

const grammar = {
  words: ["path"],
  flags: {
    name: { kind: "text", help: "", also: ["object-key"] },
    "wallet-address": { kind: "text", help: "", also: ["wallet"] },
    async: { kind: "switch", help: "" },
  },
} as const;

function read(line: string) {
  const { words, text, has } = parse(tokenize(line), grammar);
  return { words, name: text("name"), wallet: text("wallet-address"), async: has("async") };
}

function complaint(line: string): string {
  try {
    read(line);
  } catch (error) {
    return explain(error).message;
  }
  return "nothing was refused";
}

describe("the grammar", () => {
  test.each([
    ["./notes name:mine async:true"],
    ["./notes name=mine async=true"],
    ["./notes --name mine --async"],
    ["./notes --name=mine --async true"],
    ["./notes NAME:mine ASYNC:true"],
    ["./notes object_key:mine async"],
    ["./notes \u2014name mine \u2013async"],
    ["./notes name:\u201cmine\u201d async:true"],
  ])("%s", (line) => {
    expect(read(line)).toEqual({ words: ["./notes"], name: "mine", wallet: undefined, async: true });
  });

  test("keeps what is quoted together", () => {
    expect(read('"/my notes/a b" name:"two words" wallet=\'0x 1\'')).toMatchObject({
      words: ["/my notes/a b"],
      name: "two words",
      wallet: "0x 1",
    });
  });

  test("takes a path with a colon for a path", () => {
    expect(read("C:/notes").words).toEqual(["C:/notes"]);
  });

  test.each([
    ["x nmae:y", 'Unknown argument "nmae". Did you mean "name"?'],
    ["x --frobnicate", 'Unknown argument "frobnicate".'],
    ["x name:a name:b", 'Duplicate argument "name".'],
    ["x object-key:a name:b", 'Duplicate argument "name".'],
    ["x name:", 'Empty value for argument "name".'],
    ["x --name", 'Missing value for argument "name".'],
    ["x y", 'Unexpected token "y". Use key:value, key=value, or --key value.'],
  ])("%s: %s", (line, wanted) => {
    expect(complaint(line)).toContain(wanted);
  });
});

describe("the paths an agent may name", () => {
  const room = scratch();
  const workspace = join(room, "workspace");
  const settings = readSettings({ environment: {}, config: { home: join(room, "state", "mnemospark") } });
  const rules = { settings, workspace };

  beforeAll(async () => {
    await mkdir(join(settings.home, "keys"), { recursive: true });
    await mkdir(workspace);
    await writeFile(join(workspace, "notes.md"), "");
    await writeFile(join(room, "outside"), "");
    await symlink(join(room, "outside"), join(workspace, "way-out"));
    await symlink(settings.home, join(workspace, "keys"));
  });

  const judged = (promise: Promise<string>) =>
    promise.then(
      () => "allowed",
      (error: unknown) => explain(error).code,
    );

  test.each([
    ["notes.md", "allowed"],
    [".", "allowed"],
    ["../outside", "path_refused"],
    ["way-out", "path_refused"],
    ["keys", "path_refused"],
    ["keys/keys", "path_refused"],
    ["/", "path_refused"],
    ["..", "path_refused"],
    ["nothing", "path_missing"],
  ])("reading %s: %s", async (path, wanted) => {
    expect(await judged(readablePath(path, rules))).toBe(wanted);
  });

  test.each([
    ["new/place", "allowed"],
    ["../new", "path_refused"],
    ["way-out/new", "path_refused"],
    ["keys/new.key", "path_refused"],
    ["/etc/new", "path_refused"],
  ])("writing %s: %s", async (path, wanted) => {
    expect(await judged(writablePath(path, rules))).toBe(wanted);
  });
});
