/**
 * Bundles the browser view into worker/page.built.json: `{ name: { type, text } }`. Run by wrangler ([build] in wrangler.toml) and by
 * `npm run check`. What is needed only once a key is dropped or a wallet asked is a chunk of its own, loaded then.
 */
import { createHash } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const room = new URL(".", import.meta.url);
const target = fileURLToPath(new URL("../page.built.json", room));

const { outputFiles } = await build({
  entryPoints: { page: fileURLToPath(new URL("main.ts", room)), style: fileURLToPath(new URL("style.css", room)) },
  outdir: "/app",
  absWorkingDir: fileURLToPath(new URL("../..", room)),
  entryNames: "[name]-[hash]",
  chunkNames: "part-[hash]",
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "browser",
  target: ["chrome123", "firefox120", "safari17.5"],
  minify: true,
  legalComments: "none",
  write: false,
  logLevel: "warning",
});

const TYPES = { js: "text/javascript; charset=utf-8", css: "text/css; charset=utf-8", svg: "image/svg+xml" };
const files = {};
for (const { path, text } of outputFiles)
  files[path.replace(/^.*[\\/]/, "")] = { type: TYPES[path.endsWith("css") ? "css" : "js"], text };
const icon = readFileSync(new URL("icon.svg", room), "utf8");
files[`icon-${createHash("sha256").update(icon).digest("hex").slice(0, 8)}.svg`] = { type: TYPES.svg, text: icon };

const nameOf = (start) => Object.keys(files).find((name) => name.startsWith(start)) ?? start;
const html = readFileSync(new URL("index.html", room), "utf8").replace(
  /\{\{(page|style|icon)\}\}/g,
  (_, start) => `/app/${nameOf(`${start}-`)}`,
);
files["index.html"] = { type: "text/html; charset=utf-8", text: html };

const built = `${JSON.stringify(files)}\n`;
const before = (() => {
  try {
    return readFileSync(target, "utf8");
  } catch {
    return undefined;
  }
})();
// Several Workers may start at once from one checkout: whole or not at all, and untouched where nothing changed.
if (built !== before) {
  const partial = `${target}.${process.pid}`;
  writeFileSync(partial, built);
  renameSync(partial, target);
}
