/** OpenClaw itself, in a cached folder of its own: 350 MB that are no business of the project's own dependencies. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

export const OPENCLAW = "2026.9.6";

/** @returns its folder, or a sentence saying why it cannot run here. */
export function openclawDirectory(): { readonly directory: string } | { readonly reason: string } {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major < 24 || (major === 24 && minor < 16))
    return { reason: `OpenClaw needs Node 24.16 or newer; this is ${process.versions.node}` };
  const cache =
    process.env["MNEMOSPARK_OPENCLAW_CACHE"] ??
    join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "mnemospark-test");
  const room = join(cache, `openclaw-${OPENCLAW}`);
  const directory = join(room, "node_modules", "openclaw");
  if (isWhole(directory)) return { directory };
  mkdirSync(room, { recursive: true });
  writeFileSync(join(room, "package.json"), JSON.stringify({ private: true }));
  console.log(`installing openclaw@${OPENCLAW} into ${room}, once`);
  try {
    execFileSync("npm", ["install", "--save-exact", "--no-audit", "--no-fund", `openclaw@${OPENCLAW}`], {
      cwd: room,
      stdio: ["ignore", "ignore", "inherit"],
      timeout: 600_000,
    });
  } catch (error) {
    return { reason: `npm cannot install openclaw@${OPENCLAW}: ${error instanceof Error ? error.message : error}` };
  }
  return isWhole(directory) ? { directory } : { reason: `npm left no openclaw in ${directory}` };
}

function isWhole(directory: string): boolean {
  if (!existsSync(join(directory, "openclaw.mjs"))) return false;
  const { version } = JSON.parse(readFileSync(join(directory, "package.json"), "utf8")) as { version: string };
  return version === OPENCLAW;
}
