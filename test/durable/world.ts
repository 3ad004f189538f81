/**
 * The world around the objects, held by the tests: one per object, found by the object's name. It lives in the module and not in
 * the object, so that an eviction loses what the object kept in memory and nothing else.
 */
import type {
  AnnouncedPart,
  Chain,
  Clock,
  Forecast,
  ForecastAsk,
  ObjectPlace,
  PartsPlace,
  PriceSource,
  Recheck,
  Removed,
  SettlementEnd,
  SettlementJob,
  Store,
  TransferProof,
} from "../../durable/ports.ts";
import type { Due } from "../../durable/roll.ts";
import type { Pulse } from "../../durable/rules/pulse.ts";
import { ScriptedChain } from "./scripted-chain.ts";

export interface World {
  /** Which store serves a region. */
  stores: Readonly<Record<string, string>>;
  /** How far this world's clock is ahead of the wall's. Alarms are set in this time too, so none fires by itself. */
  aheadMs: number;
  /** Opening the ports throws, as in a deployment that lacks a setting. */
  closed: boolean;
  readonly asked: { readonly job: SettlementJob; readonly atMs: number }[];
  settle: (job: SettlementJob) => Promise<SettlementEnd> | SettlementEnd;
  recheck: (seen: TransferProof) => Promise<Recheck> | Recheck;
  headMs: () => Promise<number>;
  pulse: () => Promise<Pulse>;
  forecast: (ask: ForecastAsk) => Promise<Forecast>;
  /** What the registry was told. */
  readonly told: Due[];
  wake: (wallet: string) => Promise<Due> | Due;
  readonly erased: { readonly key: string; readonly atMs: number }[];
  erase: (place: ObjectPlace) => ReturnType<Store["erase"]>;
  look: (place: ObjectPlace) => ReturnType<Store["look"]>;
  assemble: (upload: PartsPlace, parts: readonly AnnouncedPart[]) => ReturnType<Store["assemble"]>;
  ensureBucket: (name: string) => ReturnType<Store["ensureBucket"]>;
  removeBucket: (name: string) => Promise<Removed>;
  readonly rpc: ScriptedChain;
  relayerKey: () => Promise<`0x${string}`>;
  feeCeilingWei: bigint;
  /** Polling takes this world's time, not the wall's. */
  pause: (ms: number) => Promise<void>;
  /** Where the rates object takes its prices, and for which regions. */
  sources: PriceSource[];
  regions: string[];
  /** Ends the relayer the hard way once its writes are on disk. */
  crash: (() => Promise<void>) | undefined;
}

const worlds = new Map<string, World>();

export function worldOf(name: string): World {
  const known = worlds.get(name);
  if (known) return known;
  const world: World = {
    stores: { "us-east-1": "s3", "eu-north-1": "s3" },
    aheadMs: 0,
    closed: false,
    asked: [],
    settle: () => ({ end: "unknown", txHash: undefined }),
    recheck: (proof) => ({ end: "final", proof }),
    headMs: async () => clockOf(name).nowMs(),
    pulse: async () => alive(clockOf(name).nowMs()),
    forecast: async () => ({ end: "no_data", detail: "no such account" }),
    told: [],
    wake: () => ({ seq: 1, dueMs: null }),
    erased: [],
    erase: async () => ({ end: "done" }),
    look: async () => ({ end: "absent" }),
    assemble: async () => ({ end: "absent" }),
    ensureBucket: async () => ({ end: "ready" }),
    removeBucket: async () => ({ end: "gone" }),
    rpc: new ScriptedChain(() => clockOf(name).nowMs()),
    relayerKey: async () => {
      throw new Error("no key was put into this world");
    },
    feeCeilingWei: 50_000_000_000n,
    pause: async (ms) => {
      world.aheadMs += ms;
      await new Promise((resolve) => setTimeout(resolve, 1));
    },
    sources: [],
    regions: ["us-east-1"],
    crash: undefined,
  };
  worlds.set(name, world);
  return world;
}

/** A service that has beaten this very moment. */
export function alive(nowMs: number): Pulse {
  return { beats: { edge: nowMs, rpc: nowMs, relayer: nowMs }, gaps: [] };
}

export function clockOf(name: string): Clock {
  return { nowMs: () => Date.now() + worldOf(name).aheadMs };
}

export function chainOf(name: string): Chain {
  return {
    settle: async (job) => {
      worldOf(name).asked.push({ job, atMs: clockOf(name).nowMs() });
      return worldOf(name).settle(job);
    },
    recheck: async (_, seen) => worldOf(name).recheck(seen),
    headMs: () => worldOf(name).headMs(),
  };
}

/** Objects erase, look for what nobody confirmed, and make a bucket that could not be made before; the edge does the rest. */
export function storeOf(name: string): Store {
  const notHere = async () => {
    throw new Error("an object does no such I/O");
  };
  return {
    ensureBucket: async (bucket) => worldOf(name).ensureBucket(bucket.name),
    removeBucket: async (bucket) => worldOf(name).removeBucket(bucket.name),
    room: notHere,
    signPut: notHere,
    signGet: notHere,
    look: async (place) => worldOf(name).look(place),
    assemble: async (upload, parts) => worldOf(name).assemble(upload, parts),
    list: notHere,
    beginParts: notHere,
    signPart: notHere,
    listParts: notHere,
    abortParts: notHere,
    erase: async (place) => {
      worldOf(name).erased.push({ key: place.key, atMs: clockOf(name).nowMs() });
      return worldOf(name).erase(place);
    },
  };
}
