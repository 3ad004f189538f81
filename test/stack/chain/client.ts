/** A viem client for the local chain: reads, writes from anvil's own unlocked accounts, and its test switches. */
import { type Address, createTestClient, defineChain, http, publicActions, walletActions } from "viem";

export const CHAIN_ID = 84_532;

/** Real USDC's address on Base Sepolia: unmodified x402 clients pay only to assets they know. */
export const USDC: Address = "0x036CbD53842c5426634e7929541eC2318f3dCF7e";

/** anvil's first account of its well-known phrase. It owns the local token and mints it; never use it anywhere else. */
export const OWNER: Address = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";

export function chainClient(rpcUrl: string) {
  const chain = defineChain({
    id: CHAIN_ID,
    name: "local Base Sepolia",
    nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
    rpcUrls: { default: { http: [rpcUrl] } },
  });
  return createTestClient({ mode: "anvil", chain, transport: http(rpcUrl, { retryCount: 0 }), pollingInterval: 50 })
    .extend(publicActions)
    .extend(walletActions);
}

export type ChainClient = ReturnType<typeof chainClient>;
