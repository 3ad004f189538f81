/** Puts the parts together for one seed: two lanes, a few wallets, one chain, one S3. */
import { keccak_256 } from "@noble/hashes/sha3.js";
import { bytesToHex, bytesToUtf8, hexToBytes, utf8ToBytes } from "#contract/bytes";
import { parseWallet, type Wallet } from "#contract/wallet";
import type { RelayerPorts } from "../../durable/lane-ports.ts";
import { RelayerObject } from "../../durable/relayer.ts";
import { addressOf } from "../../durable/sign.ts";
import { WalletObject, type WalletPorts } from "../../durable/wallet.ts";
import { NO_FORECASTS } from "../../worker/adapters/aws/cost-explorer.ts";
import { openRates } from "../../worker/adapters/rate-card.ts";
import { type Actor, type Faults, Io } from "./actor.ts";
import { SimS3 } from "./bucket.ts";
import { type Intent, SimChain } from "./chain.ts";
import { chainFor, type EdgeParts } from "./edge.ts";
import { Host } from "./object.ts";
import { Random } from "./random.ts";
import { Time } from "./time.ts";

export const PAY_TO = parseWallet(`0x${"99".repeat(20)}`) as Wallet;
const KEYS = ["11", "22"].map((byte) => `0x${byte.repeat(32)}` as const);
export const LANES = KEYS.map((key) => addressOf(key) as Wallet);

export const ROUGH: Faults = { before: 0.02, after: 0.02, crash: 0.004, latencyMs: 120 };

export interface World extends EdgeParts {
  readonly seed: number;
  /** Buyers also renew what they stored, one by one and by statement. */
  readonly renewing: boolean;
  readonly random: Random;
  readonly chain: SimChain;
  readonly wallets: Map<Wallet, Host<WalletObject>>;
  readonly laneHosts: Map<Wallet, Host<RelayerObject>>;
  /** Every response a client got, for the judge. */
  log: string[];
}

/** What a known bug changes: the sockets an object sees, or the object itself. */
export interface Mutation {
  readonly rpc?: (ports: RelayerPorts) => RelayerPorts;
  readonly wallet?: (object: WalletObject) => void;
  readonly lane?: (object: RelayerObject) => void;
  /** Changes shared code for one history; the answer undoes it. */
  readonly patch?: () => () => void;
}

export function openWorld(seed: number, mutation: Mutation = {}, renewing = false): World {
  const random = new Random(seed);
  const time = new Time(random);
  Date.now = () => time.nowMs;
  const io = new Io(time, random, { ...ROUGH });
  const chain = new SimChain(time, random);
  const s3 = new SimS3(time);
  const lanes = random.chance(0.5) ? LANES : LANES.slice(0, 1);
  const policy = {
    payTo: PAY_TO,
    markupPercent: 20n,
    priceMinimum: 10_000n,
    regions: ["us-east-1"],
    defaultRegion: "us-east-1",
    stores: { "us-east-1": "s3", "eu-north-1": "s3" },
  };
  const wallets = new Map<Wallet, Host<WalletObject>>();
  const laneHosts = new Map<Wallet, Host<RelayerObject>>();
  const parts = { time, io, random };
  const world: World = {
    seed,
    renewing,
    random,
    time,
    io,
    chain,
    s3,
    policy,
    lanes,
    wallets,
    laneHosts,
    log: [],
    callWallet: (actor, wallet, method, args) => hostOf(wallet).call(actor, method, args),
    callLane: (actor, lane, method, args) => (laneHosts.get(lane) as Host<RelayerObject>).call(actor, method, args),
  };
  for (const [index, lane] of lanes.entries())
    laneHosts.set(
      lane,
      new Host(lane, parts, (ctx, actor) => {
        const ports = lanePorts(world, actor, KEYS[index] as `0x${string}`, lane);
        class Lane extends RelayerObject {
          protected openPorts() {
            return mutation.rpc ? mutation.rpc(ports) : ports;
          }
        }
        const object = new Lane(ctx as never, undefined);
        mutation.lane?.(object);
        return object;
      }),
    );
  const hostOf = (wallet: Wallet): Host<WalletObject> => {
    const known = wallets.get(wallet);
    if (known) return known;
    const host = new Host<WalletObject>(wallet, parts, (ctx, actor) => {
      const ports: WalletPorts = {
        clock: { nowMs: () => time.nowMs },
        chain: chainFor(actor, world),
        store: s3.storeFor(actor, io),
        policy,
        forecasts: NO_FORECASTS,
        rates: openRates({ anyAge: true }),
        // A history of hours: nothing is due before a month is over (lease histories have a world of their own).
        pulse: { read: async () => ({ beats: {}, gaps: [] }) },
        registry: { put: async () => {} },
      };
      class Held extends WalletObject {
        protected openPorts() {
          return ports;
        }
      }
      const object = new Held(ctx as never, undefined);
      mutation.wallet?.(object);
      return object;
    });
    wallets.set(wallet, host);
    return host;
  };
  return world;
}

function lanePorts(world: World, actor: Actor, key: `0x${string}`, lane: Wallet): RelayerPorts {
  const { time, io, chain } = world;
  const unsigned = (nonce: number, intent: Omit<Intent, "from" | "nonce">) => ({
    nonce,
    serialize: (signature?: { r: string }) => encode({ from: lane, nonce, ...intent }, signature?.r ?? ""),
  });
  return {
    clock: { nowMs: () => time.nowMs },
    rpc: chain.rpcFor(actor, io, decode),
    secrets: { relayerKey: () => io.do(actor, "secret", () => key) },
    secretId: "relayer",
    feeCeilingWei: 100_000n,
    safeAbove: 10n ** 15n,
    pause: (ms) => io.pause(actor, ms),
    build: {
      pay: (job, nonce, fees) =>
        unsigned(nonce, { maxFee: fees.maxFeePerGas, transfers: [job.authorization], tolerant: false }),
      batch: (jobs, nonce, fees) =>
        unsigned(nonce, { maxFee: fees.maxFeePerGas, transfers: jobs.map((job) => job.authorization), tolerant: true }),
      cancel: (_, nonce, fees) => unsigned(nonce, { maxFee: fees.maxFeePerGas, transfers: [], tolerant: true }),
    },
  };
}

/** Calldata of the simulator: the intent itself, so that what was signed can be read by the chain and by the judge. */
function encode(intent: Intent, signature: string): `0x${string}` {
  const text = JSON.stringify({ intent, signature }, (_, value) => (typeof value === "bigint" ? `${value}n` : value));
  return `0x${bytesToHex(utf8ToBytes(text))}`;
}

function decode(raw: string): { hash: string; intent: Intent } {
  const text = bytesToUtf8(hexToBytes(raw.slice(2))) ?? "";
  const { intent } = JSON.parse(text, (_, value) =>
    typeof value === "string" && /^\d+n$/.test(value) ? BigInt(value.slice(0, -1)) : value,
  ) as { intent: Intent };
  return { hash: hashOf(raw), intent };
}

const hashes = new Map<string, string>();
/** The objects name a transaction by keccak of its bytes; so must the chain. */
function hashOf(raw: string): string {
  let hash = hashes.get(raw);
  if (hash === undefined) {
    hash = keccak(raw);
    if (hashes.size > 10_000) hashes.clear();
    hashes.set(raw, hash);
  }
  return hash;
}

function keccak(raw: string): string {
  return `0x${bytesToHex(keccak_256(hexToBytes(raw.slice(2))))}`;
}
