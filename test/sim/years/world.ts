/** A world of years: the real wallets, registries and heartbeat, the real verbs, one S3, one chain, and outages that come and go. */
import { parseWallet, type Wallet } from "#contract/wallet";
import { HeartbeatObject } from "../../../durable/heartbeat.ts";
import type { SettlementJob } from "../../../durable/ports.ts";
import { RegistryObject, SHARDS, shardOf } from "../../../durable/registry.ts";
import type { Due } from "../../../durable/roll.ts";
import type { Pulse } from "../../../durable/rules/pulse.ts";
import { WalletObject, type WalletPorts } from "../../../durable/wallet.ts";
import { NO_FORECASTS } from "../../../worker/adapters/aws/cost-explorer.ts";
import { openRates } from "../../../worker/adapters/rate-card.ts";
import { Io } from "../actor.ts";
import { SimS3 } from "../bucket.ts";
import { chainFor, type EdgeParts } from "../edge.ts";
import { Random } from "../random.ts";
import { Time } from "../time.ts";
import { YearChain } from "./chain.ts";
import { judgeErase, judgeLapse, judgeSend } from "./moments.ts";
import { type Platform, Shelf } from "./shelf.ts";

export const PAY_TO = parseWallet(`0x${"99".repeat(20)}`) as Wallet;
const LANE = parseWallet(`0x${"11".repeat(20)}`) as Wallet;

export interface Years extends EdgeParts, Platform {
  readonly ledger: YearChain;
  readonly wallets: Map<Wallet, Shelf<WalletObject>>;
  readonly registries: Map<string, Shelf<RegistryObject>>;
  readonly heart: Shelf<HeartbeatObject>;
  /** Time in which nobody could pay, as it was; the heartbeat has to have found it out. */
  readonly outages: { readonly fromMs: number; toMs: number }[];
  /** Lapses that were looked at: they do not change. */
  readonly judged: Set<string>;
  /** Deploys that threw for a day. */
  deploys: number;
  /** By how much the service's clock is ahead of the time (clock.ts), and when it was. */
  aheadMs: number;
  readonly wrongClocks: { readonly fromMs: number; readonly toMs: number }[];
  readonly clock: { nowMs(): number };
  /** When each order ended unpaid, by the time. */
  readonly lapses: Map<string, number>;
  /** Claims of mandates that their owner took back, and what was signed. */
  readonly revoked: Map<string, string>;
  shelves(): { clockMoved(): void; evict(): void }[];
  fault: unknown;
}

/** What a known bug needs to show itself soon. */
export interface Weather {
  /** How often an alarm is forgotten. */
  readonly forgets?: number;
  /** How often a payment's outcome is not known for a while. */
  readonly slow?: number;
  /** How much shorter the times are between outages, and between wrong clocks. */
  readonly haste?: number;
}

export function openYears(seed: number, { forgets = 0.004, slow = 0.03 }: Weather = {}): Years {
  const random = new Random(seed);
  const time = new Time(random);
  const clock = { nowMs: () => time.nowMs + world.aheadMs };
  Date.now = () => clock.nowMs();
  const io = new Io(time, random, { before: 0.002, after: 0.004, crash: 0.001, latencyMs: 0 });
  const ledger = new YearChain(time, random, slow);
  const s3 = new SimS3(time);
  const policy = {
    payTo: PAY_TO,
    markupPercent: 20n,
    priceMinimum: 10_000n,
    regions: ["us-east-1"],
    defaultRegion: "us-east-1",
    stores: { "us-east-1": "s3", "eu-north-1": "s3" },
  };
  const world: Years = {
    time,
    random,
    io,
    s3,
    policy,
    ledger,
    lanes: [LANE],
    off: false,
    broken: false,
    deploys: 0,
    forgets,
    aheadMs: 0,
    wrongClocks: [],
    clock,
    lapses: new Map(),
    revoked: new Map(),
    shelves: () => [...world.wallets.values(), ...world.registries.values(), world.heart],
    waiting: [],
    wallets: new Map(),
    registries: new Map(),
    outages: [],
    judged: new Set(),
    fault: undefined,
    heart: undefined as never,
    pulse: { read: () => pulseOf(world) },
    callWallet: (_, wallet, method, args) => shelfOf(wallet).call(method, args),
    callLane: async (_, __, method, [job]) =>
      (method === "settle" ? ledger.settle(job as SettlementJob) : ledger.recheck(job as SettlementJob)) as never,
  };
  ledger.onSend = (job) => judgeSend(world, job);
  class Heart extends HeartbeatObject {
    protected openClock() {
      return clock;
    }
  }
  Object.assign(world, { heart: new Shelf("heartbeat", world, (ctx) => new Heart(ctx as never, undefined)) });
  class Registry extends RegistryObject {
    protected openPorts() {
      return { clock, wake: (wallet: Wallet) => shelfOf(wallet).call<Due>("wake", []) };
    }
  }
  for (const name of SHARDS)
    world.registries.set(name, new Shelf(name, world, (ctx) => new Registry(ctx as never, undefined)));
  const shelfOf = (wallet: Wallet) => {
    const known = world.wallets.get(wallet);
    if (known) return known;
    const shelf = new Shelf<WalletObject>(wallet, world, (ctx) => new (heldBy(world, wallet))(ctx as never, undefined));
    world.wallets.set(wallet, shelf);
    return shelf;
  };
  return world;
}

function heldBy(world: Years, wallet: Wallet) {
  const actor = { alive: true, name: wallet };
  const chain = chainFor(actor, world);
  // Answers get lost; whole instances are dropped by the shelf.
  const store = world.s3.storeFor(actor, new Io(world.time, world.random, { ...world.io.faults, crash: 0 }));
  const ports: WalletPorts = {
    clock: world.clock,
    chain: {
      ...chain,
      headMs: async () => {
        if (world.ledger.down) throw new Error("no endpoint answers");
        // Mostly by a quarter of an hour, so that nobody can pay any more when an object goes; where it does not, they meet.
        return world.time.nowMs - (world.random.chance(0.2) ? 0 : 900_000);
      },
    },
    store: {
      ...store,
      erase: (place) => {
        judgeErase(world, wallet, place.key);
        return store.erase(place);
      },
    },
    policy: world.policy,
    forecasts: NO_FORECASTS,
    rates: openRates({ anyAge: true }),
    pulse: { read: () => pulseOf(world) },
    registry: {
      put: async (of, due) => {
        if (world.random.chance(0.01)) throw new Error("the registry did not answer");
        await world.registries.get(shardOf(of))?.call("put", [of, due]);
      },
    },
  };
  return class extends WalletObject {
    protected openPorts() {
      return ports;
    }

    override finishDue(...[orderId, ...said]: Parameters<WalletObject["finishDue"]>): void {
      super.finishDue(orderId, ...said);
      judgeLapse(world, wallet, orderId);
    }
  };
}

/** What the minutes since the last look have written, had each been run; asked before anything changes. */
export function catchUp(world: Years): void {
  if (world.off) return;
  // The cron runs by the time; what it writes is what its clock says then.
  const minuteMs = Math.floor(world.time.nowMs / 60_000) * 60_000 + world.aheadMs;
  world.heart.database.all("UPDATE beats SET last_ms = max(last_ms, ?) WHERE kind = 'edge'", [minuteMs]);
  if (!world.ledger.down)
    world.heart.database.all("UPDATE beats SET last_ms = max(last_ms, ?) WHERE kind <> 'edge'", [minuteMs]);
}

async function pulseOf(world: Years): Promise<Pulse> {
  catchUp(world);
  return world.heart.call<Pulse>("pulse", []);
}

/** The cron's beat at the edges of an outage, where it matters. */
export async function beat(world: Years): Promise<void> {
  const chainUp = !world.ledger.down;
  if (!world.off) await world.heart.call("beat", [{ edge: true, rpc: chainUp, relayer: chainUp }]);
}
