/**
 * The import law (README, "The house"): a room looks only down. Read `to` as "may look at"; whatever is not listed is an error.
 * contract <- rules <- durable <- worker, and client-plugin sees the contract alone.
 */
const room = (name, from, allowed, comment) => ({
  name,
  comment,
  severity: "error",
  from: { path: from },
  to: { pathNot: allowed.map((path) => (path.startsWith("^") ? path : `^${path}`)) },
});

const npm = (...names) => names.map((name) => `^(node_modules/)?${name}(/|$)`);
const node =
  "^(node:|(assert|buffer|child_process|crypto|fs|fs/promises|http|https|net|os|path|readline/promises|sqlite|stream|stream/promises|timers|timers/promises|url|util|zlib)$)";

module.exports = {
  forbidden: [
    { name: "no-circle", severity: "error", from: {}, to: { circular: true } },
    {
      name: "no-unresolvable",
      severity: "error",
      from: {},
      to: { couldNotResolve: true, pathNot: "^(cloudflare:|@modelcontextprotocol/sdk/)" },
    },
    room(
      "contract",
      "^contract/",
      ["contract/", ...npm("zod", "@noble/hashes")],
      "the ground floor imports nothing of ours",
    ),
    room("rules", "^durable/rules/", ["durable/rules/", "contract/"], "pure: no platform, no library"),
    room("ports", "^durable/ports\\.ts$", ["contract/"], "sockets are types over the contract"),
    room(
      "durable",
      "^durable/(?!rules/|ports\\.ts$)",
      ["durable/", "contract/", "^cloudflare:workers$", ...npm("@noble/curves", "@noble/hashes")],
      "objects decide and remember; they never see an adapter",
    ),
    room(
      "flow",
      "^worker/flow/",
      ["worker/flow/", "durable/", "contract/", ...npm("zod")],
      "verbs know no framework, chain or S3 library",
    ),
    room(
      "adapters",
      "^worker/adapters/",
      [
        "worker/adapters/",
        "durable/ports\\.ts$",
        "worker/flow/ports\\.ts$",
        "contract/",
        ...npm("viem", "aws4fetch", "fast-xml-parser", "zod", "@noble/curves", "@noble/hashes"),
      ],
      "one file per outside world",
    ),
    room(
      "s3-door",
      "^worker/s3-door/",
      ["worker/s3-door/", "contract/", ...npm("fast-xml-parser", "@noble/hashes", "zod")],
      "a dialect over a store, of use to nobody's business",
    ),
    room(
      "page",
      "^worker/page/(?!build\\.mjs$)",
      ["worker/page/", "contract/", ...npm("age-encryption", "zod")],
      "the browser view runs in somebody's browser: it sees the contract, as a client does, and nothing of the edge",
    ),
    room(
      "door",
      "^worker/(http|door|app-page|cron)\\.ts$",
      ["worker/(door|app-page)\\.ts$", "worker/flow/", "contract/", ...npm("hono")],
      "HTTP, and nothing behind it",
    ),
    room(
      "env",
      "^worker/env\\.ts$",
      ["worker/adapters/", "worker/flow/(ports|misconfigured)\\.ts$", "durable/", "contract/", ...npm("zod")],
      "bindings become ports",
    ),
    room(
      "front-door",
      "^worker/index\\.ts$",
      ["worker/(http|cron|env)\\.ts$", "worker/page\\.built\\.json$", "durable/"],
      "the app and the object classes",
    ),
    room(
      "client",
      "^client-plugin/",
      [
        "client-plugin/",
        "contract/",
        node,
        // Resolved by node and by esbuild, by its own map of exports, which the cruiser does not read.
        "^@modelcontextprotocol/sdk/",
        ...npm(
          "@modelcontextprotocol/sdk",
          "uqr",
          "viem",
          "tar-stream",
          "age-encryption",
          "@noble/hashes",
          "@noble/curves",
          "@scure/base",
          "@scure/bip39",
          "zod",
        ),
      ],
      "the wallet's side touches the contract alone",
    ),
    {
      name: "portable-client",
      comment: "the API client runs wherever fetch does",
      severity: "error",
      from: { path: "^client-plugin/(api|pay)\\.ts$" },
      to: { path: node },
    },
    {
      name: "no-tests-shipped",
      severity: "error",
      from: { pathNot: "^(test|bench|vitest\\.config\\.ts)" },
      to: { path: "^(test|bench)/" },
    },
    {
      name: "no-dev-dependency-shipped",
      severity: "error",
      from: { path: "^(contract|durable|worker|client-plugin)/", pathNot: "^worker/page/build\\.mjs$" },
      to: { dependencyTypes: ["npm-dev"], dependencyTypesNot: ["type-only"] },
    },
  ],
  options: {
    parser: "swc",
    doNotFollow: { path: "node_modules" },
    // What the build made, and what makes it.
    exclude: { path: "^client-plugin/(package/dist/|build\\.ts$)" },
    tsPreCompilationDeps: true,
    combinedDependencies: true,
    enhancedResolveOptions: {
      extensions: [".ts", ".js", ".json"],
      conditionNames: ["import", "require", "node", "default", "types"],
    },
  },
};
