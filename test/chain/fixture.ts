/** A chain with real USDC, payers who sign, and a door before the chain that can lie. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import * as z from "zod";
import { parseWallet, type Wallet } from "#contract/wallet";
import { type Authorization, type Network, networkOf, transferTypedData } from "#contract/x402";
import { claimKeyOf, type SettlementJob } from "../../durable/ports.ts";
import { signTransaction, type Unsigned } from "../../durable/sign.ts";
import { type Chain, startChain } from "../stack/chain/chain.ts";

export const network = known(networkOf(84_532));
export const FEES = { maxFeePerGas: 4_000_000_000n, maxPriorityFeePerGas: 1_000_000n };

export function known<T>(value: T | undefined | null): T {
  if (value === undefined || value === null) throw new Error("the fixture expected a value");
  return value;
}

export function walletOf(address: string): Wallet {
  return known(parseWallet(address));
}

/** Time of the chain in seconds: a chain that mines at once runs ahead of the clock on the wall. */
export const chainNowS = async (chain: Chain) => (await chain.client.getBlock({ blockTag: "latest" })).timestamp;

export interface Signed extends SettlementJob {
  readonly payer: PrivateKeyAccount;
}

export class World {
  readonly relayerKey = generatePrivateKey();
  readonly relayer = walletOf(privateKeyToAccount(this.relayerKey).address);
  readonly payTo = walletOf(privateKeyToAccount(generatePrivateKey()).address);
  readonly chain: Chain;

  private constructor(chain: Chain) {
    this.chain = chain;
  }

  static async open(blockTimeSeconds: number): Promise<World> {
    const world = new World(await startChain({ port: 0, blockTimeSeconds }));
    await world.chain.fundGas(world.relayer, 10n ** 20n);
    return world;
  }

  async payer(microUsdc = 1_000_000_000n): Promise<PrivateKeyAccount> {
    const account = privateKeyToAccount(generatePrivateKey());
    await this.chain.fund(account.address, microUsdc);
    return account;
  }

  /** An honest authorization, except for what is told otherwise. */
  async sign(
    payer: PrivateKeyAccount,
    lie: Partial<Authorization> & { domainName?: string; claimedMs?: number } = {},
  ): Promise<Signed> {
    const { domainName, claimedMs, ...different } = lie;
    const nowS = await chainNowS(this.chain);
    const authorization: Authorization = {
      from: walletOf(payer.address),
      to: this.payTo,
      value: 50_000n,
      validAfterS: nowS - 600n,
      validBeforeS: nowS + 120n,
      nonce: generatePrivateKey(),
      ...different,
    };
    const data = transferTypedData(network, authorization);
    const domain = { ...data.domain, name: domainName ?? data.domain.name };
    const signature = await payer.signTypedData({ ...data, domain });
    return { ...jobOf(authorization, signature, claimedMs), payer };
  }

  /** Signed by the relayer, sent past every adapter. */
  async sendRaw(build: (nonce: number) => Unsigned): Promise<`0x${string}`> {
    const nonce = await this.chain.client.getTransactionCount({ address: this.relayer, blockTag: "pending" });
    const { raw, hash } = signTransaction(build(nonce), this.relayerKey);
    await this.chain.client.sendRawTransaction({ serializedTransaction: raw });
    return hash;
  }

  async land(build: (nonce: number) => Unsigned) {
    return this.chain.client.waitForTransactionReceipt({ hash: await this.sendRaw(build) });
  }
}

export function jobOf(authorization: Authorization, signature: `0x${string}`, claimedMs = Date.now()): SettlementJob {
  return {
    claimKey: claimKeyOf(network.caip2, network.usdc, authorization),
    authorization,
    signature,
    claimedMs,
    attempt: 0,
  };
}

const RpcCall = z.looseObject({ id: z.number(), method: z.string(), params: z.array(z.unknown()).optional() });
export type RpcCall = z.infer<typeof RpcCall>;
export interface RpcReply {
  id: number;
  jsonrpc?: string;
  // Whatever an endpoint says; a liar changes it.
  result?: unknown;
  error?: unknown;
}

/** An endpoint between us and the chain. */
export class Endpoint {
  url = "";
  /** Every HTTP request that came, as the methods in it. */
  readonly seen: string[][] = [];
  /** What it answers instead; undefined lets the truth through. */
  lie: ((call: RpcCall, truth: RpcReply) => unknown) | undefined;
  status = 200;
  delayMs = 0;
  readonly #target: string;
  readonly #server: Server;

  private constructor(target: string) {
    this.#target = target;
    this.#server = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const body: unknown = JSON.parse(Buffer.concat(chunks).toString("utf8"));
      const answer = await this.#answer(body);
      if (this.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, this.delayMs));
      response.writeHead(this.status, { "content-type": "application/json" }).end(JSON.stringify(answer));
    });
  }

  static async open(target: string): Promise<Endpoint> {
    const endpoint = new Endpoint(target);
    await new Promise<void>((resolve) => endpoint.#server.listen(0, "127.0.0.1", resolve));
    endpoint.url = `http://127.0.0.1:${(endpoint.#server.address() as AddressInfo).port}`;
    return endpoint;
  }

  async #answer(body: unknown): Promise<unknown> {
    const calls = z.array(RpcCall).parse(Array.isArray(body) ? body : [body]);
    this.seen.push(calls.map((call) => call.method));
    const response = await fetch(this.#target, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(calls),
    });
    const truths = (await response.json()) as RpcReply[];
    const answers = calls.map((call) => {
      const truth = known(truths.find((each) => each.id === call.id));
      const told = this.lie?.(call, truth);
      return told === undefined ? truth : { jsonrpc: "2.0", id: call.id, result: told };
    });
    return Array.isArray(body) ? answers : answers[0];
  }

  reset(): void {
    this.lie = undefined;
    this.status = 200;
    this.delayMs = 0;
    this.seen.length = 0;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

export type { Network };
