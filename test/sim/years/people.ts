/**
 * Those who keep things for years, each in a way of his own: on the first of the month as the published client does, early, in grace, at
 * the last second, forgetful, by statement, by mandates, gone for good. They repeat what got lost, and pay twice when they can.
 */
import { parseWallet, type Wallet } from "#contract/wallet";
import { type Buyer, pay, proof } from "../clients.ts";
import { Broken, type Reply, send } from "../edge.ts";
import { keepByMandates } from "./mandates.ts";
import type { Years } from "./world.ts";

const DAY_MS = 86_400_000;
const PERIOD_MS = 30 * DAY_MS;

const HABITS = [
  "monthly",
  "early",
  "grace",
  "last_second",
  "last_ms",
  "careless",
  "statement",
  "mandates",
  "mandates",
] as const;
type Habit = (typeof HABITS)[number];

export interface Keeper extends Buyer {
  readonly habit: Habit;
  readonly untilMs: number;
}

export function keeperOf(world: Years, index: number, untilMs: number): Keeper {
  const wallet = parseWallet(`0x${index.toString(16).padStart(36, "a")}0000`) as Wallet;
  return { wallet, name: `k${index}`, habit: world.random.pick(HABITS), untilMs };
}

/** One name, kept, lost and begun again until the end of the history. */
export async function keep(world: Years, keeper: Keeper, name: string): Promise<void> {
  const { time, random } = world;
  while (time.nowMs < keeper.untilMs) {
    const paidThroughMs = await buy(world, keeper, name);
    if (paidThroughMs !== undefined && keeper.habit === "mandates") await keepByMandates(world, keeper, name);
    else if (paidThroughMs !== undefined) await renewUntilLost(world, keeper, name, paidThroughMs);
    await time.after(random.between(1, 60) * DAY_MS);
  }
}

async function renewUntilLost(world: Years, keeper: Keeper, name: string, firstMs: number): Promise<void> {
  const { time, random } = world;
  let throughMs = firstMs;
  for (;;) {
    await until(world, momentOf(world, keeper.habit, throughMs));
    if (time.nowMs >= keeper.untilMs) return;
    const mood = random.next();
    if (mood < 0.02) return;
    if (mood < 0.03) {
      // Deletes, now and then with a renewal on its way.
      const renewing = random.chance(0.5) ? renew(world, keeper, name) : undefined;
      await ask(world, "/storage/delete", body(keeper, { object_key: name }), keeper);
      await renewing;
      return;
    }
    const both = mood < 0.05 ? [renew(world, keeper, name), renew(world, keeper, name)] : [renew(world, keeper, name)];
    const replies = await Promise.all(both);
    const good = replies.find((reply) => reply?.status === 200);
    if (good) throughMs = Date.parse(String(good.body["paid_through"]));
    else if (replies.some((reply) => reply && (reply.status === 404 || reply.status === 410))) return;
    else await time.after(random.between(1, 6) * 3_600_000);
  }
}

function momentOf(world: Years, habit: Habit, throughMs: number): number {
  const { random, time } = world;
  const graceMs = throughMs + 2 * DAY_MS;
  switch (habit) {
    case "monthly": {
      const now = new Date(time.nowMs + DAY_MS);
      return Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 1) + random.between(0, 600_000);
    }
    case "early":
    case "mandates":
    case "statement":
      return throughMs - random.between(1, 5) * DAY_MS;
    case "grace":
      return throughMs + random.between(0, 2 * DAY_MS - 3_600_000);
    case "last_second":
      return graceMs - random.between(500, 2_000);
    case "last_ms":
      return graceMs + random.between(-2, 2);
    case "careless":
      return throughMs + random.between(-10 * DAY_MS, 3 * DAY_MS);
  }
}

export async function buy(world: Years, keeper: Keeper, name: string): Promise<number | undefined> {
  const order = { content_length_bytes: world.random.between(1, 5) * 1_000_000, content_sha256: world.random.hex(32) };
  const asked = body(keeper, { object_key: name, region: "us-east-1", ...order });
  const reply = await purchase(world, keeper, "/storage/upload", asked, false);
  if (reply?.status !== 200) return undefined;
  // Some pay and never send; some send and never confirm.
  if (world.random.chance(0.01)) return Date.parse(String(reply.body["paid_through"]));
  world.s3.put(String(reply.body["upload_url"]));
  if (world.random.chance(0.98)) {
    const confirm = body(keeper, { order_id: String(reply.body["order_id"]) });
    for (let tries = 0; tries < 4; tries++)
      if ((await ask(world, "/storage/upload/confirm", confirm, keeper))?.status === 200) break;
  }
  return Date.parse(String(reply.body["paid_through"]));
}

async function renew(world: Years, keeper: Keeper, name: string): Promise<Reply | undefined> {
  // Some of those who pay by statement do both, at once.
  if (keeper.habit === "statement" && world.random.chance(0.95)) return renewAll(world, keeper, name);
  return renewByHand(world, keeper, name);
}

export function renewByHand(world: Years, keeper: Keeper, name: string): Promise<Reply | undefined> {
  return purchase(world, keeper, "/payment/settle", body(keeper, { renewal: true, object_key: name }), true);
}

/** Everything of the wallet that is due; answers for this name. What is on no statement is asked about by itself. */
async function renewAll(world: Years, keeper: Keeper, name: string): Promise<Reply | undefined> {
  const made = await ask(world, "/billing/statement", body(keeper, {}), keeper);
  const lines = made?.status === 200 ? (made.body["lines"] as { object_key: string; order_id: string }[]) : undefined;
  if (!made || !lines) return undefined;
  const line = lines.find(({ object_key }) => object_key === name);
  if (!line) return renewByHand(world, keeper, name);
  const statement = body(keeper, { statement_id: made.body["statement_id"] });
  // Two machines of one wallet, of which one renews each object by itself.
  const beside = world.random.chance(0.1) ? renewByHand(world, keeper, name) : undefined;
  const settled = await purchase(world, keeper, "/payment/settle", statement, true);
  await beside;
  if (settled?.status !== 200) return undefined;
  const paid = settled.body["lines"] as { order_id: string; paid_through?: string }[];
  const through = paid.find(({ order_id }) => order_id === line.order_id)?.paid_through;
  return through === undefined ? undefined : { ...settled, body: { paid_through: through } };
}

/** Asks, pays what the 402 says, and repeats the very same until somebody answers. */
export async function purchase(world: Years, keeper: Keeper, path: string, asked: object, proven: boolean) {
  const headers = proven ? proof(world, keeper, path) : {};
  const offer = await ask(world, path, asked, proven ? headers : undefined);
  if (offer?.status !== 402) return offer;
  const paid = { ...headers, ...pay(world, keeper, offer, path) };
  for (let tries = 0; tries < 5; tries++) {
    const reply = await ask(world, path, asked, paid);
    const open = !reply || reply.status === 202 || reply.status >= 500 || reply.code === "payment_pending";
    if (!open) return reply;
    // Some delete what they are paying for.
    const { object_key } = asked as { object_key?: string };
    if (proven && object_key !== undefined && world.random.chance(0.05))
      await ask(world, "/storage/delete", body(keeper, { object_key }), keeper);
    await world.time.after(world.random.between(500, 20_000));
  }
  return undefined;
}

export function body(keeper: Keeper, more: object): object {
  return { wallet_address: keeper.wallet, ...more };
}

/** `by`: a keeper signs a fresh proof, headers go out as they are. */
export async function ask(world: Years, path: string, asked: object, by: Keeper | Record<string, string> | undefined) {
  if (world.off) return undefined;
  const headers = by === undefined ? {} : isKeeper(by) ? proof(world, by, path) : by;
  try {
    return await send(world, path, asked, headers);
  } catch (error) {
    if (error instanceof Broken) world.fault ??= error;
    return undefined;
  }
}

function isKeeper(by: Keeper | Record<string, string>): by is Keeper {
  return "habit" in by;
}

export async function until(world: Years, atMs: number, atMostMs = 2 * PERIOD_MS): Promise<void> {
  await world.time.after(Math.max(0, Math.min(atMs - world.time.nowMs, atMostMs)));
}
