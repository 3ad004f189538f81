/**
 * The chain, by viem: USDC's EIP-3009 on Base, read and written over one or more JSON-RPC endpoints.
 *
 * Proof that an authorization paid us is the token's own pair of logs: `AuthorizationUsed(from, nonce)` and, at exactly the next
 * log index, `Transfer(from, to, value)` (FiatTokenV2_2 emits them in this order). `authorizationState` alone proves nothing: it is
 * also true for a cancelled nonce, and one multicall can carry a decoy beside a real transfer.
 */
import {
  BaseError,
  createClient,
  decodeEventLog,
  fallback,
  getAbiItem,
  http,
  type Log,
  parseAbi,
  TransactionReceiptNotFoundError,
} from "viem";
import {
  call,
  estimateMaxPriorityFeePerGas,
  getBalance,
  getBlock,
  getCode,
  getLogs,
  getTransactionCount,
  getTransactionReceipt,
  readContract,
  sendRawTransaction,
} from "viem/actions";
import type { Wallet } from "#contract/wallet";
import type { Authorization, Network } from "#contract/x402";
import type { ChainRpc, Receipt, TransferProof } from "../../durable/ports.ts";
import { GAS_LIMIT, transferData } from "./base-transactions.ts";

const USDC = parseAbi([
  "function balanceOf(address account) view returns (uint256)",
  "function authorizationState(address authorizer, bytes32 nonce) view returns (bool)",
  "event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce)",
  "event Transfer(address indexed from, address indexed to, uint256 value)",
]);

/** Base asks almost nothing for priority; zero would be ignored by some nodes. */
const PRIORITY_FEE_MIN = 1_000_000n;
const TIMEOUT_MS = 5_000;
/** Base makes a block every two seconds. */
const BLOCK_S = 2;
const BLOCKS_MARGIN = 64;
/** Our clock and the chain's may differ by this much; a transfer older than the claim by more paid for something else. */
const CLOCK_SKEW_MS = 60_000;

export function openChain(network: Network, urls: readonly string[]): ChainRpc {
  const client = createClient({
    transport: fallback(
      urls.map((url) => http(url, { batch: { batchSize: 100, wait: 0 }, retryCount: 0, timeout: TIMEOUT_MS })),
      { retryCount: 0, rank: false },
    ),
  });
  const prove = (logs: readonly Log[], authorization: Authorization) => hasPaid(logs, network, authorization);

  const proofAt = async (hash: `0x${string}`, authorization: Authorization): Promise<TransferProof | undefined> => {
    const receipt = await getTransactionReceipt(client, { hash });
    if (receipt.status !== "success" || !prove(receipt.logs, authorization)) return undefined;
    const block = await getBlock(client, { blockHash: receipt.blockHash });
    return {
      txHash: hash,
      blockNumber: receipt.blockNumber,
      blockTimeMs: Number(block.timestamp) * 1000,
      gasUsed: receipt.gasUsed,
      effectiveGasPrice: receipt.effectiveGasPrice,
    };
  };

  return {
    async simulate(authorization, signature, from) {
      try {
        await call(client, {
          account: from,
          to: network.usdc,
          data: transferData(authorization, signature),
          gas: GAS_LIMIT,
        });
        return undefined;
      } catch (error) {
        const reason = revertReason(error);
        if (reason === undefined) throw error;
        return reason;
      }
    },
    async fees() {
      const [block, priority] = await Promise.all([
        getBlock(client, { blockTag: "latest" }),
        estimateMaxPriorityFeePerGas(client),
      ]);
      const maxPriorityFeePerGas = priority > PRIORITY_FEE_MIN ? priority : PRIORITY_FEE_MIN;
      // Twice the base fee outlives six full blocks of rises (EIP-1559: at most 12.5 % each).
      return { maxPriorityFeePerGas, maxFeePerGas: (block.baseFeePerGas ?? 0n) * 2n + maxPriorityFeePerGas };
    },
    balanceWei: (address) => getBalance(client, { address }),
    transactionCount: (address, at) => getTransactionCount(client, { address, blockTag: at }),
    balanceOfUsdc: (address) =>
      readContract(client, { address: network.usdc, abi: USDC, functionName: "balanceOf", args: [address] }),
    hasCode: async (address) => ((await getCode(client, { address })) ?? "0x") !== "0x",
    async send(raw) {
      try {
        await sendRawTransaction(client, { serializedTransaction: raw });
      } catch (error) {
        // The node has it, or the chain has: both are what was wanted.
        if (!/already known|nonce too low|already imported/i.test(String(error))) throw error;
      }
    },
    receipts: (hashes) =>
      Promise.all(
        hashes.map(async (hash): Promise<Receipt | undefined> => {
          try {
            const receipt = await getTransactionReceipt(client, { hash });
            return {
              succeeded: receipt.status === "success",
              blockNumber: receipt.blockNumber,
              transferOf: (authorization) => proofAt(hash, authorization),
            };
          } catch (error) {
            if (error instanceof TransactionReceiptNotFoundError) return undefined;
            throw error;
          }
        }),
      ),
    async findTransfer(authorization, sinceMs) {
      const head = await getBlock(client, { blockTag: "latest" });
      const elapsedS = Number(head.timestamp) - Math.floor(sinceMs / 1000);
      const back = BigInt(Math.max(0, Math.ceil(elapsedS / BLOCK_S)) + BLOCKS_MARGIN);
      const fromBlock = head.number > back ? head.number - back : 0n;
      const logs = await getLogs(client, {
        address: network.usdc,
        event: getAbiItem({ abi: USDC, name: "AuthorizationUsed" }),
        args: { authorizer: authorization.from, nonce: authorization.nonce },
        fromBlock,
        toBlock: "latest",
      });
      for (const log of logs) {
        const proof = await proofAt(log.transactionHash, authorization);
        if (proof && proof.blockTimeMs >= sinceMs - CLOCK_SKEW_MS) return proof;
      }
      return undefined;
    },
    authorizationUsed: (authorization, at) =>
      readContract(client, {
        address: network.usdc,
        abi: USDC,
        functionName: "authorizationState",
        args: [authorization.from, authorization.nonce],
        blockTag: at,
      }),
    async head(at) {
      const block = await getBlock(client, { blockTag: at });
      return { number: block.number, timeS: block.timestamp };
    },
  };
}

/** `AuthorizationUsed` of this very nonce, followed immediately by the transfer of this very amount to us. */
export function hasPaid(logs: readonly Log[], network: Network, authorization: Authorization): boolean {
  const events = logs
    .filter((log) => log.address.toLowerCase() === network.usdc.toLowerCase())
    .flatMap((log) => {
      try {
        return [{ index: log.logIndex, ...decodeEventLog({ abi: USDC, data: log.data, topics: log.topics }) }];
      } catch {
        return [];
      }
    });
  const used = events.find(
    (event) =>
      event.eventName === "AuthorizationUsed" &&
      sameAddress(event.args.authorizer, authorization.from) &&
      event.args.nonce.toLowerCase() === authorization.nonce,
  );
  if (!used || used.index === null) return false;
  const after = events.find((event) => event.index === (used.index ?? 0) + 1);
  return (
    after?.eventName === "Transfer" &&
    sameAddress(after.args.from, authorization.from) &&
    sameAddress(after.args.to, authorization.to) &&
    after.args.value === authorization.value
  );
}

function sameAddress(address: string, wallet: Wallet): boolean {
  return address.toLowerCase() === wallet;
}

/** The revert's own words; undefined when the failure was not a revert but an endpoint that did not answer. */
function revertReason(error: unknown): string | undefined {
  if (!(error instanceof BaseError)) return undefined;
  const reverted = error.walk((each) => /revert|out of gas/i.test((each as Error).message)) as BaseError | null;
  if (!reverted) return undefined;
  return (
    /revert(?:ed)?(?: with reason string|:)?\s*['"]?([^'"\n]+)/i.exec(error.details ?? reverted.message)?.[1]?.trim() ??
    "reverted"
  );
}
