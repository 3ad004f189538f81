/** The package that is published: manifest, settings and registrations say the same, and the bundle is what its scanner wants. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { buildPackage, PACKAGE } from "../../client-plugin/build.ts";
import { PluginConfig } from "../../client-plugin/config.ts";
import type { Host, ToolDefinition } from "../../client-plugin/host.ts";
import plugin from "../../client-plugin/index.ts";
import { VERSION } from "../../client-plugin/version.ts";
import { scratch } from "./fixture.ts";

const manifest = JSON.parse(readFileSync(join(PACKAGE, "openclaw.plugin.json"), "utf8"));
const packed = JSON.parse(readFileSync(join(PACKAGE, "package.json"), "utf8"));
const out = scratch();

/** Records what is registered. */
function registered(registrationMode: string) {
  const seen = {
    tools: [] as ToolDefinition[],
    optional: [] as string[],
    commands: [] as string[],
    services: [] as string[],
    clis: [] as string[],
  };
  const host: Host = {
    registrationMode,
    logger: { info() {}, warn() {}, error() {} },
    registerTool(make, { optional, names }) {
      seen.tools.push(...make({}));
      if (optional) seen.optional.push(...names);
    },
    registerCommand: ({ name }) => void seen.commands.push(name),
    registerService: ({ id }) => void seen.services.push(id),
    registerCli: (_, { commands }) => void seen.clis.push(...commands),
    on() {},
  };
  return { result: plugin.register(host) as unknown, seen };
}

describe("the manifest", () => {
  test("declares the tools, commands and settings that the code has", () => {
    const { result, seen } = registered("full");
    expect(result).toBeUndefined();
    expect(seen.tools.map(({ name }) => name).sort()).toEqual([...manifest.contracts.tools].sort());
    expect(seen.commands.sort()).toEqual(manifest.commandAliases.map(({ name }: { name: string }) => name).sort());
    expect(seen.clis).toEqual(manifest.cliCommands.map(({ name }: { name: string }) => name));
    expect(Object.keys(manifest.configSchema.properties).sort()).toEqual(Object.keys(PluginConfig.shape).sort());
    expect(Object.keys(manifest.toolMetadata).sort()).toEqual([...manifest.contracts.tools].sort());
    for (const [name, metadata] of Object.entries<{ optional?: boolean }>(manifest.toolMetadata))
      expect(metadata.optional === true).toBe(seen.optional.includes(name));
    expect(manifest.activation.onStartup).toBe(true);
    const grouped = manifest.configGroups.flatMap(({ properties }: { properties: string[] }) => properties);
    expect(grouped.sort()).toEqual(Object.keys(manifest.configSchema.properties).sort());
  });

  test.each(["full", "discovery", "tool-discovery", "setup-only", "setup-runtime", "cli-metadata"])(
    "registering in mode %s returns at once and touches nothing",
    (mode) => {
      expect(registered(mode).result).toBeUndefined();
    },
  );

  test("has one version, everywhere", () => {
    expect([manifest.version, packed.version, plugin.version]).toEqual([VERSION, VERSION, VERSION]);
  });

  test("gives a model closed schemas, with a description of each field that needs one", () => {
    for (const tool of registered("full").seen.tools) {
      expect(tool.parameters).toMatchObject({ type: "object", additionalProperties: false });
      expect(tool.description.length).toBeGreaterThan(40);
    }
  });
});

describe("the bundle", () => {
  beforeAll(() => buildPackage(join(out, "dist")));

  test("runs by itself: help, version, and a refusal in JSON", () => {
    const cli = (...args: string[]) =>
      execFileSync(process.execPath, [join(out, "dist", "cli.js"), ...args], {
        encoding: "utf8",
        env: { PATH: process.env["PATH"] ?? "", MNEMOSPARK_HOME: join(out, "home"), HOME: out, NODE_NO_WARNINGS: "1" },
        stdio: ["ignore", "pipe", "pipe"],
      });
    expect(cli("--version").trim()).toBe(VERSION);
    expect(cli("help")).toMatch(/mnemospark upload/);
    expect(JSON.parse(cli("wallet", "--json"))).toEqual({ wallet: null });
    expect(() => cli("upload", "/nowhere", "--json")).toThrow();
  });

  test("is readable and brings all it needs", () => {
    const files = readdirSync(join(out, "dist"));
    const texts = files.map((name) => readFileSync(join(out, "dist", name), "utf8"));
    expect(texts.join("\n").split("\n").length).toBeGreaterThan(10_000);
    const imported = texts.flatMap((text) =>
      [...text.matchAll(/^(?:import|export)\b[^;]*?from\s+"([^"]+)";$/gm)].map((match) => match[1] ?? ""),
    );
    const own = files.map((name) => `./${name}`);
    const builtin = (name: string) => name.startsWith("node:") || builtinModules.includes(name);
    expect(imported.filter((name) => !own.includes(name) && !builtin(name))).toEqual([]);
    expect(packed.dependencies).toBeUndefined();
  });

  test("makes no code at run time, and starts no other program than itself", () => {
    for (const name of readdirSync(join(out, "dist"))) {
      const text = readFileSync(join(out, "dist", name), "utf8");
      expect(text, name).not.toMatch(/\beval\s*\(|new\s+Function\s*\(/);
      expect(/child_process/.test(text), name).toBe(name === "cli.js");
      expect(text, name).not.toMatch(/\b(?:execSync|spawn|spawnSync|execFile|execFileSync)\s*\(/);
    }
  });
});
