/** The reference facilitator (`x402Facilitator` with `ExactEvmScheme`) behind HTTP, with switches for what goes wrong out there. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { x402Facilitator } from "@x402/core/facilitator";
import type { PaymentPayload, PaymentRequirements } from "@x402/core/types";
import { ExactEvmScheme } from "@x402/evm/exact/facilitator";
import { type Address, createWalletClient, http } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { network, type World } from "./fixture.ts";

type Json = Record<string, unknown>;

/** What it does on /settle; everything but `honest` and `lies` happens after it has settled, or tried to. */
export type Mood = "honest" | "cut" | "status_500" | "says_failed" | "lies" | "refuses_to_settle";

export interface FacilitatorServer {
  readonly url: string;
  /** Paths that were asked for, in order. */
  readonly asked: string[];
  mood: Mood;
  /** What /verify says instead. */
  verdict: Json | undefined;
  supported: Json | undefined;
  close(): Promise<void>;
}

interface Ask {
  paymentPayload: PaymentPayload;
  paymentRequirements: PaymentRequirements;
}

/** A facilitator gives up waiting for a receipt after `receiptTimeoutMs`; the reference's default is 180 s. */
export async function openFacilitatorServer(
  world: Pick<World, "chain">,
  receiptTimeoutMs = 20_000,
): Promise<FacilitatorServer> {
  const key = generatePrivateKey();
  await world.chain.fundGas(privateKeyToAccount(key).address, 10n ** 20n);
  const facilitator = new x402Facilitator().register(
    network.caip2,
    new ExactEvmScheme(signerOf(world, key, receiptTimeoutMs)),
  );
  const server = createServer((request, response) => void answer(request, response).catch(() => response.destroy()));
  const state: FacilitatorServer = {
    url: "",
    asked: [],
    mood: "honest",
    verdict: undefined,
    supported: undefined,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const say = (json: unknown, status = 200) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(json));
    state.asked.push(request.url ?? "");
    if (request.url === "/supported") return void say(state.supported ?? facilitator.getSupported());
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { paymentPayload, paymentRequirements } = JSON.parse(Buffer.concat(chunks).toString("utf8")) as Ask;
    if (request.url === "/verify")
      return void say(state.verdict ?? (await facilitator.verify(paymentPayload, paymentRequirements)));
    const failed = { success: false, errorReason: "unexpected_settle_error", transaction: "", network: network.caip2 };
    if (state.mood === "lies") return void say({ ...failed, success: true, transaction: generatePrivateKey() });
    if (state.mood === "refuses_to_settle") return void say(failed);
    const settled = await facilitator.settle(paymentPayload, paymentRequirements);
    if (state.mood === "cut") return void response.destroy();
    if (state.mood === "status_500") return void say({ oops: true }, 500);
    say(state.mood === "says_failed" ? failed : settled);
  }

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return Object.assign(state, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
}

/** The signer the reference asks for, on our test chain. */
export function signerOf({ chain }: Pick<World, "chain">, key: `0x${string}`, receiptTimeoutMs: number) {
  const account = privateKeyToAccount(key);
  const { client } = chain;
  const wallet = createWalletClient({ account, chain: client.chain, transport: http(chain.rpcUrl, { retryCount: 0 }) });
  type Call = { address: Address; abi: readonly unknown[]; functionName: string; args?: readonly unknown[] };
  return {
    getAddresses: () => [account.address] as const,
    readContract: (call: Call) => client.readContract(call as Parameters<typeof client.readContract>[0]),
    verifyTypedData: (data: object) => client.verifyTypedData(data as Parameters<typeof client.verifyTypedData>[0]),
    writeContract: (call: object) => wallet.writeContract(call as Parameters<typeof wallet.writeContract>[0]),
    sendTransaction: (call: { to: Address; data: `0x${string}` }) => wallet.sendTransaction(call),
    waitForTransactionReceipt: ({ hash }: { hash: `0x${string}` }) =>
      client.waitForTransactionReceipt({ hash, timeout: receiptTimeoutMs }),
    getCode: (call: { address: Address }) => client.getCode(call),
  };
}
