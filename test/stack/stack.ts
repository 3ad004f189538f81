/**
 * The whole local stack: chain, S3, Secrets Manager, AWS's prices, edge; started in that order, stopped in the other.
 */
import { appendFileSync, existsSync, mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Address, parseEther, parseUnits } from "viem";
import { privateKeyToAddress } from "viem/accounts";
import { type Chain, startChain } from "./chain/chain.ts";
import { type Cron, startCron } from "./cron.ts";
import { StackFailure } from "./failure.ts";
import { announce, withdraw } from "./join.ts";
import { type Lock, takeLock } from "./lock.ts";
import { choosePorts, type Ports, takePorts } from "./ports.ts";
import type { DailyCost } from "./pricing/cost-explorer.ts";
import { type PricingServer, startPricing } from "./pricing/server.ts";
import { type Child, type Family, startFamily } from "./processes.ts";
import { type SecretsManager, startSecretsManager } from "./secrets-manager/server.ts";
import {
  ACCOUNT_ID,
  edgeInputs,
  RECEIPT_SECRET,
  REGION,
  RELAYER_SECRET,
  s3Inputs,
  type Urls,
  urlsOf,
} from "./settings.ts";
import {
  forget,
  type Keys,
  keysOf,
  PROJECT,
  recogniseChain,
  refuseLostChain,
  type StatePaths,
  statePaths,
} from "./state-directory.ts";
import { workerPlan } from "./wrangler.ts";

export interface StackOptions {
  /** Where everything is remembered; `.local` in the project if not given. */
  readonly stateDirectory?: string;
  /** Those not named have their usual numbers; 0 picks a free one. */
  readonly ports?: Partial<Ports>;
  /** Throw away what was remembered before starting. */
  readonly reset?: boolean;
  readonly blockTimeSeconds?: number;
  /** Other Workers than the project's own, for tests of the stack itself. */
  readonly edgeConfig?: string;
  readonly s3Config?: string;
  /** What Cost Explorer has seen this account spend; nothing without it. */
  readonly dailyCosts?: () => readonly DailyCost[];
  /** Put over the edge's settings, for tests. */
  readonly edgeVars?: Readonly<Record<string, string>>;
  /** Breaks off a start that is still under way. */
  readonly signal?: AbortSignal;
  /** Told what is being done, a line each. */
  readonly tell?: (line: string) => void;
}

export interface Stack {
  readonly urls: Urls;
  readonly chain: Chain;
  readonly wallet: { readonly address: Address; readonly privateKey: `0x${string}`; readonly keyFile: string };
  readonly relayerAddress: Address;
  readonly payTo: Address;
  readonly keys: Keys;
  readonly paths: StatePaths;
  /** Resolves if a part ends that nobody asked to end; the rest is still running then, so stop it. */
  readonly failed: Promise<StackFailure>;
  child(name: "chain" | "s3" | "edge"): Child | undefined;
  stop(): Promise<void>;
}

/** What has been started so far, so that it can be stopped wherever the start breaks off. */
interface Started {
  family: Family;
  lock?: Lock;
  chain?: Chain;
  cron?: Cron;
  secretsManager?: SecretsManager;
  pricing?: PricingServer;
}

const WALLET_MICRO_USDC = parseUnits("100", 6);
const WALLET_LOW_MICRO_USDC = parseUnits("1", 6);
const RELAYER_WEI = parseEther("10");
const RELAYER_LOW_WEI = parseEther("1");

export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const started: Started = { family: await startFamily() };
  // A family that stops makes whatever waits for one of its children give up, and so ends the start.
  options.signal?.addEventListener("abort", () => void started.family.stop());
  try {
    options.signal?.throwIfAborted();
    return await startParts(options, started);
  } catch (error) {
    await stopParts(started);
    throw error;
  }
}

async function startParts(options: StackOptions, started: Started): Promise<Stack> {
  const { family } = started;
  const tell = options.tell ?? (() => {});
  const paths = statePaths(resolve(options.stateDirectory ?? join(PROJECT, ".local")));
  mkdirSync(paths.directory, { recursive: true, mode: 0o700 });
  started.lock = await takeLock(paths.directory, family.leashPid);
  const edgeConfig = workerConfig(options.edgeConfig ?? join(PROJECT, "wrangler.toml"));
  const s3Config = workerConfig(options.s3Config ?? join(PROJECT, "test", "stack", "s3", "wrangler.toml"));
  const ports = await takePorts({ ...choosePorts({ flags: {}, variables: {} }), ...options.ports });
  if (options.reset === true) forget(paths);
  else refuseLostChain(paths);
  const urls = urlsOf(ports);
  const keys = keysOf(paths);

  tell(`chain            ${urls.chain}`);
  const chain = await startChain({
    port: ports.chain,
    stateFile: paths.chainFile,
    logFile: join(paths.logs, "chain.log"),
    family,
    ...(options.blockTimeSeconds === undefined ? {} : { blockTimeSeconds: options.blockTimeSeconds }),
  });
  started.chain = chain;

  tell(`S3               ${urls.s3}`);
  const s3 = { name: "s3", config: s3Config, port: ports.s3, persistTo: paths.s3, ...s3Inputs(keys) };
  await Promise.all([family.start(workerPlan(s3, paths)), fundAccounts(chain, keys)]);

  // Remembered once it is on disk: a chain known by name but never saved would look like one that was lost.
  await chain.saved();
  recogniseChain(paths, chain.identity);

  tell(`Secrets Manager  ${urls.secrets}`);
  started.secretsManager = await startSecrets(ports.secrets, keys, paths);

  tell(`prices           ${urls.pricing}`);
  started.pricing = await startPrices(ports.pricing, keys, paths, options.dailyCosts);

  tell(`edge             ${urls.edge}`);
  const inputs = edgeInputs(keys, urls, chain);
  const vars = { ...inputs.vars, ...options.edgeVars };
  const edge = { name: "edge", config: edgeConfig, port: ports.edge, persistTo: paths.edge, ...inputs, vars };
  await family.start(workerPlan(edge, paths));
  started.cron = startCron(urls.edge);
  announce(paths.directory, { urls, payTo: privateKeyToAddress(keys.payTo) });

  return {
    urls,
    chain,
    wallet: {
      address: privateKeyToAddress(keys.wallet),
      privateKey: keys.wallet,
      keyFile: join(paths.keys, "wallet"),
    },
    relayerAddress: privateKeyToAddress(keys.relayer),
    payTo: privateKeyToAddress(keys.payTo),
    keys,
    paths,
    failed: family.failed,
    child: family.child,
    stop: () => stopParts(started),
  };
}

async function stopParts({ family, lock, chain, cron, secretsManager, pricing }: Started): Promise<void> {
  cron?.stop();
  await family.child("edge")?.stop();
  await pricing?.stop();
  await secretsManager?.stop();
  await family.child("s3")?.stop();
  await chain?.stop();
  await family.stop();
  if (lock) withdraw(lock.directory);
  lock?.release();
}

function workerConfig(file: string): string {
  if (existsSync(file)) return file;
  throw new StackFailure(`There is no Worker configuration at ${file}.`);
}

/** The wallet has nothing but USDC, as a buyer may; the relayer has nothing but gas. Both are topped up when low. */
async function fundAccounts(chain: Chain, keys: Keys): Promise<void> {
  const wallet = privateKeyToAddress(keys.wallet);
  const relayer = privateKeyToAddress(keys.relayer);
  const [microUsdc, wei] = await Promise.all([
    chain.usdcBalance(wallet),
    chain.client.getBalance({ address: relayer }),
  ]);
  if (wei < RELAYER_LOW_WEI) await chain.fundGas(relayer, RELAYER_WEI);
  if (microUsdc < WALLET_LOW_MICRO_USDC) await chain.fund(wallet, WALLET_MICRO_USDC - microUsdc);
}

function startPrices(
  port: number,
  keys: Keys,
  paths: StatePaths,
  dailyCosts: StackOptions["dailyCosts"],
): Promise<PricingServer> {
  const log = logInto(join(paths.logs, "pricing.log"));
  const costs = dailyCosts === undefined ? {} : { dailyCosts };
  return startPricing({ port, credentials: keys.pricing, accountId: ACCOUNT_ID, log, ...costs });
}

const logInto = (file: string) => (line: string) =>
  appendFileSync(file, `${new Date().toISOString()} ${line}\n`, { mode: 0o600 });

function startSecrets(port: number, keys: Keys, paths: StatePaths): Promise<SecretsManager> {
  const log = logInto(join(paths.logs, "secrets-manager.log"));
  return startSecretsManager({
    port,
    secrets: { [RELAYER_SECRET]: keys.relayer, [RECEIPT_SECRET]: keys.receipts },
    credentials: keys.secretsManager,
    region: REGION,
    accountId: ACCOUNT_ID,
    log,
  });
}
