/**
 * Builds the package that is published: two bundles with everything in them, not minified, so that whoever installs it can read
 * what it does and nothing is fetched at install time. `node client-plugin/build.ts`, then `npm pack client-plugin/package`.
 */
import { copyFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";

const here = import.meta.dirname;
export const PACKAGE = join(here, "package");

/** Some libraries are CommonJS and ask for node's own modules by `require`. */
const REQUIRE =
  'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);';

export async function buildPackage(outdir = join(PACKAGE, "dist")): Promise<void> {
  await rm(outdir, { recursive: true, force: true });
  await build({
    entryPoints: [join(here, "index.ts"), join(here, "cli.ts")],
    outdir,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node22",
    splitting: false,
    minify: false,
    legalComments: "eof",
    banner: { js: REQUIRE },
    logLevel: "warning",
  });
  await copyFile(join(here, "..", "LICENSE"), join(PACKAGE, "LICENSE"));
}

if (import.meta.main) await buildPackage();
