/** The journal's file: who opens it first, and who at the same moment. */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";

const NEIGHBOURS = 2;
const TURNS = 40;

test("opened anew by two at once is opened by both", async () => {
  const room = mkdtempSync(join(tmpdir(), "journal-"));
  try {
    const homes = Array.from({ length: TURNS }, (_, turn) => join(room, String(turn)));
    const gate = new Int32Array(new SharedArrayBuffer(4 * TURNS));
    const met = await Promise.all(
      Array.from({ length: NEIGHBOURS }, async () => {
        const worker = new Worker(new URL("./database-opener.ts", import.meta.url), {
          workerData: { homes, gate, neighbours: NEIGHBOURS },
        });
        return (await once(worker, "message"))[0] as string[];
      }),
    );
    expect(met).toEqual([[], []]);
  } finally {
    rmSync(room, { recursive: true, force: true });
  }
});
