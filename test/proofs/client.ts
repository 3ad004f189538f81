/**
 * `npm run proof:client -- [--kills 20] [--mb 40] [--one-mb 400] [--big-mb 3000]`: the built command line, killed at random moments of
 * upload and of download (many once each, then one again and again over a slow line), each time resumed to byte-identical content with
 * one payment on the chain and within the allowance; and a large file there and back in little memory. Exit 0 only when all of it held.
 */
import assert from "node:assert/strict";
import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { killedDownloads, killedUploads, oneDownload, oneUpload } from "./kills.ts";
import { fill, type Machine, type Run, sha256, startMachine } from "./machine.ts";

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "20" },
    mb: { type: "string", default: "40" },
    "one-mb": { type: "string", default: "400" },
    "big-mb": { type: "string", default: "3000" },
  },
});
const kills = Number(values.kills);
const RSS_MAX_MB = 300;
/** Parts go up four at a time and are sent again when a kill finds them half-way: at this width four take three seconds. */
const SLOW_BYTES_PER_SECOND = 24_000_000;
/** Long enough to seal, or to send four parts, now and then; short enough not to come to the end. */
const LATEST_UPLOAD_KILL_MS = 5_500;
const LATEST_DOWNLOAD_KILL_MS = 1_600;

async function oneOfEach(machine: Machine): Promise<void> {
  const source = await fill(join(machine.room, "one.bin"), Number(values["one-mb"]));
  machine.line.bytesPerSecond = SLOW_BYTES_PER_SECOND;
  const name = await oneUpload(machine, source, kills, LATEST_UPLOAD_KILL_MS);
  await oneDownload(machine, name, source, kills, LATEST_DOWNLOAD_KILL_MS);
  machine.line.bytesPerSecond = Number.POSITIVE_INFINITY;
  await rm(source);
}

async function large(machine: Machine, mb: number): Promise<void> {
  const source = await fill(join(machine.room, "large.bin"), mb);
  const up = await machine.untilDone(["upload", source, "name:large"]);
  const back = join(machine.room, "large.back");
  const down = await machine.untilDone(["download", "large", `to:${back}`]);
  assert.equal(await sha256(back), await sha256(source));
  assert.equal((await stat(back)).size, mb * 1_000_000);
  const line = (run: Run) => `${(run.ms / 1000).toFixed(1)} s, at most ${run.peakMb.toFixed(0)} MB of memory`;
  console.log(`${mb} MB up: ${line(up)}; down: ${line(down)}`);
  assert.ok(up.peakMb < RSS_MAX_MB && down.peakMb < RSS_MAX_MB, `more than ${RSS_MAX_MB} MB of memory`);
}

let failed = true;
const machine = await startMachine();
try {
  if (kills > 0 && Number(values.mb) > 0) {
    const source = await fill(join(machine.room, "source.bin"), Number(values.mb));
    await killedDownloads(machine, await killedUploads(machine, source, kills), source);
  }
  if (kills > 0 && Number(values["one-mb"]) > 0) await oneOfEach(machine);
  if (Number(values["big-mb"]) > 0) await large(machine, Number(values["big-mb"]));
  failed = false;
} catch (error) {
  console.error(error);
} finally {
  await machine.stop();
}
process.exit(failed ? 1 : 0);
