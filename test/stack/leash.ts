/**
 * The leash: a tiny process that outlives the supervisor by a few seconds, for one purpose.
 *
 * Neither anvil nor wrangler notices that its parent is gone, so a supervisor killed with -9 would leave them on their
 * ports. The supervisor therefore keeps a pipe to this process and tells it, a line each, which process groups exist
 * ("+123", "-123"). The kernel closes that pipe however the supervisor ends; what is still listed then is ended here.
 */
import { createInterface } from "node:readline";

const GRACE_MS = Number(process.argv[2]);
const POLL_MS = 50;

const groups = new Set<number>();

function send(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-group, signal);
    return true;
  } catch {
    return false;
  }
}

async function endAll(): Promise<void> {
  // Last come, first ended: the edge before the chain it talks to.
  for (const group of [...groups].reverse()) send(group, "SIGTERM");
  const deadline = Date.now() + GRACE_MS;
  while (Date.now() < deadline && [...groups].some((group) => send(group, 0))) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  for (const group of groups) send(group, "SIGKILL");
  process.exit(0);
}

// Signals meant for the whole terminal must not end the one process that cleans up after them.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const group = Number(line.slice(1));
    if (!Number.isSafeInteger(group) || group <= 1) return;
    if (line.startsWith("+")) groups.add(group);
    if (line.startsWith("-")) groups.delete(group);
  })
  .on("close", () => void endAll());
