/** A disk that is full in the middle of the work: said with a sentence, and gone on from when there is room again. */
import { execFile, execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { refuseFull } from "../../client-plugin/operations/room.ts";
import { startDepot } from "./depot.ts";
import { refusal, scratch } from "./fixture.ts";
import { PAYEE } from "./service.ts";

const room = scratch();
const PROGRAM = fileURLToPath(new URL("small-disk.ts", import.meta.url));
/** In a mount namespace of its own; nothing of it is seen outside, and nothing is left. */
const inside = (script: string) => ["--user", "--map-root-user", "--mount", "sh", "-c", script];

function canMount(): boolean {
  try {
    execFileSync("unshare", inside(`mount -t tmpfs -o size=1m tmpfs ${room}`), { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

test("more than there is room for is refused before it begins", async () => {
  await refuseFull(room, 1, "It");
  expect(await refusal(refuseFull(room, 1e18, "The download"))).toBe("disk_full");
  const { message } = (await refuseFull(room, 1e18, "The download").catch((error: unknown) => error)) as Error;
  expect(message).toMatch(/^The download needs 1000 PB in \/.*; [\d.]+ [MGT]B are free there\.$/);
});

test.skipIf(!canMount())(
  "a disk that fills up ends the work with a sentence, and it goes on when there is room",
  async () => {
    const depot = await startDepot();
    onTestFinished(() => depot.close());
    // So that there is time to fill the disk between two pieces.
    depot.line.judge = ({ method, url = "" }) =>
      method === "GET" && url.includes("order.") ? { kind: "slow", pauseMs: 20 } : undefined;
    const disk = join(room, "disk");
    await mkdir(disk);
    const source = join(room, "source.bin");
    await writeFile(source, randomBytes(5_000_000));
    const run = `mount -t tmpfs -o size=28m tmpfs ${disk} && exec "$0" "$@"`;
    const command = [process.execPath, "--no-warnings", PROGRAM, disk, depot.service.url, PAYEE, source];
    const { stdout } = await promisify(execFile)("unshare", [...inside(run), ...command]);
    const full = { code: "disk_full", retryable: true, next: expect.stringContaining("same call again") };
    const told = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as Record<string, unknown>;
    for (const step of ["seal", "download", "open"]) {
      expect(told[step]).toMatchObject({
        ...full,
        message: expect.stringMatching(/^There is no room left on the disk/),
      });
      if (step !== "open") expect(told[`${step} again`]).toMatchObject(full);
      expect(told[`${step} state`]).toBe("open");
      // Nothing under the final name, and nothing of the plaintext.
      expect(told[`${step} left`]).toEqual([]);
    }
    expect(told).toMatchObject({ stored: "stored", identical: true });
    expect(depot.payments()).toBe(1);
    // What had come was not asked for again: each question begins where the one before had got to.
    const firsts = depot.asked("/storage/download").map(({ range }) => Number(/=(\d+)-/.exec(String(range))?.[1]));
    expect(firsts[0]).toBe(0);
    expect(firsts.slice(1).every((first) => first > 0)).toBe(true);
  },
);
