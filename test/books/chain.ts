/** What the chain says was paid to the service: the token's Transfer logs to its recipient, of everything or of one month. */
import { createPublicClient, http, parseAbiItem } from "viem";
import type { Moved } from "./proving.ts";

const TRANSFER = parseAbiItem("event Transfer(address indexed from, address indexed to, uint256 value)");
type Address = `0x${string}`;

export interface Span {
  readonly fromMs: number;
  readonly untilMs: number;
}

export interface Asked {
  readonly rpc: string;
  readonly asset: Address;
  readonly payTo: Address;
  /** Of these payers alone. */
  readonly payer: Address | undefined;
  readonly span: Span | undefined;
  /** Blocks in one eth_getLogs; endpoints bound it. */
  readonly blocks: bigint;
}

export async function transfersTo({ rpc, asset, payTo, payer, span, blocks }: Asked): Promise<Moved[]> {
  const client = createPublicClient({ transport: http(rpc, { retryCount: 5 }) });
  const head = await client.getBlockNumber();
  const timeOf = async (blockNumber: bigint) => Number((await client.getBlock({ blockNumber })).timestamp) * 1000;
  /** The first block at `ms` or later; one behind the head when there is none. */
  const firstAt = async (ms: number): Promise<bigint> => {
    let [low, high] = [0n, head + 1n];
    while (low < high) {
      const middle = (low + high) / 2n;
      if ((await timeOf(middle)) < ms) low = middle + 1n;
      else high = middle;
    }
    return low;
  };
  const first = span ? await firstAt(span.fromMs) : 0n;
  const end = span ? await firstAt(span.untilMs) : head + 1n;
  const moved: Moved[] = [];
  for (let from = first; from < end; from += blocks) {
    const toBlock = from + blocks < end ? from + blocks - 1n : end - 1n;
    const args = payer === undefined ? { to: payTo } : { to: payTo, from: payer };
    const logs = await client.getLogs({
      address: asset,
      event: TRANSFER,
      args,
      fromBlock: from,
      toBlock,
      strict: true,
    });
    for (const { args: transfer, transactionHash } of logs)
      if (transfer.value > 0n)
        moved.push({ from: transfer.from.toLowerCase(), txHash: transactionHash, amount: transfer.value });
  }
  return moved;
}
