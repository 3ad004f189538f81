/** The chain, asked for two facts: what a wallet holds, and whether an authorization was used. Nothing is ever sent. */
import { BaseError, createClient, http } from "viem";
import { readContract } from "viem/actions";
import type { MicroUsdc } from "#contract/money";
import type { Authorization, Network } from "#contract/x402";
import { Fault } from "./faults.ts";

export interface ChainView {
  /** @throws Fault `chain_unreachable` */
  balance(address: `0x${string}`): Promise<MicroUsdc>;
  /** Undefined when nobody can say. */
  usedOnChain(authorization: Authorization): Promise<boolean | undefined>;
}

const ABI = [
  {
    type: "function",
    name: "balanceOf",
    stateMutability: "view",
    inputs: [{ name: "account", type: "address" }],
    outputs: [{ name: "", type: "uint256" }],
  },
  {
    type: "function",
    name: "authorizationState",
    stateMutability: "view",
    inputs: [
      { name: "authorizer", type: "address" },
      { name: "nonce", type: "bytes32" },
    ],
    outputs: [{ name: "", type: "bool" }],
  },
] as const;

export function openChainView(network: Network, rpcUrl: string): ChainView {
  const client = createClient({ transport: http(rpcUrl, { timeout: 8_000, retryCount: 1 }) });
  const token = { address: network.usdc, abi: ABI } as const;
  return {
    async balance(address) {
      try {
        return await readContract(client, { ...token, functionName: "balanceOf", args: [address] });
      } catch (cause) {
        const why = cause instanceof BaseError ? cause.details || cause.shortMessage : String(cause);
        throw new Fault("chain_unreachable", `The balance cannot be read: ${new URL(rpcUrl).host} says: ${why}`, {
          retryable: true,
          next: "Check rpcUrl (MNEMOSPARK_RPC_URL). Storing works without it.",
          cause,
        });
      }
    },
    async usedOnChain({ from, nonce }) {
      try {
        return await readContract(client, { ...token, functionName: "authorizationState", args: [from, nonce] });
      } catch {
        return undefined;
      }
    },
  };
}
