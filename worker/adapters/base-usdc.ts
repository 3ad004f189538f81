/**
 * The chain: USDC's EIP-3009 on Base, read and written over one or more JSON-RPC endpoints, none of which is trusted alone with
 * bad news, nor with a large sum (base/proof.ts).
 */
import { encodeFunctionData, parseAbi } from "viem";
import * as z from "zod";
import type { MicroUsdc } from "#contract/money";
import type { Wallet } from "#contract/wallet";
import type { Authorization, Network } from "#contract/x402";
import type { BlockTag, ChainRpc, Receipt, TransferProof } from "../../durable/ports.ts";
import { AUTHORIZATION_USED, Block, judge, Logs, proofIn, ReceiptView, type Sighting, topicOf } from "./base/proof.ts";
import {
  Bytes,
  type Call,
  type Endpoint,
  EndpointFailed,
  type Endpoints,
  isRevert,
  NotKnown,
  openEndpoints,
  Quantity,
  quantity,
  read,
} from "./base/rpc.ts";
import { GAS_LIMIT, transferData } from "./base-transactions.ts";

const USDC = parseAbi([
  "function authorizationState(address authorizer, bytes32 nonce) view returns (bool)",
  "function balanceOf(address account) view returns (uint256)",
]);

/** Base asks almost nothing for priority; zero would be ignored by some nodes. */
const PRIORITY_FEE_MIN = 1_000_000n;
/** With several endpoints, payments above one dollar are believed when two of them show the same. */
const QUORUM_ABOVE_DEFAULT: MicroUsdc = 1_000_000n;
/** Base makes a block every two seconds. */
const BLOCK_S = 2n;
const SEARCH_MARGIN_BLOCKS = 64n;
/** Many endpoints refuse `eth_getLogs` over more than a thousand blocks. */
const SEARCH_RANGE_BLOCKS = 900n;
/** A search longer than this ends where the authorization's window does. */
const SEARCH_WHOLE_BLOCKS = SEARCH_RANGE_BLOCKS * 10n;
/** Payers' and our clocks differ from the chain's. */
const CLOCK_SLACK_MS = 60_000;
/** One nonce is used once; a list of more such logs is made up. */
const CANDIDATES_MAX = 4;

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
  const proofs = openProofs(network, endpoints, options.quorumAboveMicroUsdc ?? QUORUM_ABOVE_DEFAULT);
  return {
    ...proofs,
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

/** The parts that decide whether somebody has paid. */
function openProofs(
  network: Network,
  endpoints: Endpoints,
  quorumAbove: MicroUsdc,
): Pick<ChainRpc, "receipts" | "findTransfer"> {
  const toDoubt = endpoints.quorum;
  const needs = (authorization: Authorization) => ({
    toBelieve: authorization.value > quorumAbove ? endpoints.quorum : 1,
    toDoubt,
  });
  const judged = (sightings: readonly Sighting[], authorization: Authorization) =>
    judge(sightings, authorization, network, needs(authorization));
  /** Everybody's view of one transaction; complete when an answer rests on what is missing. */
  const sightingsOf = (hash: `0x${string}`) => endpoints.gather((endpoint) => see(endpoint, hash), toDoubt);

  const receiptOf = (hash: `0x${string}`, view: ReceiptView, from: Endpoint): Receipt => {
    let own: Promise<Sighting> | undefined;
    let everybodys: Promise<Sighting[]> | undefined;
    return {
      succeeded: view.status === 1n,
      blockNumber: view.blockNumber,
      async transferOf(authorization) {
        if (needs(authorization).toBelieve === 1) {
          own ??= timed(from, view);
          const proof = proofIn(await own, authorization, network);
          if (proof) return proof;
        }
        everybodys ??= sightingsOf(hash);
        const verdict = judged(await everybodys, authorization);
        if (verdict.verdict === "unsure") throw new NotKnown(`endpoints do not agree on transaction ${hash} (yet)`);
        return verdict.verdict === "proven" ? verdict.proof : undefined;
      },
    };
  };

  return {
    async receipts(hashes) {
      if (hashes.length === 0) return [];
      const views = await endpoints.gather(
        async (endpoint) => ({ endpoint, receipts: await receiptsFrom(endpoint, hashes) }),
        1,
        (answers) => answers.some(({ receipts }) => receipts.every((receipt) => receipt?.status === 1n)),
      );
      return hashes.map((hash, at) => {
        const seen = views.flatMap(({ endpoint, receipts }) => {
          const view = receipts[at];
          return view ? [{ endpoint, view }] : [];
        });
        const good = seen.find(({ view }) => view.status === 1n);
        const told = good ?? (seen.length >= toDoubt ? seen[0] : undefined);
        return told && receiptOf(hash, told.view, told.endpoint);
      });
    },
    async findTransfer(authorization, sinceMs) {
      const inTime = (proof: TransferProof) => proof.blockTimeMs >= sinceMs - CLOCK_SLACK_MS;
      const found = await endpoints.gather(
        (endpoint) => search(endpoint, network, authorization, sinceMs),
        toDoubt,
        (answers) => proven(answers.flat()) !== undefined,
      );
      function proven(all: readonly NonNullable<Sighting>[]): TransferProof | undefined {
        for (const hash of new Set(all.map(({ receipt }) => receipt.transactionHash))) {
          const verdict = judged(
            all.filter(({ receipt }) => receipt.transactionHash === hash),
            authorization,
          );
          if (verdict.verdict === "proven" && inTime(verdict.proof)) return verdict.proof;
        }
        return undefined;
      }
      const proof = proven(found.flat());
      if (proof) return proof;
      // Shown by some only: their log indexes may be at different heights, so everybody is asked by name.
      let unsure = false;
      for (const hash of new Set(found.flat().map(({ receipt }) => receipt.transactionHash))) {
        const verdict = judged(await sightingsOf(hash), authorization);
        if (verdict.verdict === "proven" && inTime(verdict.proof)) return verdict.proof;
        unsure ||= verdict.verdict === "unsure";
      }
      if (unsure) throw new NotKnown("endpoints do not agree on a transfer (yet)");
      return undefined;
    },
  };
}

/** Candidates by the token's own log of the nonce, each with receipt and block time, as one endpoint shows them. */
async function search(
  endpoint: Endpoint,
  network: Network,
  authorization: Authorization,
  sinceMs: number,
): Promise<NonNullable<Sighting>[]> {
  const head = await blockAt(endpoint, "latest");
  const blockOf = (timeS: bigint) => head.number - (head.timestamp - timeS) / BLOCK_S;
  const clamp = (number: bigint) => (number < 0n ? 0n : number > head.number ? head.number : number);
  const from = clamp(blockOf(BigInt(Math.floor((sinceMs - CLOCK_SLACK_MS) / 1000))) - SEARCH_MARGIN_BLOCKS);
  const window = clamp(blockOf(authorization.validBeforeS) + SEARCH_MARGIN_BLOCKS);
  const to = head.number - from > SEARCH_WHOLE_BLOCKS ? window : head.number;
  const calls: Call[] = [];
  for (let at = from; at <= to; at += SEARCH_RANGE_BLOCKS) {
    const end = at + SEARCH_RANGE_BLOCKS - 1n;
    const topics = [AUTHORIZATION_USED, topicOf(authorization.from), authorization.nonce];
    const range = { fromBlock: quantity(at), toBlock: quantity(end < to ? end : to) };
    calls.push({ method: "eth_getLogs", params: [{ address: network.usdc, topics, ...range }] });
  }
  const logs = (await endpoint.ask(calls)).flatMap((answer) => read(Logs, answer));
  const hashes = [...new Set(logs.map((log) => log.transactionHash))].slice(0, CANDIDATES_MAX);
  const seen = await Promise.all(hashes.map((hash) => see(endpoint, hash)));
  return seen.filter((sighting) => sighting !== undefined);
}

async function see(endpoint: Endpoint, hash: `0x${string}`): Promise<Sighting> {
  const [receipt] = await receiptsFrom(endpoint, [hash]);
  return receipt && timed(endpoint, receipt);
}

async function timed(endpoint: Endpoint, receipt: ReceiptView): Promise<Sighting> {
  const [answer] = await endpoint.ask([{ method: "eth_getBlockByHash", params: [receipt.blockHash, false] }]);
  const block = read(Block.nullable(), answer);
  if (!block || block.hash !== receipt.blockHash || block.number !== receipt.blockNumber)
    throw new EndpointFailed("a receipt names a block that is not there");
  return { receipt, blockTimeMs: Number(block.timestamp) * 1000 };
}

async function receiptsFrom(endpoint: Endpoint, hashes: readonly `0x${string}`[]) {
  const answers = await endpoint.ask(hashes.map((hash) => ({ method: "eth_getTransactionReceipt", params: [hash] })));
  return hashes.map((hash, at) => {
    const view = read(ReceiptView.nullable(), answers[at]);
    if (view && (view.transactionHash !== hash || view.logs.some((log) => log.transactionHash !== hash)))
      throw new EndpointFailed("a receipt of another transaction");
    return view ?? undefined;
  });
}

async function blockAt(endpoint: Endpoint, at: BlockTag) {
  return read(Block, (await endpoint.ask([{ method: "eth_getBlockByNumber", params: [at, false] }]))[0]);
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
