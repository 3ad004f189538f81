/** How a Worker is run on this machine: wrangler dev, silent, offline, with its data and its logs where we say. */
import { mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { ChildPlan } from "./processes.ts";
import { answers } from "./readiness.ts";
import type { StatePaths } from "./state-directory.ts";

export interface WorkerSettings {
  readonly name: string;
  /** Its wrangler.toml. */
  readonly config: string;
  readonly port: number;
  readonly persistTo: string;
  readonly vars: Readonly<Record<string, string>>;
  /** Handed over in a file only its owner can read, so that no process list shows them. */
  readonly secrets: Readonly<Record<string, string>>;
}

/** The entry file itself: what npm puts on the PATH leaves wrangler's children behind when it is ended. */
function wranglerEntry(): string {
  return createRequire(import.meta.url)
    .resolve("wrangler/package.json")
    .replace(/package\.json$/, "bin/wrangler.js");
}

export function workerPlan(settings: WorkerSettings, paths: StatePaths): ChildPlan {
  const { name, config, port, persistTo, vars } = settings;
  const vault = join(paths.wrangler, `${name}.env`);
  mkdirSync(paths.wrangler, { recursive: true, mode: 0o700 });
  writeFileSync(vault, envFile(settings.secrets), { mode: 0o600 });
  return {
    name,
    command: process.execPath,
    args: [
      ...[wranglerEntry(), "dev", "--config", config, "--ip", "127.0.0.1", "--port", String(port)],
      // 0: any free port. wrangler has no way to leave the inspector out, and two would quarrel over one number.
      ...["--inspector-port", "0", "--persist-to", persistTo, "--env-file", vault],
      "--show-interactive-dev-session=false",
      ...Object.entries(vars).flatMap(([key, value]) => ["--var", `${key}:${value}`]),
    ],
    cwd: dirname(config),
    env: {
      WRANGLER_SEND_METRICS: "false",
      CLOUDFLARE_CF_FETCH_ENABLED: "false",
      WRANGLER_HIDE_BANNER: "true",
      WRANGLER_LOG_PATH: join(paths.wrangler, "logs"),
      // Each stack has a registry of its own, so two on one machine do not find each other's Workers.
      WRANGLER_REGISTRY_PATH: join(paths.wrangler, "registry"),
    },
    logFile: join(paths.logs, `${name}.log`),
    ready: answers(`http://127.0.0.1:${port}/`),
    readyWithinMs: 30_000,
  };
}

/** Single-quoted, so JSON passes as it is; anything that would need escaping is refused rather than guessed at. */
function envFile(secrets: Readonly<Record<string, string>>): string {
  return Object.entries(secrets)
    .map(([key, value]) => {
      if (!/^[\w/+=.:,"{}-]*$/.test(value))
        throw new Error(`the secret ${key} holds a character an env file cannot carry`);
      return `${key}='${value}'\n`;
    })
    .join("");
}
