/**
 * What several endpoints together say about transactions: which transfer used an authorization, and what a receipt is worth. Each is
 * asked the same; base/proof.ts weighs the answers.
 */
import type { MicroUsdc } from "#contract/money";
import type { Authorization, Network } from "#contract/x402";
import type { BlockTag, Receipt, TransferProof } from "../../../durable/ports.ts";
import {
  AUTHORIZATION_USED,
  Block,
  judge,
  Logs,
  proofIn,
  ReceiptView,
  type Sighting,
  topicOf,
  type Verdict,
} from "./proof.ts";
import { type Call, type Endpoint, EndpointFailed, type Endpoints, NotKnown, quantity, read } from "./rpc.ts";

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

/** What the endpoints together say about transactions: what can be believed of it, and what cannot. */
export class Witnesses {
  readonly #network: Network;
  readonly #endpoints: Endpoints;
  readonly #quorumAbove: MicroUsdc;

  constructor(network: Network, endpoints: Endpoints, quorumAbove: MicroUsdc) {
    this.#network = network;
    this.#endpoints = endpoints;
    this.#quorumAbove = quorumAbove;
  }

  async receipts(hashes: readonly `0x${string}`[]): Promise<(Receipt | undefined)[]> {
    if (hashes.length === 0) return [];
    const views = await this.#endpoints.gather(
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
      const told = good ?? (seen.length >= this.#endpoints.quorum ? seen[0] : undefined);
      return told && this.#receiptOf(hash, told.view, told.endpoint);
    });
  }

  async findTransfer(authorization: Authorization, sinceMs: number): Promise<TransferProof | undefined> {
    const inTime = (proof: TransferProof) => proof.blockTimeMs >= sinceMs - CLOCK_SLACK_MS;
    const proven = (seen: readonly NonNullable<Sighting>[]): TransferProof | undefined => {
      for (const hash of hashesOf(seen)) {
        const those = seen.filter(({ receipt }) => receipt.transactionHash === hash);
        const verdict = this.#judged(those, authorization);
        if (verdict.verdict === "proven" && inTime(verdict.proof)) return verdict.proof;
      }
      return undefined;
    };
    const found = await this.#endpoints.gather(
      (endpoint) => search(endpoint, this.#network, authorization, sinceMs),
      this.#endpoints.quorum,
      (answers) => proven(answers.flat()) !== undefined,
    );
    const proof = proven(found.flat());
    if (proof) return proof;
    // Shown by some only: their log indexes may be at different heights, so everybody is asked by name.
    let unsure = false;
    for (const hash of hashesOf(found.flat())) {
      const verdict = this.#judged(await this.#sightingsOf(hash), authorization);
      if (verdict.verdict === "proven" && inTime(verdict.proof)) return verdict.proof;
      unsure ||= verdict.verdict === "unsure";
    }
    if (unsure) throw new NotKnown("endpoints do not agree on a transfer (yet)");
    return undefined;
  }

  #receiptOf(hash: `0x${string}`, view: ReceiptView, from: Endpoint): Receipt {
    let own: Promise<Sighting> | undefined;
    let everybodys: Promise<Sighting[]> | undefined;
    return {
      succeeded: view.status === 1n,
      blockNumber: view.blockNumber,
      transferOf: async (authorization) => {
        if (this.#toBelieve(authorization) === 1) {
          own ??= timed(from, view);
          const proof = proofIn(await own, authorization, this.#network);
          if (proof) return proof;
        }
        everybodys ??= this.#sightingsOf(hash);
        const verdict = this.#judged(await everybodys, authorization);
        if (verdict.verdict === "unsure") throw new NotKnown(`endpoints do not agree on transaction ${hash} (yet)`);
        return verdict.verdict === "proven" ? verdict.proof : undefined;
      },
    };
  }

  /** Everybody's view of one transaction. */
  #sightingsOf(hash: `0x${string}`): Promise<Sighting[]> {
    return this.#endpoints.gather((endpoint) => see(endpoint, hash), this.#endpoints.quorum);
  }

  #judged(sightings: readonly Sighting[], authorization: Authorization): Verdict {
    const needs = { toBelieve: this.#toBelieve(authorization), toDoubt: this.#endpoints.quorum };
    return judge(sightings, authorization, this.#network, needs);
  }

  #toBelieve({ value }: Authorization): number {
    return value > this.#quorumAbove ? this.#endpoints.quorum : 1;
  }
}

const hashesOf = (seen: readonly NonNullable<Sighting>[]) =>
  new Set(seen.map(({ receipt }) => receipt.transactionHash));

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

export async function blockAt(endpoint: Endpoint, at: BlockTag) {
  return read(Block, (await endpoint.ask([{ method: "eth_getBlockByNumber", params: [at, false] }]))[0]);
}
