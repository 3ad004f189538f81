/**
 * A live stack whose time moves: edge, S3 and this process by one clock (worker/clock.ts), the chain by its own. The Workers are the
 * shipped ones behind an entry that moves their clock; their settings are those of wrangler.toml, read from it.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Live, type LiveOptions, startLive } from "../live/stack.ts";
import { runCron } from "../stack/cron.ts";
import { ahead, moveTo } from "./worker/clock.ts";

export interface Travelling {
  readonly live: Live;
  /**
   * To a moment, in ms since 1970. `beating`: the service was up all the way; otherwise the way is an outage. At the end the cron runs
   * once, as it does every minute.
   */
  to(ms: number, how?: "beating" | "at once"): Promise<void>;
  stop(): Promise<void>;
}

const ROOT = join(import.meta.dirname, "..", "..");

export async function startTravelling(options: LiveOptions = {}): Promise<Travelling> {
  const directory = await mkdtemp(join(tmpdir(), "time-test-"));
  const live = await startLive({
    ...options,
    edgeConfig: configOf(directory, "edge", join(ROOT, "wrangler.toml")),
    s3Config: configOf(directory, "s3", join(ROOT, "test", "stack", "s3", "wrangler.toml")),
  });
  const { urls, chain } = live.stack;
  return {
    live,
    to: async (ms, how = "beating") => {
      const byMs = ms - Date.now();
      if (byMs < 0) throw new Error("time does not go back here");
      const body = JSON.stringify({ aheadMs: ahead() + byMs, beating: how === "beating" });
      // The chain first: a clock that is late keeps everybody's bytes. Whole seconds, so that they do not drift apart.
      const seconds = Math.floor((ahead() + byMs) / 1000) - Math.floor(ahead() / 1000);
      await chain.client.increaseTime({ seconds });
      // One more than `finalized` lags.
      await chain.client.mine({ blocks: 3 });
      await put(urls.s3, body);
      moveTo(ahead() + byMs);
      await put(urls.edge, body);
      await runCron(urls.edge);
    },
    stop: async () => {
      await live.stop();
      moveTo(0);
      await rm(directory, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

async function put(url: string, body: string): Promise<void> {
  const said = await fetch(new URL("/time", url), { method: "PUT", body });
  if (!said.ok) throw new Error(`${url} did not move: ${said.status} ${await said.text()}`);
}

/** The Worker's own configuration with another entry; it builds where it always does. */
function configOf(directory: string, name: string, file: string): string {
  const entry = JSON.stringify(join(import.meta.dirname, "worker", `${name}.ts`));
  const text = readFileSync(file, "utf8")
    .replace(/^main = .*$/m, `main = ${entry}`)
    .replace(/^watch_dir = .*$/m, `cwd = ${JSON.stringify(ROOT)}`);
  const written = join(directory, `${name}.toml`);
  writeFileSync(written, text);
  return written;
}
