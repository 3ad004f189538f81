/** One history: a rough time with many clients, then calm until everything has come to rest. Throws what the judge finds. */
import { act, buyersOf } from "./clients.ts";
import { checkRest, checkStep, watch } from "./judge.ts";
import { type Mutation, openWorld, type World } from "./world.ts";

export interface History {
  readonly events: number;
  readonly world: World;
}

export class Found extends Error {
  readonly seed: number;
  readonly world: World;
  constructor(seed: number, world: World, cause: unknown) {
    super(`seed ${seed}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.seed = seed;
    this.world = world;
  }
}

const ROUGH_MS = 90_000;
/** Long enough for windows to close, finality to pass, void claims to be forgotten and URLs to die. */
const CALM_MS = 3 * 3_600_000;

export async function runHistory(seed: number, mutation: Mutation = {}, renewing = false): Promise<History> {
  const realNow = Date.now;
  const undo = mutation.patch?.();
  const world = openWorld(seed, mutation, renewing);
  let fault: unknown;
  const fail = (error: unknown) => {
    fault ??= error;
  };
  try {
    watch(world, fail);
    const { time, random, io, chain } = world;
    const buyers = buyersOf(world);
    for (const buyer of buyers)
      for (let play = random.between(1, 3); play > 0; play--)
        time.at(time.nowMs + random.between(0, 40_000), () => void act(world, buyer).catch(fail));
    for (let evictions = random.between(0, 6); evictions > 0; evictions--)
      time.at(time.nowMs + random.between(0, ROUGH_MS), () => {
        const hosts = [...world.wallets.values(), ...world.laneHosts.values()];
        if (hosts.length === 0) return;
        const host = random.pick<{ evict(): void; kill(): void }>(hosts);
        if (random.chance(0.5)) host.evict();
        else host.kill();
      });
    const step = () => {
      if (fault === undefined && time.events % 41 === 0) checkStep(world);
      if (fault !== undefined) throw fault;
    };
    await time.runUntil(time.nowMs + ROUGH_MS, step);
    Object.assign(io.faults, { before: 0, after: 0, crash: 0, latencyMs: 5 });
    chain.calm = true;
    await time.runUntil(time.nowMs + CALM_MS, step);
    checkStep(world);
    checkRest(world);
    return { events: time.events, world };
  } catch (error) {
    throw new Found(seed, world, error);
  } finally {
    Date.now = realNow;
    undo?.();
  }
}
