/** Which files an agent may name. What it names is resolved through every link first, so a link inside leads nowhere outside. */
import { realpath } from "node:fs/promises";
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
  if (workspace === undefined) return;
  const allowed = await Promise.all(
    [workspace, ...settings.agentPaths].map((path) => realpath(path).catch(() => path)),
  );
  if (!allowed.some((root) => inside(real, root)))
    throw new Fault("path_refused", `${real} is outside of the workspace ${workspace}.`, {
      next: "Use a path in the workspace; the operator may allow more by agentPaths.",
    });
}

function inside(path: string, root: string): boolean {
  const way = relative(root, path);
  return way === "" || (!way.startsWith("..") && !isAbsolute(way));
}
