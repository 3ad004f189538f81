/**
 * Cancels what was signed for later days, on the chain and for good (EIP-3009 `cancelAuthorization`). The one thing this client sends
 * to the chain by itself, so the wallet needs a little ETH; nothing else here ever does.
 */
import { BaseError, createClient, http } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { getBalance, getChainId, waitForTransactionReceipt, writeContract } from "viem/actions";
import { type Network, transferTypedData } from "#contract/x402";
import { openChainView } from "./chain.ts";
import type { Core } from "./core.ts";
import { Fault } from "./faults.ts";
import type { Session } from "./session.ts";
import type { Promised } from "./state/spending.ts";

const ABI = [
  {
    type: "function",
    name: "cancelAuthorization",
    stateMutability: "nonpayable",
    inputs: [
      { name: "authorizer", type: "address" },
      { name: "nonce", type: "bytes32" },
      { name: "signature", type: "bytes" },
    ],
    outputs: [],
  },
] as const;

const FIELDS = [
  { name: "authorizer", type: "address" },
  { name: "nonce", type: "bytes32" },
] as const;

export interface Cancelled {
  readonly period: number;
  readonly txHash: string;
}

/** @throws Fault `no_gas`, `chain_unreachable`, `cancel_failed` */
export async function cancelOnChain(core: Core, session: Session, promised: readonly Promised[]): Promise<Cancelled[]> {
  const { network, rpcUrl } = core.settings;
  const account = privateKeyToAccount(session.wallet.privateKey);
  const client = createClient({
    account,
    chain: chainOf(network, rpcUrl),
    transport: http(rpcUrl, { timeout: 15_000 }),
  });
  const view = openChainView(network, rpcUrl);
  const cancelled: Cancelled[] = [];
  try {
    if ((await getChainId(client)) !== network.chainId)
      throw new Fault("wrong_network", `${new URL(rpcUrl).host} is not ${network.label}.`);
    for (const { period, authorization } of promised) {
      // Used: charged, or cancelled before. Which of the two, the ledger knows as well as it can.
      if (await view.usedOnChain(authorization)) continue;
      if ((await getBalance(client, { address: account.address })) === 0n)
        throw new Fault(
          "no_gas",
          `Cancelling on the chain needs gas; ${account.address} holds no ETH on ${network.label}.`,
          {
            next: `Send a little ETH (0.0001 is plenty) on ${network.label} to ${account.address}, then make the same call again.`,
          },
        );
      const txHash = await writeContract(client, {
        address: network.usdc,
        abi: ABI,
        functionName: "cancelAuthorization",
        args: [account.address, authorization.nonce, await signCancel(session, network, authorization.nonce)],
      });
      const { status } = await waitForTransactionReceipt(client, { hash: txHash, timeout: 120_000 });
      if (status !== "success") throw new Fault("cancel_failed", `The cancellation ${txHash} was reverted.`);
      session.spending.cancelled(authorization.nonce);
      cancelled.push({ period, txHash });
    }
  } catch (cause) {
    if (cause instanceof Fault) throw cause;
    const why = cause instanceof BaseError ? cause.details || cause.shortMessage : String(cause);
    throw new Fault("chain_unreachable", `Nothing more was cancelled on the chain: ${why}`, {
      retryable: true,
      next: "Make the same call again; what was cancelled is left out.",
      cause,
    });
  }
  return cancelled;
}

function signCancel({ signer }: Session, network: Network, nonce: `0x${string}`): Promise<`0x${string}`> {
  const nobody = "0x0000000000000000000000000000000000000000" as never;
  const nothing = { from: nobody, to: nobody, value: 0n, validAfterS: 0n, validBeforeS: 0n, nonce };
  return signer.signTypedData({
    domain: transferTypedData(network, nothing).domain,
    types: { CancelAuthorization: FIELDS },
    primaryType: "CancelAuthorization",
    message: { authorizer: signer.address, nonce },
  } as never);
}

function chainOf({ chainId, label }: Network, rpcUrl: string) {
  const nativeCurrency = { name: "Ether", symbol: "ETH", decimals: 18 };
  return { id: chainId, name: label, nativeCurrency, rpcUrls: { default: { http: [rpcUrl] } } };
}
