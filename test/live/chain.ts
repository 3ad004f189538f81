/** What the chain says happened, which is the only word that counts about money. */
import { parseAbi, parseAbiItem, parseSignature } from "viem";
import { USDC } from "../stack/chain/client.ts";
import type { Stack } from "../stack/stack.ts";
import type { Signed } from "./purse.ts";

const TRANSFER = parseAbiItem("event Transfer(address indexed from, address indexed to, uint256 value)");

export interface Transfer {
  readonly to: string;
  readonly amount: bigint;
  readonly txHash: string;
}

/** Every transfer that ever left a wallet, oldest first. */
export async function transfersFrom({ chain }: Stack, from: `0x${string}`): Promise<Transfer[]> {
  const logs = await chain.client.getLogs({ address: USDC, event: TRANSFER, args: { from }, fromBlock: 0n });
  return logs.map(({ args, transactionHash }) => ({
    to: args.to ?? "",
    amount: args.value ?? 0n,
    txHash: transactionHash,
  }));
}

const EIP3009 = parseAbi([
  "function transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, uint8 v, bytes32 r, bytes32 s)",
]);

/** One of anvil's own accounts, with ether and nothing to do with us. */
const STRANGER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

/** Anybody may land an authorization. */
export async function landAsStranger({ chain }: Stack, { authorization, signature }: Signed): Promise<`0x${string}`> {
  const { r, s, yParity } = parseSignature(signature);
  const { from, to, value, validAfterS, validBeforeS, nonce } = authorization;
  return chain.client.writeContract({
    account: STRANGER,
    address: USDC,
    abi: EIP3009,
    functionName: "transferWithAuthorization",
    args: [from, to, value, validAfterS, validBeforeS, nonce, 27 + yParity, r, s],
    gas: 200_000n,
    // Ahead of the relayer's in the same block.
    maxPriorityFeePerGas: 5_000_000_000n,
    maxFeePerGas: 20_000_000_000n,
  });
}
