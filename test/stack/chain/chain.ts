/**
 * The local chain: anvil as Base Sepolia, with Circle's real USDC, remembered between runs.
 *
 * Blocks come every two seconds, as on Base: a chain that mines at once hides every race a payment can lose.
 */
import { randomInt } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Address, Hash } from "viem";
import { StackFailure } from "../failure.ts";
import { takePort } from "../ports.ts";
import { type Family, startFamily } from "../processes.ts";
import { answersChainId } from "../readiness.ts";
import { anvilArguments, anvilBinary } from "./anvil.ts";
import { CHAIN_ID, type ChainClient, chainClient, OWNER, USDC } from "./client.ts";
import { birthOfSavedChain } from "./state-file.ts";
import { deployUsdc, hasUsdc, usdcAbi } from "./usdc.ts";

export interface ChainOptions {
  /** 0 picks a free one. */
  readonly port: number;
  /** Without it the chain is forgotten when it stops. */
  readonly stateFile?: string;
  /** Seconds between blocks; 0 mines each transaction at once, for tests where timing is not the point. */
  readonly blockTimeSeconds?: number;
  readonly logFile?: string;
  /** The supervisor to run under; one of its own if none is given. */
  readonly family?: Family;
}

export interface Chain {
  readonly rpcUrl: string;
  readonly chainId: typeof CHAIN_ID;
  readonly usdc: Address;
  /** Hash of block 0: the same for as long as this chain is remembered, another for any other chain. */
  readonly identity: Hash;
  readonly client: ChainClient;
  readonly pid: number;
  fund(address: Address, microUsdc: bigint): Promise<Hash>;
  fundGas(address: Address, wei: bigint): Promise<void>;
  usdcBalance(address: Address): Promise<bigint>;
  /** Resolves when the chain is in its file for the first time. */
  saved(): Promise<void>;
  stop(): Promise<void>;
}

const BLOCK_TIME_SECONDS = 2;
/** anvil saves every second. */
const SAVED_WITHIN_MS = 5_000;
const MINT_GAS = 200_000n;

export async function startChain(options: ChainOptions): Promise<Chain> {
  const port = await takePort("chain", options.port);
  const rpcUrl = `http://127.0.0.1:${port}`;
  const bornAt = options.stateFile === undefined ? undefined : await birthOfSavedChain(options.stateFile);
  const scratch = await scratchFor(options.stateFile);
  const family = options.family ?? (await startFamily());
  const stop = async () => {
    await (options.family === undefined ? family.stop() : family.child("chain")?.stop());
    await rm(scratch, { recursive: true, force: true });
  };
  try {
    const child = await family.start({
      name: "chain",
      command: anvilBinary(),
      args: anvilArguments({
        port,
        chainId: CHAIN_ID,
        bornAt: bornAt ?? newBirth(),
        stateFile: options.stateFile,
        cacheDirectory: scratch,
      }),
      logFile: options.logFile ?? join(scratch, "chain.log"),
      ready: answersChainId(rpcUrl, CHAIN_ID),
    });
    const client = chainClient(rpcUrl);
    await prepare(client, options.blockTimeSeconds ?? BLOCK_TIME_SECONDS);
    const identity = await identityOf(client);
    const saved = () => untilSaved(options.stateFile);
    return { rpcUrl, chainId: CHAIN_ID, usdc: USDC, identity, client, pid: child.pid, ...bank(client), saved, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Some second of the last year: two chains begun in the same second still differ in their first block. */
function newBirth(): number {
  return Math.floor(Date.now() / 1000) - randomInt(365 * 24 * 3600);
}

/** Beside the state file if there is one, so that even a supervisor that is killed leaves nothing lying about. */
async function scratchFor(stateFile: string | undefined): Promise<string> {
  if (stateFile === undefined) return mkdtemp(join(tmpdir(), "local-chain-"));
  const scratch = join(dirname(stateFile), "scratch");
  await mkdir(scratch, { recursive: true, mode: 0o700 });
  return scratch;
}

/** Sets the clock, puts USDC in place on a new chain, then lets the blocks come. */
async function prepare(client: ChainClient, blockTimeSeconds: number): Promise<void> {
  await client.request({ method: "anvil_setTime" as never, params: [Math.floor(Date.now() / 1000)] as never });
  if (!(await hasUsdc(client))) await deployUsdc(client);
  // anvil remembers old blocks but not the state at them: until two more are mined, a read at `finalized` fails.
  await client.mine({ blocks: 2 });
  if (blockTimeSeconds > 0) await client.setIntervalMining({ interval: blockTimeSeconds });
  else await client.setAutomine(true);
}

async function untilSaved(stateFile: string | undefined): Promise<void> {
  const deadline = Date.now() + SAVED_WITHIN_MS;
  while (stateFile !== undefined && !existsSync(stateFile)) {
    if (Date.now() > deadline) throw new StackFailure(`The chain was not saved to ${stateFile}; is there space left?`);
    await sleep(50);
  }
}

async function identityOf(client: ChainClient): Promise<Hash> {
  const [genesis, first] = await Promise.all([
    client.getBlock({ blockNumber: 0n }),
    client.getBlock({ blockNumber: 1n }),
  ]);
  if (genesis.hash !== first.parentHash) {
    throw new StackFailure("The saved chain does not begin with its own first block. Start again with --reset.");
  }
  return first.parentHash;
}

/** Money for test accounts, on any chain this module made. */
export function bank(client: ChainClient): Pick<Chain, "fund" | "fundGas" | "usdcBalance"> {
  // One mint after the other: two at once would be given the same nonce.
  let queue: Promise<unknown> = Promise.resolve();
  const mint = async (address: Address, microUsdc: bigint): Promise<Hash> => {
    const hash = await client.writeContract({
      account: OWNER,
      address: USDC,
      abi: usdcAbi,
      functionName: "mint",
      args: [address, microUsdc],
      gas: MINT_GAS,
    });
    const receipt = await client.waitForTransactionReceipt({ hash });
    if (receipt.status !== "success") throw new Error(`minting ${microUsdc} micro-USDC for ${address} was reverted`);
    return hash;
  };
  return {
    fund: (address, microUsdc) => {
      const minted = queue.then(() => mint(address, microUsdc));
      queue = minted.catch(() => {});
      return minted;
    },
    fundGas: (address, wei) => client.setBalance({ address, value: wei }),
    usdcBalance: (address) =>
      client.readContract({ address: USDC, abi: usdcAbi, functionName: "balanceOf", args: [address] }),
  };
}
