/** A relayer with a key of its own, the jobs it is given, and its transactions taken apart. */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { decodeFunctionData, keccak256, parseAbi, parseTransaction, recoverTransactionAddress } from "viem";
import { privateKeyToAddress } from "viem/accounts";
import { type Authorization, NETWORKS } from "#contract/x402";
import type { Recheck, SettlementEnd, SettlementJob, TransferProof } from "../../durable/ports.ts";
import { addressOf, authorizationOf, claimOf, freshHex, freshWallet } from "./fixture.ts";
import { clockOf, type World, worldOf } from "./world.ts";

const TOKEN = parseAbi([
  "function transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, bytes signature)",
]);
const BATCH = parseAbi([
  "struct Call3 { address target; bool allowFailure; bytes callData; }",
  "function aggregate3(Call3[] calls) payable",
]);

export interface Lane {
  readonly address: `0x${string}`;
  readonly world: World;
  settle(job: SettlementJob, waitMs?: number): Promise<SettlementEnd>;
  recheck(job: SettlementJob, seen: TransferProof): Promise<Recheck>;
  /** What the object of another name answers. */
  settledUnder(name: string, job: SettlementJob): Promise<string>;
  alarm(): Promise<boolean>;
  alarmAt(): Promise<number | null>;
  evict(): Promise<void>;
  sql<T extends Record<string, SqlStorageValue>>(query: string): Promise<T[]>;
}

interface Remote {
  settle(job: SettlementJob, waitMs: number): Promise<SettlementEnd>;
  recheck(job: SettlementJob, seen: TransferProof): Promise<Recheck>;
}

export function openLane(): Lane {
  const key = `0x${freshHex()}` as const;
  const address = addressOf(privateKeyToAddress(key).slice(2));
  const world = worldOf(address);
  world.relayerKey = async () => key;
  const stub = () => env.RELAYER.getByName(address);
  const remote = () => stub() as unknown as Remote;
  return {
    address,
    world,
    settle: (job, waitMs = 25_000) => remote().settle(job, waitMs),
    recheck: (job, seen) => remote().recheck(job, seen),
    settledUnder: (name, job) =>
      runInDurableObject(env.RELAYER.getByName(name), (relayer) =>
        relayer.settle(job, 0).then(
          (end) => `nothing thrown: ${end.end}`,
          (error: unknown) => String(error),
        ),
      ),
    alarm: () => runDurableObjectAlarm(stub()),
    alarmAt: () => runInDurableObject(stub(), (_, state) => state.storage.getAlarm()),
    evict: () => evictDurableObject(stub()),
    sql: (query) => runInDurableObject(stub(), (_, state) => state.storage.sql.exec(query).toArray()) as never,
  };
}

export function jobOf(lane: Lane, over: Partial<Authorization> = {}): SettlementJob {
  const payer = over.from ?? freshWallet();
  const nowMs = clockOf(lane.address).nowMs();
  const validBeforeS = BigInt(Math.floor(nowMs / 1000) + 120);
  const { claimKey, authorization, signature } = claimOf(payer, {}, authorizationOf(payer, { validBeforeS, ...over }));
  return { claimKey, authorization, signature, claimedMs: nowMs, attempt: 0 };
}

export interface Sent {
  readonly hash: `0x${string}`;
  readonly signer: string;
  readonly chainId: number;
  readonly nonce: number;
  readonly to: string;
  readonly value: bigint;
  readonly maxFeePerGas: bigint;
  /** Arguments of each transfer inside. */
  readonly transfers: readonly (readonly unknown[])[];
}

export async function taken(raw: `0x${string}`): Promise<Sent> {
  const tx = parseTransaction(raw);
  return {
    hash: keccak256(raw),
    signer: (
      await recoverTransactionAddress({
        serializedTransaction: raw as Parameters<typeof recoverTransactionAddress>[0]["serializedTransaction"],
      })
    ).toLowerCase(),
    chainId: tx.chainId ?? 0,
    nonce: tx.nonce ?? 0,
    to: tx.to?.toLowerCase() ?? "",
    value: tx.value ?? 0n,
    maxFeePerGas: tx.maxFeePerGas ?? 0n,
    transfers: transfersIn(tx.to?.toLowerCase(), tx.data),
  };
}

function transfersIn(to: string | undefined, data: `0x${string}` | undefined): (readonly unknown[])[] {
  if (data === undefined) return [];
  if (to === NETWORKS[84532].usdc.toLowerCase()) return [decodeFunctionData({ abi: TOKEN, data }).args];
  const [calls] = decodeFunctionData({ abi: BATCH, data }).args;
  return calls.map((call) => decodeFunctionData({ abi: TOKEN, data: call.callData }).args);
}

/** Nonce of the authorization inside a transfer. */
export function nonceIn(transfer: readonly unknown[]): string {
  return String(transfer[5]);
}

/** The same authorization, claimed anew by its wallet after it had been given back. */
export function claimedAgain(job: SettlementJob): SettlementJob {
  return { ...job, attempt: job.attempt + 1 };
}
