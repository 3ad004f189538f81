import { fileURLToPath } from "node:url";
import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

/**
 * Two runtimes, one command. `workerd` holds what must be true inside the platform (Durable Object SQL, alarms, eviction);
 * `node` holds the rest, including `live`: real chain, real S3 server, real Worker over TCP.
 * Files named *.long.test.ts run only by `npm run test:long`.
 */
const long = process.env["MNEMOSPARK_TEST_LONG"] === "1";

export default defineConfig({
  test: {
    projects: [
      ...(long
        ? []
        : [
            {
              plugins: [cloudflareTest({ wrangler: { configPath: "./test/durable/wrangler.toml" } })],
              // One worker for all files: objects are told apart by names that no two tests share.
              test: { name: "workerd", isolate: false, include: ["test/durable/**/*.test.ts"] },
            },
          ]),
      {
        // Where the objects run outside workerd (the simulator), the platform is the simulator's own.
        resolve: { alias: { "cloudflare:workers": fileURLToPath(new URL("test/sim/platform.ts", import.meta.url)) } },
        test: {
          name: "node",
          include: long ? ["test/**/*.long.test.ts"] : ["test/**/*.test.ts"],
          exclude: [
            "test/durable/**",
            "test/flow/**",
            "**/node_modules/**",
            ...(long ? [] : ["test/**/*.long.test.ts"]),
          ],
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
