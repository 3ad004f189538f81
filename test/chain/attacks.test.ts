/** Attacks on payment, each carried out on a chain with Circle's real token. What the adapter says is what the ledger will believe. */
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { encodeFunctionData, type Hex, numberToHex, parseAbi } from "viem";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { transferTypedData } from "#contract/x402";
import type { SettlementJob } from "../../durable/ports.ts";
import { provesIn, ReceiptView } from "../../worker/adapters/base/proof.ts";
import { buildBatch, buildCancel, buildSettlement, transferData } from "../../worker/adapters/base-transactions.ts";
import { openChain } from "../../worker/adapters/base-usdc.ts";
import { recoverSigner } from "../../worker/adapters/signature.ts";
import { MULTICALL3 } from "../stack/chain/usdc.ts";
import { cancelData } from "./cancel.ts";
import { FEES, known, network, type Signed, World, walletOf } from "./fixture.ts";

let world: World;
let chain: ReturnType<typeof openChain>;
beforeAll(async () => {
  world = await World.open(0);
  chain = openChain(network, [world.chain.rpcUrl]);
});
afterAll(() => world?.chain.stop());

const BATCH = parseAbi([
  "struct Call3 { address target; bool allowFailure; bytes callData; }",
  "function aggregate3(Call3[] calls) payable",
]);
/** One of anvil's own accounts, with ether and nothing to do with us. */
const STRANGER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

async function byStranger(to: Hex, data: Hex) {
  const hash = await world.chain.client.sendTransaction({ account: STRANGER, to, data, gas: 1_000_000n });
  return world.chain.client.waitForTransactionReceipt({ hash });
}

const land = (job: SettlementJob) => world.land((nonce) => buildSettlement(network, job, nonce, FEES));
const proofOf = (job: SettlementJob) => chain.findTransfer(job.authorization, job.claimedMs);
const used = (job: SettlementJob) => chain.authorizationUsed(job.authorization, "latest");
const received = () => world.chain.usdcBalance(world.payTo);
const simulated = (job: SettlementJob) => chain.simulate(job.authorization, job.signature, world.relayer);

/** The other valid signature of the same text: s mirrored, v flipped. */
function malleated(signature: Hex): Hex {
  const s = secp256k1.Point.Fn.ORDER - BigInt(`0x${signature.slice(66, 130)}`);
  const v = signature.endsWith("1b") ? "1c" : "1b";
  return `0x${signature.slice(2, 66)}${s.toString(16).padStart(64, "0")}${v}`;
}

describe("a signature", () => {
  const recovered = ({ authorization, signature }: SettlementJob) =>
    recoverSigner(transferTypedData(network, authorization), signature);

  test("malleated recovers the payer, and the token refuses it before anything is sent", async () => {
    const job = await world.sign(await world.payer());
    const twin = { ...job, signature: malleated(job.signature) };
    expect(recovered(twin)).toBe(job.authorization.from);
    expect(twin.claimKey).toBe(job.claimKey);
    expect(await simulated(twin)).toMatch(/invalid signature 's' value/);
  });

  test("with v 0 or 1 recovers the payer, and the token refuses it before anything is sent", async () => {
    const job = await world.sign(await world.payer());
    const v = job.signature.endsWith("1b") ? "00" : "01";
    const old = { ...job, signature: `${job.signature.slice(0, -2)}${v}` as Hex };
    expect(recovered(old)).toBe(job.authorization.from);
    expect(await simulated(old)).toMatch(/invalid signature 'v' value/);
  });

  test("under the other network's token name recovers somebody else", async () => {
    const job = await world.sign(await world.payer(), { domainName: "USD Coin" });
    expect(recovered(job)).not.toBe(job.authorization.from);
    expect(await simulated(job)).toMatch(/invalid signature/);
  });

  test("of 64 bytes (EIP-2098), or of none, recovers nobody", async () => {
    const job = await world.sign(await world.payer());
    expect(recovered({ ...job, signature: job.signature.slice(0, -2) as Hex })).toBeUndefined();
    expect(recovered({ ...job, signature: "0x" })).toBeUndefined();
  });
});

describe("a used nonce without a payment", () => {
  test("cancelled by the payer", async () => {
    const job = await world.sign(await world.payer());
    const data = await cancelData(job.payer, job.authorization.nonce);
    expect((await byStranger(network.usdc, data)).status).toBe("success");
    expect(await used(job)).toBe(true);
    expect(await proofOf(job)).toBeUndefined();
    expect(await simulated(job)).toMatch(/used or canceled/);
  });

  test.each([
    ["a transfer to somebody else", { to: walletOf(STRANGER) }],
    ["a smaller transfer to us", { value: 49_999n }],
    ["a larger transfer to us", { value: 50_001n }],
    ["nothing, to oneself", { value: 0n, to: "self" }],
  ] as const)("burnt by %s", async (_, other) => {
    const job = await world.sign(await world.payer());
    const { from, nonce } = job.authorization;
    const burnt = await world.sign(job.payer, {
      ...other,
      nonce,
      ...("to" in other && other.to === "self" ? { to: from } : {}),
    } as never);
    expect((await land(burnt)).status).toBe("success");
    expect(await used(job)).toBe(true);
    expect(await proofOf(job)).toBeUndefined();
    const receipt = await land(job);
    expect(receipt.status).toBe("reverted");
    expect((await chain.receipts([receipt.transactionHash]))[0]?.succeeded).toBe(false);
  });

  test("burnt beside a real transfer to us, in one call: the decoy pays for nothing", async () => {
    const [decoy, real] = await Promise.all([
      world.payer().then((payer) => world.sign(payer)),
      world.payer().then((payer) => world.sign(payer)),
    ]);
    const burnt = await world.sign(decoy.payer, {
      nonce: decoy.authorization.nonce,
      value: 0n,
      to: decoy.authorization.from,
    });
    const before = await received();
    // AuthorizationUsed of the decoy's nonce, its empty transfer, and right behind it a transfer of the right amount to us.
    const calls = [burnt, real].map((each) => ({
      target: network.usdc,
      allowFailure: false,
      callData: transferData(each.authorization, each.signature),
    }));
    const data = encodeFunctionData({ abi: BATCH, functionName: "aggregate3", args: [calls] });
    const { transactionHash, status } = await byStranger(MULTICALL3, data);
    expect(status).toBe("success");
    expect(await received()).toBe(before + 50_000n);
    expect(await proofOf(decoy)).toBeUndefined();
    expect(await proofOf(real)).toMatchObject({ txHash: transactionHash });
    const [receipt] = await chain.receipts([transactionHash]);
    expect(await known(receipt).transferOf(decoy.authorization)).toBeUndefined();
    expect(await known(receipt).transferOf(real.authorization)).toMatchObject({ txHash: transactionHash });
  });
});

describe("a transfer that did pay", () => {
  test("submitted by a third party pays for us; ours reverts and is no harm", async () => {
    const job = await world.sign(await world.payer());
    const theirs = await byStranger(network.usdc, transferData(job.authorization, job.signature));
    const ours = await land(job);
    expect(ours.status).toBe("reverted");
    expect(await proofOf(job)).toMatchObject({ txHash: theirs.transactionHash });
  });

  test("before the claim pays for something else", async () => {
    const job = await world.sign(await world.payer());
    await land(job);
    await world.chain.client.increaseTime({ seconds: 600 });
    await world.chain.client.mine({ blocks: 1 });
    const { timestamp } = await world.chain.client.getBlock();
    expect(await chain.findTransfer(job.authorization, Number(timestamp) * 1000)).toBeUndefined();
    expect(await chain.findTransfer(job.authorization, (Number(timestamp) - 590) * 1000)).toBeDefined();
  });

  test("is no proof when a log is missing, moved, or of another token", async () => {
    const job = await world.sign(await world.payer());
    const { transactionHash } = await land(job);
    const raw = await world.chain.client.request({
      method: "eth_getTransactionReceipt" as never,
      params: [transactionHash] as never,
    });
    const { logs } = ReceiptView.parse(raw);
    const [first, second] = [known(logs[0]), known(logs[1])];
    const proves = (...these: typeof logs) => provesIn(these, job.authorization, network);
    expect(proves(first, second)).toBe(true);
    expect(proves(second, first)).toBe(true);
    expect(proves(first)).toBe(false);
    expect(proves(second)).toBe(false);
    expect(proves(first, { ...second, logIndex: second.logIndex + 1n })).toBe(false);
    expect(proves({ ...first, logIndex: second.logIndex + 1n }, second)).toBe(false);
    expect(proves(first, { ...second, address: first.address.replace("0x0", "0x1") as Hex })).toBe(false);
    expect(proves(first, { ...second, data: numberToHex(49_999n, { size: 32 }) })).toBe(false);
    expect(proves(first, { ...second, removed: true })).toBe(false);
  });
});

describe("what a relayer sends", () => {
  test("a batch settles each that can be, and each has its own proof", async () => {
    const jobs: Signed[] = await Promise.all(
      Array.from({ length: 12 }, async (_, at) => world.sign(await world.payer(at === 5 ? 10n : 1_000_000n))),
    );
    const receipt = await world.land((nonce) => buildBatch(network, jobs, nonce, FEES));
    expect(receipt.status).toBe("success");
    expect(receipt.gasUsed / 12n).toBeLessThan(70_000n);
    const [view] = await chain.receipts([receipt.transactionHash]);
    for (const [at, job] of jobs.entries()) {
      const proof = await known(view).transferOf(job.authorization);
      expect(proof?.txHash, `payment ${at}`).toBe(at === 5 ? undefined : receipt.transactionHash);
    }
  });

  test("a batch is bounded, and a freed nonce costs 21,000 gas", async () => {
    const job = await world.sign(await world.payer());
    expect(() => buildBatch(network, [], 0, FEES)).toThrow(/invariant/);
    expect(() => buildBatch(network, Array(51).fill(job), 0, FEES)).toThrow(/invariant/);
    const before = await chain.transactionCount(world.relayer, "latest");
    const receipt = await world.land((nonce) => buildCancel(network, world.relayer, nonce, FEES));
    expect(receipt).toMatchObject({ status: "success", gasUsed: 21_000n, from: world.relayer, to: world.relayer });
    expect(await chain.transactionCount(world.relayer, "latest")).toBe(before + 1);
    expect(await chain.transactionCount(world.relayer, "finalized")).toBeLessThanOrEqual(before + 1);
  });
});
