/**
 * The clock of the service, which is not always right: it steps back by up to an hour, or is ahead by up to a day, and is put right again.
 * The chain keeps its own time. Never while something is off: an outage that a wrong clock has measured is nobody's promise.
 */
import type { Random } from "../random.ts";
import { beat, catchUp, type Years } from "./world.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export function planWrongClocks(world: Years, random: Random, haste: number, fromMs: number, untilMs: number): void {
  let atMs = fromMs + (random.between(10, 150) / haste) * DAY_MS + random.between(0, DAY_MS);
  while (atMs < untilMs - 10 * DAY_MS) {
    const byMs = random.pick([
      -1_000,
      -MINUTE_MS,
      -20 * MINUTE_MS,
      -HOUR_MS,
      30_000,
      5 * MINUTE_MS,
      2 * HOUR_MS,
      26 * HOUR_MS,
    ]);
    // Shorter than it is ahead: what a clock ahead has written is in the future when it is put right, and is known by that.
    const forMs = byMs > 10 * MINUTE_MS ? byMs / 2 : random.between(MINUTE_MS, 12 * HOUR_MS);
    const wrong = { fromMs: atMs, toMs: atMs + forMs };
    world.time.at(wrong.fromMs, () => {
      if (world.off || world.ledger.down) return;
      world.wrongClocks.push(wrong);
      setClock(world, byMs);
    });
    world.time.at(wrong.toMs, () => setClock(world, 0));
    atMs = wrong.toMs + (random.between(5, 150) / haste) * DAY_MS + random.between(0, DAY_MS);
  }
}

export function setClock(world: Years, aheadMs: number): void {
  if (world.aheadMs === aheadMs) return;
  catchUp(world);
  world.aheadMs = aheadMs;
  for (const shelf of world.shelves()) shelf.clockMoved();
  // The next minute's beat tells the new time.
  world.time.at(world.time.nowMs + MINUTE_MS, () => {
    beat(world).catch((error: unknown) => {
      world.fault ??= error;
    });
  });
}
