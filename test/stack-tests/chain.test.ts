/** The local chain: real USDC where payers look for it, and a memory that survives a stop, a crash and several starts. */
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Address, parseEventLogs, toHex } from "viem";
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type Chain, type ChainOptions, startChain } from "../stack/chain/chain.ts";
import { MULTICALL3, usdcAbi } from "../stack/chain/usdc.ts";
import { isRunning, scratchDirectory, until } from "./scratch.ts";

/** What Circle's token on Base Sepolia answers. */
const DOMAIN_SEPARATOR = "0x71f17a3b2ff373b803d70a5a07c046c1a2bc8e89c09ef722fcb047abe94c9818";
const stranger: Address = "0x00000000000000000000000000000000000000aa";
const newAccount = () => privateKeyToAccount(generatePrivateKey());

async function open(options: Partial<ChainOptions> = {}): Promise<Chain> {
  const chain = await startChain({ port: 0, blockTimeSeconds: 0, ...options });
  onTestFinished(() => chain.stop());
  return chain;
}

async function authorise(payer: PrivateKeyAccount, chain: Chain, value: bigint) {
  const message = {
    from: payer.address,
    to: stranger,
    value,
    validAfter: 0n,
    validBefore: BigInt(Math.floor(Date.now() / 1000) + 300),
    nonce: toHex(randomBytes(32)),
  };
  const signature = await payer.signTypedData({
    domain: { name: "USDC", version: "2", chainId: chain.chainId, verifyingContract: chain.usdc },
    types: {
      TransferWithAuthorization: [
        { name: "from", type: "address" },
        { name: "to", type: "address" },
        { name: "value", type: "uint256" },
        { name: "validAfter", type: "uint256" },
        { name: "validBefore", type: "uint256" },
        { name: "nonce", type: "bytes32" },
      ],
    },
    primaryType: "TransferWithAuthorization",
    message,
  });
  const { from, to, validAfter, validBefore, nonce } = message;
  return [from, to, value, validAfter, validBefore, nonce, signature] as const;
}

/** A payer with nothing but USDC pays; a relayer with nothing but gas carries it. */
async function pay(chain: Chain, value: bigint) {
  const [payer, relayer] = [newAccount(), newAccount()];
  await Promise.all([chain.fund(payer.address, 1_000_000n), chain.fundGas(relayer.address, 10n ** 18n)]);
  const args = await authorise(payer, chain, value);
  const call = { address: chain.usdc, abi: usdcAbi, functionName: "transferWithAuthorization", args } as const;
  const hash = await chain.client.writeContract({ account: relayer, ...call });
  const receipt = await chain.client.waitForTransactionReceipt({ hash });
  return { payer, relayer, hash, receipt, call, nonce: args[5] };
}

describe("USDC", () => {
  let chain: Chain;
  beforeAll(async () => {
    chain = await startChain({ port: 0, blockTimeSeconds: 0 });
  });
  afterAll(() => chain.stop());
  const read = (functionName: "name" | "symbol" | "version" | "decimals" | "DOMAIN_SEPARATOR") =>
    chain.client.readContract({ address: chain.usdc, abi: usdcAbi, functionName });

  test("is what stands on Base Sepolia, at its address", async () => {
    expect(chain.usdc).toBe("0x036CbD53842c5426634e7929541eC2318f3dCF7e");
    expect(await chain.client.getChainId()).toBe(84_532);
    expect(await Promise.all([read("name"), read("symbol"), read("version"), read("decimals")])).toEqual([
      "USDC",
      "USDC",
      "2",
      6,
    ]);
    expect(await read("DOMAIN_SEPARATOR")).toBe(DOMAIN_SEPARATOR);
    expect((await chain.client.getCode({ address: MULTICALL3 }))?.length).toBeGreaterThan(7_000);
  });

  test("moves on a signature, once", async () => {
    const before = await chain.usdcBalance(stranger);
    const { payer, relayer, receipt, call, nonce } = await pay(chain, 250_000n);
    expect(receipt.status).toBe("success");
    const events = parseEventLogs({ abi: usdcAbi, logs: receipt.logs });
    expect(events.map((event) => event.eventName)).toEqual(["AuthorizationUsed", "Transfer"]);
    expect(events[0]?.args).toEqual({ authorizer: payer.address, nonce });
    expect(await chain.usdcBalance(payer.address)).toBe(750_000n);
    expect(await chain.usdcBalance(stranger)).toBe(before + 250_000n);
    expect(await chain.client.getBalance({ address: payer.address })).toBe(0n);
    const again = chain.client.simulateContract({ account: relayer, ...call });
    await expect(again).rejects.toThrow("FiatTokenV2: authorization is used or canceled");
  });

  test("does not move on another's signature", async () => {
    const relayer = newAccount();
    await chain.fundGas(relayer.address, 10n ** 18n);
    const [, ...rest] = await authorise(newAccount(), chain, 1n);
    const args = [newAccount().address, ...rest] as const;
    const call = { address: chain.usdc, abi: usdcAbi, functionName: "transferWithAuthorization", args } as const;
    await expect(chain.client.simulateContract({ account: relayer, ...call })).rejects.toThrow(
      "FiatTokenV2: invalid signature",
    );
  });

  test("is minted for many at once", async () => {
    const accounts = Array.from({ length: 8 }, () => newAccount().address);
    await Promise.all(accounts.map((address, index) => chain.fund(address, BigInt(index + 1))));
    expect(await Promise.all(accounts.map((address) => chain.usdcBalance(address)))).toEqual(
      accounts.map((_, index) => BigInt(index + 1)),
    );
  });

  test("is final two blocks later", async () => {
    const { receipt } = await pay(chain, 1n);
    await chain.client.mine({ blocks: 2 });
    const finalized = await chain.client.getBlock({ blockTag: "finalized" });
    expect(finalized.number).toBe(receipt.blockNumber);
  });
});

describe("the memory", () => {
  test("holds balances, receipts, logs and its first block over several starts", async () => {
    const stateFile = join(scratchDirectory(), "chain", "state.json");
    const first = await open({ stateFile });
    const paid = await pay(first, 40_000n);
    const height = await first.client.getBlockNumber();
    await first.stop();
    for (let turn = 0; turn < 4; turn += 1) {
      const chain = await open({ stateFile });
      expect(chain.identity).toBe(first.identity);
      expect(await chain.client.getBlockNumber()).toBeGreaterThan(height);
      expect(await chain.usdcBalance(paid.payer.address)).toBe(960_000n);
      expect(await chain.client.getTransactionCount({ address: paid.relayer.address })).toBe(1);
      const receipt = await chain.client.getTransactionReceipt({ hash: paid.hash });
      expect(receipt).toMatchObject({ status: "success", blockHash: paid.receipt.blockHash });
      expect(receipt.logs).toEqual(paid.receipt.logs);
      const logs = await chain.client.getContractEvents({
        address: chain.usdc,
        abi: usdcAbi,
        eventName: "AuthorizationUsed",
        args: { authorizer: paid.payer.address },
        fromBlock: 0n,
      });
      expect(logs.map((log) => log.transactionHash)).toEqual([paid.hash]);
      // A read at `finalized` works from the first moment, and the clock is that of the world.
      const read = { address: chain.usdc, abi: usdcAbi, functionName: "balanceOf", args: [stranger] } as const;
      expect(await chain.client.readContract({ ...read, blockTag: "finalized" })).toBe(40_000n);
      const { timestamp } = await chain.client.getBlock();
      expect(Math.abs(Number(timestamp) - Date.now() / 1000)).toBeLessThan(5);
      await chain.stop();
    }
  });

  test("holds all but the last second when anvil is killed", async () => {
    const stateFile = join(scratchDirectory(), "state.json");
    const first = await open({ stateFile });
    const paid = await pay(first, 40_000n);
    await until("it is on disk", () => existsSync(stateFile) && readFileSync(stateFile, "utf8").includes(paid.hash));
    await sleep(50);
    process.kill(first.pid, "SIGKILL");
    await until("anvil is gone", () => !isRunning(first.pid));
    await first.stop();
    const second = await open({ stateFile });
    expect(second.identity).toBe(first.identity);
    expect(await second.usdcBalance(paid.payer.address)).toBe(960_000n);
    expect((await second.client.getTransactionReceipt({ hash: paid.hash })).status).toBe("success");
  });

  test("that was cut short is refused, naming the file and --reset", async () => {
    const stateFile = join(scratchDirectory(), "state.json");
    const first = await open({ stateFile });
    await first.stop();
    for (const length of [readFileSync(stateFile).length - 100, 1, 0]) {
      truncateSync(stateFile, length);
      await expect(open({ stateFile })).rejects.toThrow(/state\.json is damaged: .* --reset/);
    }
  });

  test("is another chain's without the file", async () => {
    const directory = scratchDirectory();
    const first = await open({ stateFile: join(directory, "one.json") });
    const second = await open({ stateFile: join(directory, "two.json") });
    expect(second.identity).not.toBe(first.identity);
  });
});
