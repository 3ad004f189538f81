/**
 * Ten thousand objects in one wallet: bought one by one, renewed by statements of at most a thousand lines for some periods, until the
 * owner pays no more than half of them; the others lapse. With the same world, faults and judge as the years.
 */
import { parseWallet, type Wallet } from "#contract/wallet";
import { everyHour } from "./history.ts";
import { type Books, judge } from "./judge.ts";
import { ask, body, buy, type Keeper, purchase } from "./people.ts";
import { beat, openYears, type Years } from "./world.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** All are bought within so many days. */
const BUYING_DAYS = 10;

export interface Crowd extends Books {
  readonly events: number;
  /** Lines of the largest statement. */
  readonly linesMost: number;
  /** How long after its deadline the last of those that lapsed went. */
  readonly lateMs: number;
}

export async function runCrowd(seed: number, objects: number, periods: number): Promise<Crowd> {
  const realNow = Date.now;
  const world = openYears(seed);
  const { time, random } = world;
  try {
    const startMs = time.nowMs;
    const wallet = parseWallet(`0x${"c0".repeat(18)}0000`) as Wallet;
    const keeper: Keeper = { wallet, name: "crowd", habit: "statement", untilMs: Number.POSITIVE_INFINITY };
    const step = () => {
      if (world.fault !== undefined) throw world.fault;
    };
    const start = (atMs: number, work: () => Promise<unknown>) =>
      time.at(atMs, () => {
        work().catch((error: unknown) => {
          world.fault ??= error;
        });
      });
    await beat(world);
    everyHour(world);
    for (let index = 0; index < objects; index++)
      start(startMs + Math.floor(random.next() * BUYING_DAYS * DAY_MS), () => buy(world, keeper, `object-${index}`));
    let linesMost = 0;
    // The day before the first is due; by then the next period of each begins within 30 days.
    for (let period = 1; period <= periods; period++)
      start(startMs + (30 * period - 1) * DAY_MS, async () => {
        const count = stored(world, wallet);
        const lines = await payAll(world, keeper, period < periods ? count : Math.floor(count / 2));
        linesMost = Math.max(linesMost, lines);
      });
    for (let day = 1; day < 30 * (periods + 2); day++) {
      await time.runUntil(startMs + day * DAY_MS, step);
      if (day % 10 === 0) judge(world, false);
    }
    const books = judge(world, true);
    return { ...books, events: time.events, linesMost, lateMs: latest(world, wallet) };
  } finally {
    Date.now = realNow;
  }
}

function stored(world: Years, wallet: Wallet): number {
  const row = world.wallets.get(wallet)?.database.all("SELECT count(*) AS n FROM orders WHERE state = 'stored'", [])[0];
  return Number(row?.["n"] ?? 0);
}

function latest(world: Years, wallet: Wallet): number {
  const orders = world.wallets
    .get(wallet)
    ?.database.all("SELECT order_id, paid_through_ms FROM orders WHERE ended = 'unpaid'", []);
  const late = (orders ?? []).map(
    ({ order_id, paid_through_ms }) =>
      (world.lapses.get(String(order_id)) ?? Number.NaN) - Number(paid_through_ms) - 2 * DAY_MS,
  );
  return late.reduce((most, each) => Math.max(most, each), 0);
}

/** Statement after statement, until so many objects are paid for or nothing is due; answers how many lines the largest had. */
async function payAll(world: Years, keeper: Keeper, atLeast: number): Promise<number> {
  let [paid, most] = [0, 0];
  for (let tries = 0; paid < atLeast && tries < 10 * (1 + atLeast / 1000); tries++) {
    const made = await ask(world, "/billing/statement", body(keeper, {}), keeper);
    const lines = made?.status === 200 ? (made.body["lines"] as unknown[]) : [];
    if (made?.status === 200 && lines.length === 0) break;
    if (made?.status === 200) {
      const wanted = body(keeper, { statement_id: made.body["statement_id"] });
      const settled = await purchase(world, keeper, "/payment/settle", wanted, true);
      if (settled?.status === 200) paid += lines.length;
      most = Math.max(most, lines.length);
    }
    await world.time.after(60_000);
  }
  return most;
}
