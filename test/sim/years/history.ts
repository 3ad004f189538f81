/** Years of many wallets, with outages, then calm until everything has come to rest. Throws what the judge finds. */
import { Random } from "../random.ts";
import type { Database } from "../storage.ts";
import { planWrongClocks, setClock } from "./clock.ts";
import { type Books, judge } from "./judge.ts";
import { keep, keeperOf } from "./people.ts";
import { beat, catchUp, openYears, type Weather, type Years } from "./world.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export interface YearsHistory extends Books {
  readonly events: number;
  /** The same for all parts of a history. */
  readonly troubles: {
    readonly outages: number;
    readonly months: number;
    readonly deploys: number;
    readonly clocks: number;
  };
}

export interface Length {
  readonly wallets: number;
  readonly days: number;
  /** Of these wallets the first; of another part of the same history another one. */
  readonly first?: number;
  readonly weather?: Weather;
  readonly tell?: (line: string) => void;
}

export async function runYears(
  seed: number,
  { wallets, days, first = 1, weather, tell }: Length,
): Promise<YearsHistory> {
  const realNow = Date.now;
  const world = openYears(seed + first * 1_000_003, weather);
  const { time, random } = world;
  const startMs = time.nowMs;
  const untilMs = startMs + days * DAY_MS;
  try {
    for (let index = first; index < first + wallets; index++) {
      const keeper = keeperOf(world, index, untilMs);
      const names = random.pick([1, 1, 1, 2, 3]);
      for (let name = 0; name < names; name++)
        time.at(startMs + random.between(0, 60) * DAY_MS + random.between(0, DAY_MS), () => {
          keep(world, keeper, `${keeper.name}-${name}`).catch((error: unknown) => {
            world.fault ??= error;
          });
        });
    }
    await beat(world);
    everyHour(world);
    // The same for all parts of a history.
    const everywhere = new Random(seed);
    const haste = weather?.haste ?? 1;
    planOutages(world, everywhere, haste, startMs, untilMs);
    planWrongClocks(world, everywhere, haste, startMs, untilMs);
    const step = () => {
      if (world.fault !== undefined) throw world.fault;
    };
    for (let day = 30; day < days; day += 30) {
      await time.runUntil(startMs + day * DAY_MS, step);
      judge(world, false);
      if (day % 360 === 0) tell?.(`year ${day / 360}: ${time.events.toLocaleString("en")} events`);
    }
    await time.runUntil(untilMs, step);
    Object.assign(world.io.faults, { before: 0, after: 0, crash: 0 });
    // Who was on the way finishes; what is unpaid by then goes.
    await time.runUntil(untilMs + 5 * DAY_MS, step);
    while (isMoving(world)) await time.runUntil(time.nowMs + HOUR_MS, step);
    const books = judge(world, true);
    const { outages, wrongClocks } = world;
    const months = outages.filter(({ fromMs, toMs }) => toMs - fromMs > 30 * DAY_MS).length;
    const troubles = { outages: outages.length, months, deploys: world.deploys, clocks: wrongClocks.length };
    return { ...books, events: time.events, troubles };
  } finally {
    Date.now = realNow;
  }
}

/** The minute's cron, run every hour: what a minute would add is a heartbeat, and that is caught up where it is read. */
export function everyHour(world: Years): void {
  const { time } = world;
  const run = async () => {
    if (world.off) return;
    for (const registry of world.registries.values())
      if (registry.used && someoneIsLate(registry.database, world.clock.nowMs()))
        await registry.call("wakeOverdue", []);
  };
  const tick = () => {
    run().catch((error: unknown) => {
      world.fault ??= error;
    });
    time.at(time.nowMs + HOUR_MS, tick);
  };
  time.at(time.nowMs + HOUR_MS, tick);
}

/** Nearly always nobody, and then there is nothing to call. */
function someoneIsLate(database: Database, nowMs: number): boolean {
  return (
    database.all("SELECT 1 AS yes FROM wallets WHERE try_ms IS NOT NULL AND try_ms <= ? LIMIT 1", [nowMs]).length > 0
  );
}

/** Now and then everything is off, for hours or for a month, or a deploy throws for a day, or the chain cannot be reached. */
function planOutages(world: Years, random: Random, haste: number, fromMs: number, untilMs: number): void {
  const { time } = world;
  let atMs = fromMs + (random.between(20, 200) / haste) * DAY_MS;
  while (atMs < untilMs - 60 * DAY_MS) {
    const dice = random.next();
    const [whole, broken] = [dice < 0.6, dice < 0.2];
    const lengthMs = random.pick([20 * 60_000, HOUR_MS, 7 * HOUR_MS, 2 * DAY_MS, whole ? 31 * DAY_MS : 3 * DAY_MS]);
    const outage = { fromMs: atMs, toMs: atMs + (broken ? DAY_MS : lengthMs) };
    time.at(outage.fromMs, () => begin(world, whole, broken, outage));
    time.at(outage.toMs, () => void end(world, whole));
    atMs = outage.toMs + (random.between(20, 300) / haste) * DAY_MS;
  }
}

function begin(world: Years, whole: boolean, broken: boolean, outage: { fromMs: number; toMs: number }): void {
  setClock(world, 0);
  catchUp(world);
  if (broken) {
    world.broken = true;
    world.deploys += 1;
    for (const shelf of world.shelves()) shelf.evict();
  }
  world.outages.push(outage);
  if (whole) world.off = true;
  world.ledger.down = true;
}

/** A payment whose outcome is open, or that is not final and has no home yet. */
function isMoving(world: Years): boolean {
  return [...world.wallets.values()].some(
    ({ database }) =>
      database.all(
        "SELECT 1 AS yes FROM payments WHERE state IN ('open', 'reopened') UNION ALL SELECT 1 FROM renewals WHERE state = 'homeless'",
        [],
      ).length > 0,
  );
}

async function end(world: Years, whole: boolean): Promise<void> {
  catchUp(world);
  world.ledger.down = false;
  if (whole) world.off = false;
  world.broken = false;
  // The first cron finds the gap before anybody who waited is served.
  await beat(world);
  for (const ring of world.waiting.splice(0)) ring();
}
