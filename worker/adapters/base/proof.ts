/**
 * Proof of payment, and how much of an endpoint's word it takes.
 *
 * Proof that an authorization paid us is the token's own pair of logs: `AuthorizationUsed(from, nonce)` and, at exactly the next
 * log index, `Transfer(from, to, value)` (FiatTokenV2_2 emits them in this order). `authorizationState` alone proves nothing: it is
 * also true for a cancelled nonce, and one multicall can carry a decoy beside a real transfer.
 */
import { toEventSelector } from "viem";
import * as z from "zod";
import type { Authorization, Network } from "#contract/x402";
import type { TransferProof } from "../../../durable/ports.ts";
import { Bytes, Hash, Quantity } from "./rpc.ts";

export const AUTHORIZATION_USED = toEventSelector("AuthorizationUsed(address,bytes32)");
const TRANSFER = toEventSelector("Transfer(address,address,uint256)");

const Log = z.object({
  address: Bytes,
  topics: z.array(Hash),
  data: Bytes,
  logIndex: Quantity,
  transactionHash: Hash,
  removed: z.boolean().optional(),
});
export const Logs = z.array(Log);

export const ReceiptView = z.object({
  transactionHash: Hash,
  blockHash: Hash,
  blockNumber: Quantity,
  status: Quantity,
  gasUsed: Quantity,
  effectiveGasPrice: Quantity,
  logs: Logs,
});
export type ReceiptView = z.infer<typeof ReceiptView>;

export const Block = z.object({
  hash: Hash,
  number: Quantity,
  timestamp: Quantity,
  baseFeePerGas: Quantity.optional(),
});

/** One log, as far as a proof needs it; lower-case hex throughout. */
export interface TokenLog {
  readonly address: string;
  readonly topics: readonly string[];
  readonly data: string;
  readonly logIndex: bigint;
  readonly removed?: boolean | undefined;
}

/** `AuthorizationUsed` of this very nonce, followed immediately by the transfer of this very amount to us. */
export function provesIn(logs: readonly TokenLog[], authorization: Authorization, network: Network): boolean {
  const { from, to, value, nonce } = authorization;
  const ours = logs.filter((log) => log.address === network.usdc.toLowerCase() && log.removed !== true);
  const used = ours.find((log) => sameTopics(log, [AUTHORIZATION_USED, topicOf(from), nonce]));
  const next = used && ours.find((log) => log.logIndex === used.logIndex + 1n);
  return (
    next !== undefined &&
    sameTopics(next, [TRANSFER, topicOf(from), topicOf(to)]) &&
    next.data === `0x${value.toString(16).padStart(64, "0")}`
  );
}

function sameTopics(log: TokenLog, topics: readonly string[]): boolean {
  return log.topics.length === topics.length && log.topics.every((topic, at) => topic === topics[at]);
}

export function topicOf(address: string): string {
  return `0x${address.slice(2).padStart(64, "0")}`;
}

/** What one endpoint shows of one transaction: nothing, or its receipt and the time of its block. */
export type Sighting = { readonly receipt: ReceiptView; readonly blockTimeMs: number } | undefined;

export type Verdict =
  | { readonly verdict: "proven"; readonly proof: TransferProof }
  | { readonly verdict: "not" }
  | { readonly verdict: "unsure" };

/**
 * Good news takes `toBelieve` endpoints that agree on block hash, number, time and both logs; bad news (no such transaction, or
 * one that does not pay) always takes `toDoubt`. Anything between is not known.
 */
export function judge(
  sightings: readonly Sighting[],
  authorization: Authorization,
  network: Network,
  { toBelieve, toDoubt }: { toBelieve: number; toDoubt: number },
): Verdict {
  const voices = new Map<string, { proof: TransferProof; count: number }>();
  let doubts = 0;
  for (const sighting of sightings) {
    const proof = proofIn(sighting, authorization, network);
    if (!sighting || !proof) {
      doubts += 1;
      continue;
    }
    // The pair itself is the same whenever `provesIn` holds; its place must be the same too.
    const place = [
      sighting.receipt.blockHash,
      proof.blockNumber,
      proof.blockTimeMs,
      proof.txHash,
      usedAt(sighting.receipt, authorization),
    ].join();
    const count = (voices.get(place)?.count ?? 0) + 1;
    if (count >= toBelieve) return { verdict: "proven", proof };
    voices.set(place, { proof, count });
  }
  return doubts >= toDoubt ? { verdict: "not" } : { verdict: "unsure" };
}

function usedAt(receipt: ReceiptView, { nonce }: Authorization): bigint | undefined {
  return receipt.logs.find((log) => log.topics[0] === AUTHORIZATION_USED && log.topics[2] === nonce)?.logIndex;
}

export function proofIn(sighting: Sighting, authorization: Authorization, network: Network): TransferProof | undefined {
  if (!sighting) return undefined;
  const { receipt, blockTimeMs } = sighting;
  if (receipt.status !== 1n || !provesIn(receipt.logs, authorization, network)) return undefined;
  return {
    txHash: receipt.transactionHash,
    blockNumber: receipt.blockNumber,
    blockTimeMs,
    gasUsed: receipt.gasUsed,
    effectiveGasPrice: receipt.effectiveGasPrice,
  };
}
