/** Which files an agent may name. What it names is resolved through every link first, so a link inside leads nowhere outside. */
import type { BigIntStats } from "node:fs";
import { lstat, readdir, realpath, stat } from "node:fs/promises";
import { basename, dirname, isAbsolute, join, relative, resolve } from "node:path";
import type { Settings } from "../config.ts";
import { Fault } from "../faults.ts";

export interface PathRules {
  readonly settings: Settings;
  /** The agent's workspace; relative paths start there, and without other permission nothing outside is touched. */
  readonly workspace: string | undefined;
}

/** @throws Fault `path_refused`, `path_missing` */
export async function readablePath(path: string, rules: PathRules): Promise<string> {
  const absolute = resolve(rules.workspace ?? process.cwd(), path);
  const real = await realpath(absolute).catch(() => {
    throw new Fault("path_missing", `There is nothing at ${absolute}.`);
  });
  await judge(real, rules);
  const linked = await linkedSecrets(rules.settings);
  if (linked.size > 0) await refuseLinked(real, linked);
  return absolute;
}

/** For what does not exist yet: its nearest existing parent is judged. @throws Fault `path_refused` */
export async function writablePath(path: string, rules: PathRules): Promise<string> {
  const absolute = resolve(rules.workspace ?? process.cwd(), path);
  let existing = absolute;
  const missing: string[] = [];
  for (;;) {
    const real = await realpath(existing).catch(() => undefined);
    if (real !== undefined) {
      await judge(join(real, ...missing), rules);
      return absolute;
    }
    if (dirname(existing) === existing) throw new Fault("path_refused", `${absolute} cannot be reached.`);
    missing.unshift(basename(existing));
    existing = dirname(existing);
  }
}

async function judge(real: string, { settings, workspace }: PathRules): Promise<void> {
  const downloads = await realpath(settings.downloads).catch(() => settings.downloads);
  if (inside(real, downloads)) return;
  const home = await realpath(settings.home).catch(() => settings.home);
  if (inside(real, home) || inside(home, real))
    throw new Fault("path_refused", `${real} is, holds or is within the client's own directory with its keys.`);
  for (const wallet of walletsElsewhere(settings)) {
    const secret = await realpath(wallet).catch(() => wallet);
    if (inside(real, secret) || inside(secret, real))
      throw new Fault("path_refused", `${real} is or holds a wallet's key.`, { next: "Use a path without it." });
  }
  // Whoever has no workspace acts for the owner (a host that speaks MCP, a caller with the proxy's token), unless told where.
  const roots = workspace === undefined ? settings.agentPaths : [workspace, ...settings.agentPaths];
  if (roots.length === 0) return;
  const allowed = await Promise.all(roots.map((path) => realpath(path).catch(() => path)));
  if (!allowed.some((root) => inside(real, root)))
    throw new Fault(
      "path_refused",
      `${real} is outside of ${workspace === undefined ? "agentPaths" : `the workspace ${workspace}`}.`,
      {
        next: "Use a path in the workspace; the operator may allow more by agentPaths.",
      },
    );
}

/** Keys that may pay and that lie outside of the client's own directory. */
function walletsElsewhere({ hostHome, walletKey }: Settings): string[] {
  const configured = walletKey.kind === "key" && isAbsolute(walletKey.key) ? [walletKey.key] : [];
  return [join(hostHome, "blockrun"), ...configured];
}

const inode = ({ dev, ino }: BigIntStats) => `${dev}:${ino}`;

/** The owner's secrets that have another name somewhere, by inode: only these can be reached by a hard link, and seldom is there one. */
export async function linkedSecrets(settings: Settings): Promise<ReadonlyMap<string, string>> {
  const linked = new Map<string, string>();
  const places = ["keys", "key", "wallet", "export", "."].map((name) => join(settings.home, name));
  for (const place of [...places, ...walletsElsewhere(settings)]) {
    const names = await readdir(place).catch(() => [""]);
    for (const name of names) {
      const path = join(place, name);
      const found = await stat(path, { bigint: true }).catch(() => undefined);
      if (found?.isFile() && found.nlink > 1n) linked.set(inode(found), path);
    }
  }
  return linked;
}

async function refuseLinked(path: string, secrets: ReadonlyMap<string, string>): Promise<void> {
  const found = await lstat(path, { bigint: true });
  if (found.isFile() && secrets.has(inode(found)))
    throw new Fault("path_refused", `${path} is another name of one of the client's keys (a hard link).`, {
      next: "Remove that link; a key that has two names may have been read by whoever made the second.",
    });
  if (found.isDirectory()) for (const name of await readdir(path)) await refuseLinked(join(path, name), secrets);
}

function inside(path: string, root: string): boolean {
  const way = relative(root, path);
  return way === "" || (way !== ".." && !way.startsWith("../") && !isAbsolute(way));
}
