import { fileURLToPath } from "node:url";
import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

/**
 * Two runtimes, one command. `workerd` holds what must be true inside the platform (Durable Object SQL, alarms, eviction);
 * `node` holds the rest, including `live`: real chain, real S3 server, real Worker over TCP.
 * Files named *.long.test.ts run only by `npm run test:long`, *.real.test.ts only by `npm run test:s3-real`.
 */
const long = process.env["MNEMOSPARK_TEST_LONG"] === "1";
const real = process.env["MNEMOSPARK_TEST_S3_REAL"] === "1";
const kinds = ["test/**/*.long.test.ts", "test/**/*.real.test.ts"];
const [kind] = kinds.slice(long ? 0 : real ? 1 : 2);

export default defineConfig({
  test: {
    // The long tests mostly wait (for blocks, for finality, for somebody to give up): two at a time, also on a small machine.
    ...(long ? { maxWorkers: 2 } : {}),
    projects: [
      ...(kind
        ? []
        : [
            {
              plugins: [cloudflareTest({ wrangler: { configPath: "./test/durable/wrangler.toml" } })],
              // One worker for all files: objects are told apart by names that no two tests share.
              test: { name: "workerd", isolate: false, include: ["test/durable/**/*.test.ts"], testTimeout: 30_000 },
            },
          ]),
      {
        // Where the objects run outside workerd (the simulator), the platform is the simulator's own.
        resolve: { alias: { "cloudflare:workers": fileURLToPath(new URL("test/sim/platform.ts", import.meta.url)) } },
        test: {
          name: "node",
          include: [kind ?? "test/**/*.test.ts"],
          exclude: ["test/durable/**", "test/flow/**", "**/node_modules/**", ...kinds.filter((each) => each !== kind)],
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
