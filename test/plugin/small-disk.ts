/**
 * Run with a small disk of its own at `disk`: fills it in the middle of sealing and of downloading, frees it, and goes on. Prints what
 * it was told. The room is there when the work begins, so what ends it is the system's own "no space left".
 */
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Core } from "../../client-plugin/core.ts";
import { explain } from "../../client-plugin/faults.ts";
import { openClient } from "../demo/client.ts";

const [disk = "", edgeUrl = "", payTo = "", source = ""] = process.argv.slice(2);
const home = join(disk, "home");
const filler = join(disk, "filler");
const core = await openClient({ edgeUrl, chainUrl: "http://127.0.0.1:9", key: `0x${"17".repeat(32)}`, home, payTo });
const told: Record<string, unknown> = {};

/** Takes all of it, to the last block. */
function fill(): void {
  const { bavail, bsize } = statfsSync(disk);
  try {
    writeFileSync(filler, randomBytes(bavail * bsize));
  } catch {
    // It was a block less.
  }
}
const leftIn = (directory: string) => readdirSync(directory).filter((name) => name !== "filler" && name !== "home");
const refusedBy = (work: Promise<unknown>) => work.then(() => "nothing", explain);
const fillAt = (step: string) => (at: string, done: number) => {
  if (at === step && done > 0) fill();
};
type Work = (onStep?: (step: string, done: number) => void) => Promise<unknown>;
async function through(step: string, work: Work): Promise<void> {
  told[step] = await refusedBy(work(fillAt(step)));
  told[`${step} state`] = core.operations.list({ limit: 1 })[0]?.state;
  told[`${step} left`] = leftIn(disk);
  told[`${step} again`] = await refusedBy(work());
  rmSync(filler);
}

const store: Work = (onStep) => core.store({ path: source, objectKey: "notes.bin", onStep });
const fetch: Work = (onStep) => core.fetch({ objectKey: "notes.bin", destination: join(disk, "back.bin"), onStep });
await through("seal", store);
told["stored"] = ((await store()) as Awaited<ReturnType<Core["store"]>>).state;
await through("download", fetch);
await through("open", fetch);
// What an opening that failed had written is gone, so there may be room for another.
if (core.operations.list({ openOnly: true, limit: 1 }).length > 0) await fetch();
told["identical"] = readFileSync(join(disk, "back.bin")).equals(readFileSync(source));
core.close();
console.log(JSON.stringify(told));
