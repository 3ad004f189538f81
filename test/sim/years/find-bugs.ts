/**
 * `node --import ./test/sim/hooks.mjs test/sim/years/find-bugs.ts [NAME…]`: puts each known bug (bugs.ts) into the source as it is loaded,
 * and runs histories until one finds it; then the same history without it, which must be clean. Answers a line of JSON for each.
 */
import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import { BUGS, type Bug, DAYS, WALLETS } from "./bugs.ts";
import type * as History from "./history.ts";

const ROOT = new URL("../../../", import.meta.url).href;
/** Histories shift with the code; the table says where to begin to look. */
const SEEDS = 60;

for (const { edits } of Object.values(BUGS))
  for (const { file, find } of edits) {
    const found = readFileSync(fileURLToPath(`${ROOT}${file}`), "utf8").split(find).length - 1;
    if (found !== 1)
      throw new Error(`${file} holds ${JSON.stringify(find)} ${found} times; bugs.ts wants to change it`);
  }

// Whoever is imported by a module with a bug gets it too: a graph of modules of its own for each.
registerHooks({
  resolve(specifier, context, next) {
    const resolved = next(specifier, context);
    const bug = bugOf(context.parentURL);
    const ours = resolved.url.startsWith(ROOT) && !resolved.url.includes("/node_modules/");
    return bug !== undefined && ours ? { ...resolved, url: `${resolved.url.split("?")[0]}?bug=${bug}` } : resolved;
  },
  load(url, context, next) {
    const loaded = next(url, context);
    const edits = BUGS[bugOf(url) ?? ""]?.edits.filter(({ file }) => url.split("?")[0] === `${ROOT}${file}`) ?? [];
    if (edits.length === 0) return loaded;
    let source = readFileSync(fileURLToPath(url.split("?")[0] ?? url), "utf8");
    for (const { find, put } of edits) source = source.replace(find, () => put);
    return { ...loaded, source };
  },
});

function bugOf(url: string | undefined): string | undefined {
  return url === undefined ? undefined : (new URL(url).searchParams.get("bug") ?? undefined);
}

async function firstFound(name: string, bug: Bug) {
  const history = (await import(
    `${pathToFileURL(import.meta.filename).href.replace("find-bugs", "history")}?bug=${name}`
  )) as typeof History;
  for (let seed = bug.seed; seed < bug.seed + SEEDS; seed++) {
    try {
      await history.runYears(seed, { wallets: WALLETS, days: DAYS, ...weatherOf(bug) });
    } catch (error) {
      if (!(error instanceof Error) || error.constructor.name !== "Broken") throw error;
      return { seed, said: error.message };
    }
  }
  throw new Error(`${SEEDS} histories from seed ${bug.seed} on do not show ${name}: ${bug.why}`);
}

const weatherOf = ({ weather }: Bug) => (weather === undefined ? {} : { weather });

const seenClean = new Set<string>();
console.error = () => {};
const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(BUGS);
const clean = (await import("./history.ts")) as typeof History;
for (const name of names) {
  const bug = BUGS[name];
  if (!bug) throw new Error(`there is no bug ${name}; there are ${Object.keys(BUGS).join(", ")}`);
  const startedMs = performance.now();
  const { seed, said } = await firstFound(name, bug);
  // Without the bug the same history is clean: it is the bug that was found.
  const same = JSON.stringify([seed, bug.weather]);
  if (!seenClean.has(same)) await clean.runYears(seed, { wallets: WALLETS, days: DAYS, ...weatherOf(bug) });
  seenClean.add(same);
  console.log(JSON.stringify({ name, seed, ms: Math.round(performance.now() - startedMs), said }));
}
