/** ERC-1271 on a real chain: a contract wallet pays, one that loops is bounded, one that says no is refused. */
import { type Hex, hashTypedData } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Wallet } from "#contract/wallet";
import { transferTypedData } from "#contract/x402";
import { openContractSigned } from "../../worker/adapters/base/contract-wallet.ts";
import { buildSettlement } from "../../worker/adapters/base-transactions.ts";
import { openChain } from "../../worker/adapters/base-usdc.ts";
import { digestOf, recoverSigner, recoverTextSigner } from "../../worker/adapters/signature.ts";
import type { Ports } from "../../worker/flow/ports.ts";
import { signedBy } from "../../worker/flow/signed.ts";
import { CHATTY, LOOPING, obedient, place, REFUSING } from "./contract-wallets.ts";
import { Endpoint, FEES, jobOf, network, World, walletOf } from "./fixture.ts";

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

const owner = privateKeyToAccount(generatePrivateKey());

async function contractWallet(bytecode: Hex): Promise<Wallet> {
  const address = walletOf(privateKeyToAccount(generatePrivateKey()).address);
  await place(world.chain, address, bytecode);
  await world.chain.fund(address, 1_000_000n);
  return address;
}

/** What the owner signs for the contract's money. */
async function signFor(address: Wallet, signer = owner) {
  const honest = await world.sign(signer);
  const authorization = { ...honest.authorization, from: address };
  return jobOf(authorization, await signer.signTypedData(transferTypedData(network, authorization)));
}

type Asked = Pick<Ports, "signerOf" | "signerOfText" | "contractSigned">;
function ports(urls: readonly string[]): Asked {
  const contractSigned = openContractSigned(network, urls);
  return {
    signerOf: (data, signature) => recoverSigner(data as Parameters<typeof recoverSigner>[0], signature),
    signerOfText: recoverTextSigner,
    contractSigned: (signed, signature, address) =>
      contractSigned(address, digestOf(signed as Parameters<typeof digestOf>[0]), signature),
  };
}

const judged = async (job: Awaited<ReturnType<typeof signFor>>, urls = [door.url]) =>
  signedBy(ports(urls), job.authorization.from, job.signature, [transferTypedData(network, job.authorization)]);

describe("a contract wallet", () => {
  test("pays with its owner's signature, in one round trip of questions", async () => {
    const job = await signFor(await contractWallet(obedient(owner.address)));
    door.reset();
    expect(await judged(job)).toBe("signed");
    expect(door.seen).toEqual([["eth_chainId", "eth_getCode", "eth_call"]]);
    const chain = openChain(network, [world.chain.rpcUrl]);
    expect(await chain.simulate(job.authorization, job.signature, world.relayer)).toBeUndefined();
    const { transactionHash } = await world.land((nonce) => buildSettlement(network, job, nonce, FEES));
    expect(await chain.findTransfer(job.authorization, job.claimedMs)).toMatchObject({ txHash: transactionHash });
    expect(await chain.hasCode(job.authorization.from)).toBe(true);
  });

  test("signs in with a text as well", async () => {
    const address = await contractWallet(obedient(owner.address));
    const signature = await owner.signMessage({ message: "let me in" });
    expect(await signedBy(ports([door.url]), address, signature, ["let me in"])).toBe("signed");
    expect(await signedBy(ports([door.url]), address, signature, ["let me out"])).toBe("not_signed");
  });

  test("is refused with anybody else's signature, and the token agrees", async () => {
    const stranger = privateKeyToAccount(generatePrivateKey());
    const job = await signFor(await contractWallet(obedient(owner.address)), stranger);
    expect(await judged(job)).toBe("not_signed");
    const chain = openChain(network, [world.chain.rpcUrl]);
    expect(await chain.simulate(job.authorization, job.signature, world.relayer)).toMatch(/invalid signature/);
  });

  test.each([
    ["loops", LOOPING],
    ["says no", REFUSING],
    ["says more than yes", CHATTY],
  ])("that %s is refused, within a bound", async (_, bytecode) => {
    const job = await signFor(await contractWallet(bytecode));
    const started = performance.now();
    expect(await judged(job)).toBe("not_signed");
    expect(performance.now() - started).toBeLessThan(1_000);
  });

  test("that loops burns no more gas than one transfer is given", async () => {
    const job = await signFor(await contractWallet(LOOPING));
    const receipt = await world.land((nonce) => buildSettlement(network, job, nonce, FEES));
    expect(receipt.status).toBe("reverted");
    expect(receipt.gasUsed).toBeLessThanOrEqual(160_000n);
  });
});

describe("an ordinary wallet", () => {
  test("is known by its signature alone: the chain is not asked", async () => {
    door.reset();
    expect(await judged(await world.sign(await world.payer()))).toBe("signed");
    expect(door.seen).toEqual([]);
  });

  test("that delegates to a contract (EIP-7702) is judged by the token before anything is sent", async () => {
    const job = await world.sign(await world.payer());
    const delegate = await contractWallet(REFUSING);
    await place(world.chain, job.authorization.from, `0xef0100${delegate.slice(2)}`);
    expect(await judged(job)).toBe("signed");
    const chain = openChain(network, [world.chain.rpcUrl]);
    expect(await chain.simulate(job.authorization, job.signature, world.relayer)).toMatch(/invalid signature/);
    expect(await chain.hasCode(job.authorization.from)).toBe(true);
  });

  test("whose signature is another's is refused by one question", async () => {
    const job = await world.sign(await world.payer());
    const other = await world.sign(await world.payer());
    expect(await judged({ ...job, signature: other.signature })).toBe("not_signed");
  });

  test("not deployed yet (ERC-6492) is refused before any question", async () => {
    const job = await world.sign(await world.payer());
    door.reset();
    expect(await judged({ ...job, signature: `${job.signature}${"6492".repeat(16)}` })).toBe("undeployed");
    expect(door.seen).toEqual([]);
  });
});

describe("when endpoints cannot be trusted", () => {
  test("one that says yes for a contract that says no is not believed", async () => {
    const liar = await Endpoint.open(world.chain.rpcUrl);
    liar.lie = (call) => (call.method === "eth_call" ? `0x1626ba7e${"0".repeat(56)}` : undefined);
    const job = await signFor(await contractWallet(REFUSING));
    expect(await judged(job, [liar.url, world.chain.rpcUrl])).toBe("not_known");
    liar.reset();
    liar.status = 503;
    expect(await judged(job, [liar.url])).toBe("not_known");
    await liar.close();
  });

  test("the digest asked about is the one that was signed", async () => {
    const job = await world.sign(await world.payer());
    const data = transferTypedData(network, job.authorization);
    expect(digestOf(data)).toBe(hashTypedData(data));
  });
});
