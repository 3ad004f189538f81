/**
 * Builds the package that is published: two bundles over common parts, with everything in them, not minified, so that whoever installs it can read
 * what it does and nothing is fetched at install time. `node client-plugin/build.ts`, then `npm pack client-plugin/package`.
 */
import { copyFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { build, type Plugin } from "esbuild";

const here = import.meta.dirname;
export const PACKAGE = join(here, "package");

/** Some libraries are CommonJS and ask for node's own modules by `require`. */
const REQUIRE =
  'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);';

/**
 * The MCP library brings a validator that makes its checks by `new Function`, for answers to questions that a server asks its client.
 * Ours asks none, and code that is made at run time is what nobody can read beforehand.
 */
const withoutValidator: Plugin = {
  name: "without-validator",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /\/validation\/ajv-provider\.js$/ }, ({ path }) => ({ path, namespace: "without-validator" }));
    onLoad({ filter: /.*/, namespace: "without-validator" }, () => ({
      contents:
        'export class AjvJsonSchemaValidator { getValidator() { throw new Error("this server asks its client nothing"); } }',
    }));
  },
};

export async function buildPackage(outdir = join(PACKAGE, "dist")): Promise<void> {
  await rm(outdir, { recursive: true, force: true });
  await build({
    entryPoints: ["index.ts", "cli.ts", "libraries.ts"].map((file) => join(here, file)),
    outdir,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node22",
    splitting: true,
    chunkNames: "common-[hash]",
    plugins: [withoutValidator],
    minify: false,
    legalComments: "eof",
    banner: { js: REQUIRE },
    logLevel: "warning",
  });
  await copyFile(join(here, "..", "LICENSE"), join(PACKAGE, "LICENSE"));
}

if (import.meta.main) await buildPackage();
