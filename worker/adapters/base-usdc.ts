/**
 * The chain: USDC's EIP-3009 on Base, read and written over one or more JSON-RPC endpoints, none of which is trusted alone with
 * bad news, nor with a large sum (base/proof.ts).
 */
import { encodeFunctionData, parseAbi } from "viem";
import * as z from "zod";
import type { MicroUsdc } from "#contract/money";
import type { Wallet } from "#contract/wallet";
import type { Authorization, Network } from "#contract/x402";
import type { BlockTag, ChainRpc } from "../../durable/ports.ts";
import { Block } from "./base/proof.ts";
import {
  Bytes,
  type Call,
  type Endpoint,
  type Endpoints,
  isRevert,
  NotKnown,
  openEndpoints,
  Quantity,
  quantity,
  read,
} from "./base/rpc.ts";
import { blockAt, Witnesses } from "./base/witnesses.ts";
import { GAS_LIMIT, transferData } from "./base-transactions.ts";

const USDC = parseAbi([
  "function authorizationState(address authorizer, bytes32 nonce) view returns (bool)",
  "function balanceOf(address account) view returns (uint256)",
]);

/** Base asks almost nothing for priority; zero would be ignored by some nodes. */
const PRIORITY_FEE_MIN = 1_000_000n;
/** With several endpoints, payments above one dollar are believed when two of them show the same. */
const QUORUM_ABOVE_DEFAULT: MicroUsdc = 1_000_000n;
export interface ChainOptions {
  /** Transfers above this need two endpoints that agree; without meaning when there is one endpoint only. */
  readonly quorumAboveMicroUsdc?: MicroUsdc | undefined;
}

export function openChain(network: Network, urls: readonly string[], options: ChainOptions = {}): ChainRpc {
  const endpoints = openEndpoints(network, urls);
  const one = <T>(schema: z.ZodType<T>, method: string, ...params: unknown[]) =>
    endpoints.first(async (endpoint) => read(schema, (await endpoint.ask([{ method, params }]))[0]));
  const token = (data: `0x${string}`, at: BlockTag): Call => ({
    method: "eth_call",
    params: [{ to: network.usdc, data }, at],
  });
  const witnesses = new Witnesses(network, endpoints, options.quorumAboveMicroUsdc ?? QUORUM_ABOVE_DEFAULT);
  return {
    receipts: (hashes) => witnesses.receipts(hashes),
    findTransfer: (authorization, sinceMs) => witnesses.findTransfer(authorization, sinceMs),
    simulate: (authorization, signature, from) => simulate(network, endpoints, authorization, signature, from),
    fees: () => endpoints.first(feesFrom),
    balanceWei: (address) => one(Quantity, "eth_getBalance", address, "latest"),
    balanceOfUsdc: (address) => {
      const call = token(encodeFunctionData({ abi: USDC, functionName: "balanceOf", args: [address] }), "latest");
      return one(Word, call.method, ...call.params);
    },
    async transactionCount(address, at) {
      const count = async (endpoint: Endpoint) =>
        read(Quantity, (await endpoint.ask([{ method: "eth_getTransactionCount", params: [address, at] }]))[0]);
      if (at !== "finalized") return Number(await endpoints.first(count));
      return Number(lowest(await endpoints.gather(count, endpoints.quorum)));
    },
    hasCode: async (address) => (await one(Bytes, "eth_getCode", address, "latest")) !== "0x",
    send: (raw) => send(endpoints, raw),
    async authorizationUsed({ from, nonce }, at) {
      const args = [from, nonce] as const;
      const call = token(encodeFunctionData({ abi: USDC, functionName: "authorizationState", args }), at);
      const ask = async (endpoint: Endpoint) => read(Word, (await endpoint.ask([call]))[0]) !== 0n;
      // At latest one endpoint may be a block behind: used is used. At finalized they must agree, for death rests on it.
      if (at === "latest") return (await endpoints.gather(ask, 1)).includes(true);
      const said = await endpoints.gather(ask, endpoints.quorum);
      if (said.includes(true) && said.includes(false))
        throw new NotKnown(`endpoints contradict each other about an authorization at ${at}`);
      return said.includes(true);
    },
    async head(at) {
      const ask = (endpoint: Endpoint) => blockAt(endpoint, at);
      const heads = at === "latest" ? [await endpoints.first(ask)] : await endpoints.gather(ask, endpoints.quorum);
      const number = lowest(heads.map((head) => head.number));
      return { number, timeS: lowest(heads.map((head) => head.timestamp)) };
    },
  };
}

async function simulate(
  network: Network,
  endpoints: Endpoints,
  authorization: Authorization,
  signature: `0x${string}`,
  from: Wallet,
): Promise<string | undefined> {
  const call = { from, to: network.usdc, data: transferData(authorization, signature), gas: quantity(GAS_LIMIT) };
  return endpoints.first(async (endpoint) => {
    const [answer] = await endpoint.ask([{ method: "eth_call", params: [call, "latest"] }]);
    if (answer && isRevert(answer)) return answer.message.replace(/^.*?revert(?:ed)?:?\s*/i, "") || "reverted";
    read(Bytes, answer);
    return undefined;
  });
}

async function feesFrom(endpoint: Endpoint) {
  const [block, priority] = await endpoint.ask([
    { method: "eth_getBlockByNumber", params: ["latest", false] },
    { method: "eth_maxPriorityFeePerGas", params: [] },
  ]);
  const asked = read(Quantity, priority);
  const maxPriorityFeePerGas = asked > PRIORITY_FEE_MIN ? asked : PRIORITY_FEE_MIN;
  // Twice the base fee outlives six full blocks of rises (EIP-1559: at most 12.5 % each).
  return { maxPriorityFeePerGas, maxFeePerGas: (read(Block, block).baseFeePerGas ?? 0n) * 2n + maxPriorityFeePerGas };
}

/** To everybody: whichever of them reaches the sequencer is good enough. */
async function send(endpoints: Endpoints, raw: `0x${string}`): Promise<void> {
  await endpoints.gather(
    async (endpoint) => {
      const [answer] = await endpoint.ask([{ method: "eth_sendRawTransaction", params: [raw] }]);
      // The node has it, or the chain has: both are what was wanted.
      if (answer && !answer.ok && /already known|nonce too low|already imported/i.test(answer.message)) return true;
      read(z.string(), answer);
      return true;
    },
    1,
    (taken) => taken.length > 0,
  );
}

/** The result of an `eth_call` that returns one word. A call to nothing returns nothing, which is no answer. */
const Word = z
  .string()
  .regex(/^0x[0-9a-fA-F]{64}$/)
  .transform((hex) => BigInt(hex));

function lowest(numbers: readonly bigint[]): bigint {
  return numbers.reduce((low, each) => (each < low ? each : low));
}
