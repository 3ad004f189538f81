/** Every command that was promised is there, over the built command line; and what is written about the faces is what they are. */
import { execFile } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { REFUSALS } from "#contract/errors";
import { buildPackage, PACKAGE } from "../../client-plugin/build.ts";
import { parse, tokenize } from "../../client-plugin/commands/grammar.ts";
import { help } from "../../client-plugin/commands/help.ts";
import { findCommand, GROUPS, type Group } from "../../client-plugin/commands/table.ts";
import { PluginConfig, readSettings } from "../../client-plugin/config.ts";
import { TOOLS } from "../../client-plugin/tools/tools.ts";
import { scratch } from "./fixture.ts";
import { type Service, startService } from "./service.ts";

const WALLET = ["status", "balance", "create", "import", "export", "export-to-file", "fund"];
const CLOUD =
  "backup price upload ls stat download restore delete renew renewals billing status ls-web op-status cancel doctor";
const KEYS = ["status", "kit", "restore", "rotate", "export", "recover"];
const EVERY = [
  ...WALLET.map((name) => `wallet ${name}`),
  ...KEYS.map((name) => `keys ${name}`),
  ...CLOUD.split(" ").map((name) => `cloud ${name}`),
];

const room = scratch();
let service: Service;

beforeAll(async () => {
  service = await startService();
  await buildPackage(join(room, "dist"));
  writeFileSync(join(room, "notes.txt"), "remember me");
});
afterAll(() => service.close());

async function cli(...words: string[]): Promise<string> {
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: room,
    NODE_NO_WARNINGS: "1",
    MNEMOSPARK_HOME: join(room, "home"),
    MNEMOSPARK_BACKEND_API_BASE_URL: service.url,
    MNEMOSPARK_RPC_URL: "http://127.0.0.1:9",
    MNEMOSPARK_NETWORK: "base-sepolia",
    MNEMOSPARK_WALLET_KEY: `0x${"11".repeat(32)}`,
    MNEMOSPARK_CAP_PER_CALL: "0.001",
  };
  const { stdout } = await promisify(execFile)(process.execPath, [join(room, "dist", "cli.js"), ...words], { env });
  return stdout;
}

interface Told {
  readonly command: string;
  readonly summary: string;
  readonly examples: readonly string[];
}

describe("the command line, as it is shipped", () => {
  test("tells of every command what it does, with an example, to people and to programs", async () => {
    const left = [...EVERY];
    const walk = async () => {
      for (let line = left.shift(); line !== undefined; line = left.shift()) {
        const said = await cli(...line.split(" "), "--help");
        const [group = "", name = ""] = line.split(" ");
        const command = findCommand(group as Group, name);
        expect(said, line).toContain(command?.summary);
        expect(said, line).toContain("--json");
        for (const example of command?.examples ?? [])
          expect(said, line).toContain(`  mnemospark ${example.replace(/^cloud /, "")}`);
      }
    };
    await Promise.all([walk(), walk()]);
    const wallet = JSON.parse(await cli("wallet", "help", "--json")) as { commands: Told[] };
    const keys = JSON.parse(await cli("keys", "help", "--json")) as { commands: Told[] };
    const cloud = JSON.parse(await cli("cloud", "--json")) as { commands: Told[] };
    const all = [...wallet.commands, ...keys.commands, ...cloud.commands];
    for (const { command, summary, examples } of all) {
      expect(summary.length, command).toBeGreaterThan(5);
      expect(examples.length, command).toBeGreaterThan(0);
    }
    const root = await cli("help");
    for (const { command } of all) expect(root).toContain(`mnemospark ${command.replace(/^cloud /, "")} - `);
    expect(readdirSync(room), "help looks at nothing").not.toContain("home");
  }, 60_000);

  test("answers programs in JSON, also when it refuses, and tells by its status whether to try again", async () => {
    const refused = (...words: string[]) =>
      cli(...words, "--json").then(
        () => "nothing was refused",
        (error: { code: number; stdout: string }) => ({ status: error.code, ...JSON.parse(error.stdout).error }),
      );
    expect(JSON.parse(await cli("wallet", "--json"))).toMatchObject({ wallet: { source: "configured" } });
    expect(await refused("upload", join(room, "notes.txt"))).toMatchObject({ status: 1, code: "above_cap" });
    expect(await refused("balance")).toMatchObject({ status: 1, code: "unknown_command" });
    expect(await refused("wallet", "balance")).toMatchObject({ status: 75, code: "chain_unreachable" });
    expect(await refused("uplaod", "x")).toMatchObject({ message: 'Unknown command "uplaod". Did you mean "upload"?' });
  });

  test("goes on in the background, in a process of its own", async () => {
    const { operationId } = JSON.parse(await cli("upload", join(room, "notes.txt"), "async", "--json")) as {
      operationId: string;
    };
    const state = async () =>
      (JSON.parse(await cli("op-status", operationId, "--json")) as { operation: { state: string } }).operation.state;
    // It is above the cap; that it says so shows that somebody worked on it.
    await expect.poll(state, { timeout: 20_000 }).toBe("failed");
  });
});

describe("the grammar of each command", () => {
  const commands = Object.entries(GROUPS).flatMap(([group, all]) => all.map((command) => ({ group, command })));

  test.each(commands)("$group $command.name: its examples parse, its flags in each spelling", ({ group, command }) => {
    for (const example of command.examples) {
      const [first, name, ...rest] = tokenize(example);
      if (name === undefined) continue;
      expect(first).toBe(group);
      expect(findCommand(group as Group, name)).toBe(command);
      parse(
        rest.filter((word) => word !== "--json"),
        command,
      );
    }
    for (const [name, flag] of Object.entries(command.flags)) {
      if (flag.kind !== "text") continue;
      for (const line of [`${name}:v`, `${name}=v`, `--${name} v`, `--${name}=v`, `${name.toUpperCase()}:v`])
        expect(parse(tokenize(line), command).text(name), line).toBe("v");
    }
  });

  test("help is the same in a chat, with the names it has there", () => {
    const chat = { call: (line: string) => `/${line}`, isChat: true };
    for (const line of EVERY)
      expect(help(chat, [...line.split(" "), "help"])?.text, line).toContain(`/${line.split(" ")[0]}`);
    expect(help(chat, ["help"])?.text).not.toContain("mcp");
    expect(help(chat, ["cloud", "upload", "./help", "name:help"])).toBeUndefined();
  });
});

describe("what is written about it", () => {
  const read = (...path: string[]) => readFileSync(join(PACKAGE, ...path), "utf8");
  const readme = read("README.md");
  const skill = read("skills", "mnemospark", "SKILL.md");
  const paying = read("skills", "mnemospark", "references", "paying.md");

  test("names every tool, and none that is not there", () => {
    const names = TOOLS.map(({ name }) => name as string);
    for (const name of names) expect(skill, name).toContain(`\`${name}\``);
    for (const text of [readme, skill, paying])
      for (const [name] of text.matchAll(/\bmnemospark_[a-z]+\b/g)) expect(names).toContain(name);
  });

  test("names commands that are there, and calls them as they are called", () => {
    for (const text of [readme, skill, paying]) {
      for (const [line, group = "", rest = ""] of text.matchAll(
        /(?<![\w~/.])\/(wallet|cloud) ([^`\n]+?)(?=\s{2,}|`|\n)/g,
      )) {
        const [name = "", ...words] = tokenize(rest);
        const command = findCommand(group as Group, name);
        expect(command, line).toBeDefined();
        if (command) parse(words, command);
      }
    }
  });

  test("names every setting, its variable, and the defaults that are in force", () => {
    const table = readme.slice(readme.indexOf("| setting |"), readme.indexOf("## Keeping"));
    for (const name of Object.keys(PluginConfig.shape)) expect(table, name).toContain(`\`${name}\``);
    for (const [name] of table.matchAll(/(?<=`)[a-z][A-Za-z]+(?=`)/g))
      expect([...Object.keys(PluginConfig.shape), "base", "main", "downloads"]).toContain(name);
    const code = readFileSync(join(import.meta.dirname, "../../client-plugin/config.ts"), "utf8");
    for (const [name] of table.matchAll(/MNEMOSPARK_[A-Z_]+/g)) expect(code).toContain(`"${name}"`);
    const settings = readSettings({ environment: {} });
    expect(table).toContain(settings.baseUrl);
    expect(table).toContain(String(settings.proxy.port));
    expect([settings.caps.perCall, settings.caps.perDay, settings.caps.perMonth]).toEqual([
      1_000_000n,
      5_000_000n,
      20_000_000n,
    ]);
    expect(readme).toContain("$1 a payment, $5 in 24 hours, $20 in 30 days");
  });

  test("names error codes that somebody gives", () => {
    const sources = readdirSync(join(import.meta.dirname, "../../client-plugin"), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts"))
      .map((name) => readFileSync(join(import.meta.dirname, "../../client-plugin", name), "utf8"))
      .join("\n");
    const codes = [...skill.matchAll(/^\| `([a-z_]+)` \|/gm)].map(([, code = ""]) => code);
    expect(codes.length).toBeGreaterThan(4);
    for (const code of codes) expect(Object.hasOwn(REFUSALS, code) || sources.includes(`"${code}"`), code).toBe(true);
  });
});
