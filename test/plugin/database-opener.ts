/** Opens each journal it is told of in the moment its neighbours do, and says what it met. */
import { parentPort, workerData } from "node:worker_threads";
import { openDatabase } from "../../client-plugin/state/database.ts";

const { homes, gate, neighbours } = workerData as { homes: string[]; gate: Int32Array; neighbours: number };
const met: string[] = [];
for (const [turn, home] of homes.entries()) {
  Atomics.add(gate, turn, 1);
  // Nobody sleeps: who is woken late is no rival.
  while (Atomics.load(gate, turn) < neighbours);
  try {
    (await openDatabase(home)).close();
  } catch (error) {
    met.push(String(error));
  }
}
parentPort?.postMessage(met);
