/** Several endpoints of which one lies, lags, hangs or is on another chain: nothing it says makes a payment look settled or dead. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Unsigned } from "../../durable/sign.ts";
import { buildSettlement } from "../../worker/adapters/base-transactions.ts";
import { openChain } from "../../worker/adapters/base-usdc.ts";
import { Endpoint, FEES, known, network, type RpcCall, type RpcReply, type Signed, World } from "./fixture.ts";

/** Above the default quorum of one dollar, and below it. */
const LARGE = 2_000_000n;
const SMALL = 50_000n;

let world: World;
let honest: Endpoint;
let liar: Endpoint;

beforeAll(async () => {
  world = await World.open(0);
  [honest, liar] = await Promise.all([Endpoint.open(world.chain.rpcUrl), Endpoint.open(world.chain.rpcUrl)]);
});
afterAll(async () => {
  await Promise.all([honest?.close(), liar?.close()]);
  await world?.chain.stop();
});
beforeEach(() => {
  honest.reset();
  liar.reset();
});

/** The liar comes first: whoever believed the first answer would believe it. */
const both = () => openChain(network, [liar.url, honest.url]);

async function paid(value: bigint): Promise<Signed & { hash: `0x${string}` }> {
  const job = await world.sign(await world.payer(), { value });
  const { transactionHash } = await world.land((nonce) => buildSettlement(network, job, nonce, FEES));
  return { ...job, hash: transactionHash };
}

/** A transaction that paid somebody else's authorization, dressed up as this one's. */
async function forgeryOf(job: Signed): Promise<(call: RpcCall, truth: RpcReply) => unknown> {
  const real = await paid(job.authorization.value);
  const dress = (value: unknown) =>
    JSON.parse(
      JSON.stringify(value)
        .replaceAll(real.authorization.from.slice(2), job.authorization.from.slice(2))
        .replaceAll(real.authorization.nonce, job.authorization.nonce),
    ) as unknown;
  const receipt = dress(
    await world.chain.client.request({ method: "eth_getTransactionReceipt" as never, params: [real.hash] as never }),
  );
  return (call) => {
    if (call.method === "eth_getTransactionReceipt") return receipt;
    if (call.method === "eth_getLogs") return (receipt as { logs: unknown[] }).logs.slice(0, 1);
    return undefined;
  };
}

describe("a payment that was made", () => {
  test("is found and proven, in one batch where one question has several parts", async () => {
    const job = await paid(LARGE);
    const chain = both();
    const proof = await chain.findTransfer(job.authorization, job.claimedMs);
    expect(proof).toMatchObject({ txHash: job.hash });
    const [receipt] = await chain.receipts([job.hash]);
    expect(await known(receipt).transferOf(job.authorization)).toEqual(proof);
    honest.reset();
    const [from] = [job.authorization.from];
    await Promise.all([chain.balanceWei(from), chain.balanceOfUsdc(from), chain.hasCode(from), chain.fees()]);
    expect(liar.seen.at(-1)).toEqual([
      "eth_getBalance",
      "eth_call",
      "eth_getCode",
      "eth_getBlockByNumber",
      "eth_maxPriorityFeePerGas",
    ]);
    expect(honest.seen).toEqual([]);
  });

  test("is not taken for one of before the claim", async () => {
    const job = await paid(SMALL);
    expect(await both().findTransfer(job.authorization, job.claimedMs + 3_600_000)).toBeUndefined();
  });

  test("when one endpoint hides it: not known if large, never 'none'", async () => {
    const job = await paid(LARGE);
    liar.lie = (call) => (call.method === "eth_getLogs" ? [] : undefined);
    // Its log index lags; its receipt does not.
    expect(await both().findTransfer(job.authorization, job.claimedMs)).toMatchObject({ txHash: job.hash });
    liar.lie = (call) =>
      call.method === "eth_getLogs" ? [] : call.method === "eth_getTransactionReceipt" ? null : undefined;
    await expect(both().findTransfer(job.authorization, job.claimedMs)).rejects.toThrow(/do not agree/);
    const small = await paid(SMALL);
    expect(await both().findTransfer(small.authorization, small.claimedMs)).toMatchObject({ txHash: small.hash });
  });

  test("when one endpoint cuts the logs, or says it reverted: not known, never 'did not pay'", async () => {
    for (const value of [SMALL, LARGE]) {
      const job = await paid(value);
      liar.lie = (call, truth) =>
        call.method === "eth_getTransactionReceipt" ? { ...(truth.result as object), logs: [] } : undefined;
      const [cut] = await both().receipts([job.hash]);
      const cutVerdict = await known(cut)
        .transferOf(job.authorization)
        .then((proof) => proof?.txHash ?? "none")
        .catch(() => "not known");
      expect(cutVerdict, String(value)).toBe(value === LARGE ? "not known" : job.hash);
      liar.lie = (call, truth) =>
        call.method === "eth_getTransactionReceipt" ? { ...(truth.result as object), status: "0x0" } : undefined;
      const [reverted] = await both().receipts([job.hash]);
      expect(reverted?.succeeded, "the other endpoint's word is good news").toBe(true);
      liar.reset();
    }
  });

  test("with one endpoint only, that one is believed", async () => {
    const job = await paid(LARGE);
    const chain = openChain(network, [honest.url]);
    expect(await chain.findTransfer(job.authorization, job.claimedMs)).toMatchObject({ txHash: job.hash });
  });

  test("the same address twice is one endpoint", async () => {
    const job = await world.sign(await world.payer(), { value: LARGE });
    expect(await openChain(network, [honest.url, honest.url]).findTransfer(job.authorization, job.claimedMs)).toBe(
      undefined,
    );
  });
});

describe("a payment that was not made", () => {
  test("a forged receipt and log do not settle it", async () => {
    const job = await world.sign(await world.payer(), { value: LARGE });
    liar.lie = await forgeryOf(job);
    const chain = both();
    await expect(chain.findTransfer(job.authorization, job.claimedMs)).rejects.toThrow(/do not agree/);
    const hash = (
      liar.lie({ id: 0, method: "eth_getTransactionReceipt" }, { id: 0 }) as { transactionHash: `0x${string}` }
    ).transactionHash;
    const [receipt] = await chain.receipts([hash]);
    await expect(known(receipt).transferOf(job.authorization)).rejects.toThrow(/do not agree/);
  });

  test("a reverted transaction is reverted when two say so", async () => {
    const job = await paid(LARGE);
    const again = await world.land((nonce) => buildSettlement(network, job, nonce, FEES));
    const [receipt] = await both().receipts([again.transactionHash]);
    expect(receipt?.succeeded).toBe(false);
    liar.status = 503;
    expect((await both().receipts([again.transactionHash]))[0]).toBeUndefined();
  });

  test("one endpoint's finalized head, or nonce, does not make it dead", async () => {
    const job = await world.sign(await world.payer());
    const truth = await openChain(network, [honest.url]).head("finalized");
    liar.lie = (call, reply) =>
      call.method === "eth_getBlockByNumber" && call.params?.[0] === "finalized"
        ? { ...(reply.result as object), number: "0xffffff", timestamp: "0xffffffff" }
        : undefined;
    expect(await both().head("finalized")).toEqual(truth);
    for (const said of ["0x0", "0x1"]) {
      const used = await paid(SMALL);
      await world.chain.client.mine({ blocks: 3 });
      const { authorization } = said === "0x1" ? job : used;
      liar.lie = (call) =>
        call.method === "eth_call" ? `${said.slice(0, 2)}${said.slice(2).padStart(64, "0")}` : undefined;
      await expect(both().authorizationUsed(authorization, "finalized")).rejects.toThrow(/contradict/);
      expect(await both().authorizationUsed(authorization, "latest")).toBe(true);
    }
    liar.reset();
    expect(await both().authorizationUsed(job.authorization, "finalized")).toBe(false);
    liar.status = 500;
    await expect(both().head("finalized")).rejects.toThrow(/1 of 2/);
    await expect(both().authorizationUsed(job.authorization, "finalized")).rejects.toThrow(/1 of 2/);
    await expect(both().findTransfer(job.authorization, job.claimedMs)).rejects.toThrow(/1 of 2/);
  });
});

describe("an endpoint", () => {
  test("on another chain is never used, and does not count", async () => {
    const job = await paid(LARGE);
    liar.lie = (call) => (call.method === "eth_chainId" ? "0x2105" : undefined);
    const chain = both();
    expect(await chain.balanceOfUsdc(world.payTo)).toBeGreaterThan(0n);
    await expect(chain.findTransfer(job.authorization, job.claimedMs)).rejects.toThrow(/1 of 2/);
    const before = liar.seen.length;
    await chain.fees();
    await chain.head("latest");
    expect(liar.seen.length).toBe(before);
  });

  test("that fails is passed over, and tried last from then on", async () => {
    liar.status = 502;
    const chain = both();
    await chain.fees();
    await chain.fees();
    expect(liar.seen.length).toBe(1);
    liar.lie = () => "nonsense";
    liar.status = 200;
    expect(await openChain(network, [liar.url, honest.url]).balanceWei(world.relayer)).toBeGreaterThan(0n);
    await expect(openChain(network, ["http://127.0.0.1:9/secret-key"]).fees()).rejects.toThrow(/^no endpoint answered/);
    await expect(openChain(network, ["http://127.0.0.1:9/secret-key"]).fees()).rejects.not.toThrow(/secret-key/);
  });

  test("that hangs delays good news by nothing", async () => {
    const job = await paid(SMALL);
    liar.delayMs = 4_000;
    const started = Date.now();
    const chain = both();
    const [receipt] = await chain.receipts([job.hash]);
    expect(await known(receipt).transferOf(job.authorization)).toMatchObject({ txHash: job.hash });
    expect(await chain.findTransfer(job.authorization, job.claimedMs)).toMatchObject({ txHash: job.hash });
    expect(Date.now() - started).toBeLessThan(1_500);
  });

  test("takes a transaction when any does; a known one is taken; a refusal tells the node's words", async () => {
    const job = await world.sign(await world.payer());
    liar.status = 500;
    const chain = both();
    let raw: `0x${string}` = "0x";
    const receipt = await world.land((nonce) => {
      const unsigned = buildSettlement(network, job, nonce, FEES);
      const serialize: Unsigned["serialize"] = (signature) => {
        raw = unsigned.serialize(signature);
        return raw;
      };
      return { nonce, serialize };
    });
    expect(receipt.status).toBe("success");
    await chain.send(raw);
    await expect(chain.send("0x02deadbeef")).rejects.toThrow(/decode|rlp|fail/i);
  });
});
