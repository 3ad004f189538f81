/** Room on the disk: asked for before the work, so that a long one does not end in the middle for want of a few bytes. */
import { statfs } from "node:fs/promises";
import { formatSize } from "#contract/sizes";
import { Fault } from "../faults.ts";

/** What else the machine writes meanwhile, the journal above all. */
const SPARE_BYTES = 4 * 1024 ** 2;

/**
 * `directory` must exist. Where the system does not say what is free, nothing is refused: the writing will say it.
 * @throws Fault `disk_full`
 */
export async function refuseFull(directory: string, wantedBytes: number, what: string): Promise<void> {
  const found = await statfs(directory, { bigint: true }).catch(() => undefined);
  if (found === undefined || found.blocks === 0n) return;
  const free = Number(found.bavail * found.bsize);
  if (free >= wantedBytes + SPARE_BYTES) return;
  const message = `${what} needs ${formatSize(wantedBytes)} in ${directory}; ${formatSize(free)} are free there.`;
  throw new Fault("disk_full", message, {
    retryable: true,
    next: "Free some space, then make the same call again; it goes on where it stopped and nothing is paid twice.",
  });
}
