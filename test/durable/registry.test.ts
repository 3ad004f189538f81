/** Who is due when, kept beside the wallets; and when the service was there to be paid. */
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { SHARDS, shardOf } from "../../durable/registry.ts";
import { BEATS, deadlineMs, isAlive } from "../../durable/rules/pulse.ts";
import { freshHex, freshWallet } from "./fixture.ts";
import { clockOf, worldOf } from "./world.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const now = () => clockOf("registry").nowMs();
const shard = () => env.REGISTRY.getByName(`registry-${freshHex()}`);

describe("a registry", () => {
  it("wakes who is overdue, learns the next time, and leaves the others alone", async () => {
    const registry = shard();
    const [late, early, never] = [freshWallet(), freshWallet(), freshWallet()];
    await registry.put(late, { seq: 1, dueMs: now() - DAY_MS });
    await registry.put(early, { seq: 1, dueMs: now() + DAY_MS });
    await registry.put(never, { seq: 1, dueMs: null });
    const woken: string[] = [];
    for (const wallet of [late, early, never])
      worldOf(wallet).wake = () => {
        woken.push(wallet);
        return { seq: 2, dueMs: now() + DAY_MS };
      };
    expect(await registry.wakeOverdue()).toEqual({ woken: 0, failed: 0 });
    worldOf("registry").aheadMs += 6 * MINUTE_MS;
    expect(await registry.wakeOverdue()).toEqual({ woken: 1, failed: 0 });
    expect(await registry.wakeOverdue()).toEqual({ woken: 0, failed: 0 });
    expect(woken).toEqual([late]);
    const due = await registry.dueAfter("", now() + 2 * DAY_MS, 10);
    expect(due).toEqual([late, early].sort());
    expect(await registry.dueAfter(due[0] ?? "", now() + 2 * DAY_MS, 1)).toEqual(due.slice(1));
    expect(await registry.dueAfter("", now() - 1, 10)).toEqual([]);
  });

  it("tries a wallet that fails again and again, and serves the others meanwhile", async () => {
    const registry = shard();
    const [broken, fine] = [freshWallet(), freshWallet()];
    for (const wallet of [broken, fine]) await registry.put(wallet, { seq: 1, dueMs: now() - DAY_MS });
    worldOf(broken).wake = () => Promise.reject(new Error("this deploy throws"));
    worldOf(fine).wake = () => ({ seq: 2, dueMs: null });
    worldOf("registry").aheadMs += 6 * MINUTE_MS;
    expect(await registry.wakeOverdue()).toEqual({ woken: 1, failed: 1 });
    // A day of a deploy that throws, then a better one.
    for (let hour = 0; hour < 24; hour++) {
      worldOf("registry").aheadMs += 60 * MINUTE_MS;
      await registry.wakeOverdue();
    }
    worldOf(broken).wake = () => ({ seq: 2, dueMs: null });
    worldOf("registry").aheadMs += 70 * MINUTE_MS;
    expect(await registry.wakeOverdue()).toEqual({ woken: 1, failed: 0 });
  });

  it("believes the newest word, whichever arrives last", async () => {
    const registry = shard();
    const wallet = freshWallet();
    let woken = 0;
    worldOf(wallet).wake = () => {
      woken += 1;
      return { seq: 9, dueMs: null };
    };
    await registry.put(wallet, { seq: 3, dueMs: now() });
    await registry.put(wallet, { seq: 2, dueMs: now() + 300 * DAY_MS });
    worldOf("registry").aheadMs += 20 * MINUTE_MS;
    await registry.wakeOverdue();
    expect(woken).toBe(1);
  });

  it("is one of sixteen, by the wallet's hash", () => {
    const shards = new Set(Array.from({ length: 400 }, () => shardOf(freshWallet())));
    expect([...shards].sort()).toEqual([...SHARDS].sort());
  });
});

describe("the heartbeat", () => {
  const ALL = { edge: true, rpc: true, relayer: true };

  it("keeps what it missed, of each kind, and forgets what a wrong clock said", async () => {
    const name = freshHex();
    const heart = env.HEARTBEAT.getByName(name);
    const world = worldOf(name);
    expect(isAlive(await heart.pulse(), clockOf(name).nowMs())).toBe(false);
    await heart.beat(ALL);
    world.aheadMs += 9 * MINUTE_MS;
    await heart.beat(ALL);
    expect((await heart.pulse()).gaps).toEqual([]);
    expect(isAlive(await heart.pulse(), clockOf(name).nowMs())).toBe(true);
    for (let minute = 0; minute < 30; minute++) {
      world.aheadMs += MINUTE_MS;
      await heart.beat({ ...ALL, rpc: false });
    }
    expect(isAlive(await heart.pulse(), clockOf(name).nowMs())).toBe(false);
    await heart.beat(ALL);
    const [gap] = (await heart.pulse()).gaps;
    expect((gap?.toMs ?? 0) - (gap?.fromMs ?? 0)).toBeGreaterThanOrEqual(30 * MINUTE_MS);
    world.aheadMs += 30 * DAY_MS;
    expect(isAlive(await heart.pulse(), clockOf(name).nowMs())).toBe(false);
    await heart.beat(ALL);
    expect((await heart.pulse()).gaps.length).toBeGreaterThan(1);
    // The clock was a month ahead and comes back: those beats and gaps have not happened.
    world.aheadMs -= 30 * DAY_MS;
    expect(isAlive(await heart.pulse(), clockOf(name).nowMs())).toBe(false);
    await heart.beat(ALL);
    expect((await heart.pulse()).gaps).toHaveLength(1);
    expect(isAlive(await heart.pulse(), clockOf(name).nowMs())).toBe(true);
  });

  it("makes the grace two days in which one could have paid", () => {
    const day = (n: number) => n * DAY_MS;
    const gap = (from: number, to: number) => ({ fromMs: day(from), toMs: day(to) });
    expect(deadlineMs(day(10), [])).toBe(day(12));
    expect(deadlineMs(day(10), [gap(1, 9), gap(13, 20)])).toBe(day(12));
    expect(deadlineMs(day(10), [gap(11, 14)])).toBe(day(15));
    expect(deadlineMs(day(10), [gap(5, 40)])).toBe(day(42));
    // Overlapping kinds count once, and what extends may run into the next outage.
    expect(deadlineMs(day(10), [gap(11, 12), gap(11, 13), gap(13.5, 20)])).toBe(day(20.5));
    expect(BEATS).toHaveLength(3);
  });
});
