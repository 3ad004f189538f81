/** A facilitator instead of a relayer: it settles, or fails, or lies, and in every case the chain has the last word. Two-second blocks. */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { revertReason } from "#rules/revert";
import type { Chain, SettlementJob } from "../../durable/ports.ts";
import { buildSettlement } from "../../worker/adapters/base-transactions.ts";
import { openChain } from "../../worker/adapters/base-usdc.ts";
import { openFacilitator } from "../../worker/adapters/facilitator.ts";
import { cancelData } from "./cancel.ts";
import { type FacilitatorServer, type Mood, openFacilitatorServer } from "./facilitator-server.ts";
import { FEES, known, network, type Signed, World } from "./fixture.ts";

let world: World;
const payers: Awaited<ReturnType<World["payer"]>>[] = [];
beforeAll(async () => {
  world = await World.open(0);
  for (let at = 0; at < 24; at += 1) payers.push(await world.payer());
  await world.chain.client.setAutomine(false);
  await world.chain.client.setIntervalMining({ interval: 2 });
});
afterAll(() => world?.chain.stop());

const WAIT_MS = 12_000;

function over(server: Pick<FacilitatorServer, "url">): Chain {
  return openFacilitator({
    url: server.url,
    network,
    rpc: openChain(network, [world.chain.rpcUrl]),
    clock: { nowMs: () => Date.now() },
    resourceUrl: "https://store.example",
    reasonOf: revertReason,
    pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  });
}

async function open(receiptTimeoutMs?: number): Promise<FacilitatorServer> {
  const server = await openFacilitatorServer(world, receiptTimeoutMs);
  onTestFinished(() => server.close());
  return server;
}

async function first(lie: Parameters<World["sign"]>[1] = {}): Promise<Signed> {
  return { ...(await world.sign(known(payers.pop()), lie)), ask: "first" };
}

/** The same claim as somebody asks who did not write it down, so long after that the first asker is done. */
function later(job: SettlementJob): SettlementJob {
  return { ...job, claimedMs: job.claimedMs - 31_000 };
}

const settles = (server: FacilitatorServer) => server.asked.filter((path) => path === "/settle").length;
const spent = async (job: Signed) => 1_000_000_000n - (await world.chain.usdcBalance(job.authorization.from));

describe.concurrent("what a facilitator does", () => {
  test("settles once, however often it is asked", async () => {
    const server = await open();
    const chain = over(server);
    const job = await first();
    const end = await chain.settle(job, WAIT_MS);
    expect(end).toMatchObject({ end: "settled" });
    expect(server.asked).toEqual(["/supported", "/verify", "/settle"]);
    expect(await over(server).settle(later(job), WAIT_MS)).toEqual(end);
    expect(settles(server)).toBe(1);
    if (end.end !== "settled") throw new Error("unreachable");
    expect((await chain.recheck(job, end.proof)).end).toBe("standing");
    expect(await spent(job)).toBe(50_000n);
  });

  test("two callers at once, one isolate: one /settle, both are told", async () => {
    const server = await open();
    const chain = over(server);
    const job = await first();
    const [one, two] = await Promise.all([
      chain.settle(job, WAIT_MS),
      chain.settle({ ...job, ask: undefined } as never, WAIT_MS),
    ]);
    expect(one).toMatchObject({ end: "settled" });
    expect(two).toEqual(one);
    expect(settles(server)).toBe(1);
  });

  test("two isolates at once: two /settle, one transfer, both are told", async () => {
    const server = await open();
    const job = await first();
    const ends = await Promise.all([
      over(server).settle(later(job), WAIT_MS),
      over(server).settle(later(job), WAIT_MS),
    ]);
    expect(settles(server)).toBe(2);
    expect(ends[0]).toMatchObject({ end: "settled" });
    expect(ends[1]).toEqual(ends[0]);
    expect(await spent(job)).toBe(50_000n);
  });

  test("gives up waiting for the block (settlement_pending): settled", async () => {
    const server = await open(100);
    expect(await over(server).settle(await first(), WAIT_MS)).toMatchObject({ end: "settled" });
  });

  test.each<Mood>(["cut", "status_500", "says_failed"])("%s after the broadcast: settled", async (mood) => {
    const server = await open();
    server.mood = mood;
    expect(await over(server).settle(await first(), WAIT_MS)).toMatchObject({ end: "settled" });
  });

  test("lies about success: unknown, with the hash it told, and nothing is granted", async () => {
    const server = await open();
    server.mood = "lies";
    const job = await first();
    const end = await over(server).settle(job, 3_000);
    expect(end).toEqual({ end: "unknown", txHash: expect.stringMatching(/^0x[0-9a-f]{64}$/) });
    // Asked again later, it is given another chance, and takes it.
    server.mood = "honest";
    expect(await over(server).settle(later(job), WAIT_MS)).toMatchObject({ end: "settled" });
  });

  test("refuses to settle what it verified: unknown, for it has the signature", async () => {
    const server = await open();
    server.mood = "refuses_to_settle";
    const started = Date.now();
    expect(await over(server).settle(await first(), 25_000)).toEqual({ end: "unknown", txHash: undefined });
    expect(Date.now() - started).toBeLessThan(10_000);
  });
});

describe.concurrent("before anything is settled", () => {
  test("/verify says no: refused, but it has left us; /settle is never called", async () => {
    const server = await open();
    server.verdict = { isValid: false, invalidReason: "sanctioned" };
    const job = await first();
    expect(await over(server).settle(job, WAIT_MS)).toMatchObject({
      end: "refused",
      reason: "sanctioned",
      leftUs: true,
    });
    expect(server.asked).toEqual(["/supported", "/verify"]);
    // Its ledger now says void; nobody submits it, whatever the facilitator would say.
    const { ask: _, ...asked } = later(job);
    expect(await over(server).settle({ ...asked, ask: "look" }, WAIT_MS)).toMatchObject({
      end: "refused",
      leftUs: true,
    });
    expect(settles(server)).toBe(0);
  });

  test("our own simulation says no: refused, and nobody was shown the signature", async () => {
    const server = await open();
    const job = await first({ value: 2_000_000_000n });
    expect(await over(server).settle(job, WAIT_MS)).toMatchObject({
      end: "refused",
      reason: "invalid_exact_evm_insufficient_balance",
      leftUs: false,
    });
    expect(server.asked).toEqual([]);
  });

  test("it is not there, or does not serve this network: refused as unavailable, nothing was shown", async () => {
    const unavailable = { end: "refused", reason: "settlement_unavailable", leftUs: false };
    expect(await over({ url: "http://127.0.0.1:9" }).settle(await first(), WAIT_MS)).toMatchObject(unavailable);
    const server = await open();
    server.supported = { kinds: [{ x402Version: 2, scheme: "exact", network: "eip155:8453" }] };
    expect(await over(server).settle(await first(), WAIT_MS)).toMatchObject(unavailable);
    expect(server.asked).toEqual(["/supported"]);
  });

  test("a first asker who comes late neither refuses nor submits", async () => {
    const server = await open();
    const job = await first();
    const late = { ...job, claimedMs: job.claimedMs - 25_000 };
    expect(await over(server).settle(late, 500)).toEqual({ end: "unknown", txHash: undefined });
    expect(server.asked).toEqual([]);
  });

  test("somebody else landed it first: settled, and nobody was shown the signature", async () => {
    const server = await open();
    const job = await first();
    await world.land((nonce) => buildSettlement(network, job, nonce, FEES));
    expect(await over(server).settle(job, WAIT_MS)).toMatchObject({ end: "settled" });
    expect(server.asked).toEqual([]);
  });
});

/** These move the chain's time, so they come last and one after the other. */
describe("what can never land any more", () => {
  test("a cancelled nonce: unknown until finalized, then refused", async () => {
    const server = await open();
    server.mood = "refuses_to_settle";
    const job = await first();
    const data = await cancelData(job.payer, job.authorization.nonce);
    await world.chain.client.setIntervalMining({ interval: 0 });
    await world.chain.client.sendTransaction({
      account: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
      to: network.usdc,
      data,
    });
    await world.chain.client.mine({ blocks: 1 });
    expect(await over(server).settle(later(job), 300)).toEqual({ end: "unknown", txHash: undefined });
    expect(settles(server)).toBe(0);
    await world.chain.client.mine({ blocks: 3 });
    expect(await over(server).settle(later(job), 300)).toMatchObject({
      end: "refused",
      reason: "invalid_exact_evm_nonce_already_used",
      leftUs: true,
    });
  });

  test("a window that closed: unknown until the finalized head is past it, then refused", async () => {
    const server = await open();
    server.mood = "refuses_to_settle";
    const job = await first();
    await world.chain.client.increaseTime({ seconds: 200 });
    await world.chain.client.mine({ blocks: 1 });
    expect(await over(server).settle(later(job), 300)).toMatchObject({ end: "unknown" });
    await world.chain.client.mine({ blocks: 3 });
    expect(await over(server).settle(later(job), 300)).toMatchObject({
      end: "refused",
      reason: "expired",
      leftUs: true,
    });
  });

  test("a transfer in a finalized block is final; one that is gone has vanished", async () => {
    const chain = over({ url: "http://127.0.0.1:9" });
    const job = await first();
    await world.chain.client.setAutomine(true);
    await world.land((nonce) => buildSettlement(network, job, nonce, FEES));
    await world.chain.client.mine({ blocks: 3 });
    const proof = known(await openChain(network, [world.chain.rpcUrl]).findTransfer(job.authorization, job.claimedMs));
    expect(await chain.recheck(job, proof)).toEqual({ end: "final", proof });
    const other = await first();
    expect(await chain.recheck(other, { ...proof, txHash: `0x${"ab".repeat(32)}` })).toEqual({ end: "vanished" });
  });
});
