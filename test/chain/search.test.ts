/** Where a transfer is looked for: from the claim's own block on, in ranges every endpoint serves, and no further than it could be. */
import { numberToHex } from "viem";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildSettlement } from "../../worker/adapters/base-transactions.ts";
import { openChain } from "../../worker/adapters/base-usdc.ts";
import { chainNowS, Endpoint, FEES, known, network, type RpcCall, World } from "./fixture.ts";

let world: World;
let door: Endpoint;
beforeAll(async () => {
  world = await World.open(0);
  door = await Endpoint.open(world.chain.rpcUrl);
});
afterAll(async () => {
  await door?.close();
  await world?.chain.stop();
});

/** Blocks asked for by each `eth_getLogs`. */
function ranges(calls: readonly RpcCall[]): [number, number][] {
  return calls.map(({ params }) => {
    const { fromBlock, toBlock } = known(params)[0] as { fromBlock: string; toBlock: string };
    return [Number(fromBlock), Number(toBlock)];
  });
}

/** With a head that is so many blocks higher than it is: to mine them all would take a minute. */
async function searched(job: Awaited<ReturnType<World["sign"]>>, higher = 0n) {
  const asked: RpcCall[] = [];
  door.lie = (call, truth) => {
    if (call.method === "eth_getLogs") asked.push(call);
    if (call.method !== "eth_getBlockByNumber") return undefined;
    const head = truth.result as { number: string; timestamp: string };
    const number = numberToHex(BigInt(head.number) + higher);
    return { ...head, number, timestamp: numberToHex(BigInt(head.timestamp) + 2n * higher) };
  };
  const proof = await openChain(network, [door.url]).findTransfer(job.authorization, job.claimedMs);
  return { proof, ranges: ranges(asked) };
}

test("hours later, days later: found where it was, without asking for the whole chain", async () => {
  const { client } = world.chain;
  await client.mine({ blocks: 200, interval: 2 });
  const claimedMs = Number(await chainNowS(world.chain)) * 1000;
  const job = await world.sign(await world.payer(), { claimedMs });
  const { transactionHash, blockNumber } = await world.land((nonce) => buildSettlement(network, job, nonce, FEES));
  const near = await searched(job);
  expect(near.proof).toMatchObject({ txHash: transactionHash });
  expect(near.ranges).toHaveLength(1);
  await client.mine({ blocks: 1_000, interval: 2 });

  for (const [higher, howMany] of [
    [0n, 2],
    // Thirty days: only the window in which the authorization could land.
    [1_296_000n, 1],
  ] as const) {
    const late = await searched(job, higher);
    expect(late.proof).toMatchObject({ txHash: transactionHash });
    expect(late.ranges).toHaveLength(howMany);
    for (const [from, to] of late.ranges) expect(to - from).toBeLessThan(900);
    expect(late.ranges[0]?.[0]).toBeGreaterThan(Number(blockNumber) - 150);
  }
});
