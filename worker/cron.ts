/**
 * Once a minute (cron): the service says that it is there to be paid, and every registry wakes the wallets that are overdue. Each of it
 * stands alone; what fails is done a minute later.
 */
import { BEAT_MISSED_MS } from "#contract/limits";
import type { TickPorts } from "./flow/ports.ts";

export async function tick(ports: TickPorts): Promise<void> {
  const nowMs = ports.clock.nowMs();
  const [rpc, relayer] = await Promise.all([
    // A chain that stands still takes no payment either.
    said("rpc", async () => Math.abs(nowMs - (await ports.chainMs())) <= BEAT_MISSED_MS),
    said("relayer", ports.canSettle),
  ]);
  // The beat first: whoever is woken reads it.
  await said("beat", () => ports.beat({ edge: true, rpc: rpc === true, relayer: relayer === true }));
  await Promise.all(ports.registries.map((wakeOverdue) => said("wake", wakeOverdue)));
}

async function said<T>(what: string, ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    console.error(JSON.stringify({ code: "tick_failed", what, detail: String(error) }));
    return undefined;
  }
}
