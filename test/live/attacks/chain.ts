/** What an attacker can do to the chain itself, past every door of ours. */
import { type Address, encodeFunctionData, type Hex, hexToBigInt, numberToHex, parseAbi } from "viem";
import type { PrivateKeyAccount } from "viem/accounts";
import { cancelData } from "../../chain/cancel.ts";
import { USDC } from "../../stack/chain/client.ts";
import { MULTICALL3 } from "../../stack/chain/usdc.ts";
import type { Stack } from "../../stack/stack.ts";
import type { Signed } from "../purse.ts";

/** One of anvil's own accounts, with ether and nothing to do with us. */
const STRANGER: Address = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC";
const TOKEN = parseAbi([
  "function transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, bytes signature)",
]);
const BATCH = parseAbi([
  "struct Call3 { address target; bool allowFailure; bytes callData; }",
  "function aggregate3(Call3[] calls) payable",
]);

export function transferData({ authorization: a, signature }: Signed): Hex {
  return encodeFunctionData({
    abi: TOKEN,
    functionName: "transferWithAuthorization",
    args: [a.from, a.to, a.value, a.validAfterS, a.validBeforeS, a.nonce, signature],
  });
}

/** All in one transaction, in this order. */
export function landTogether(stack: Stack, payments: readonly Signed[]) {
  const calls = payments.map((each) => ({ target: USDC, allowFailure: false, callData: transferData(each) }));
  return byStranger(stack, MULTICALL3, encodeFunctionData({ abi: BATCH, functionName: "aggregate3", args: [calls] }));
}

/** Ahead of the relayer's in the same block. */
export async function cancelAhead(stack: Stack, payer: PrivateKeyAccount, nonce: Hex): Promise<Hex> {
  return send(stack, USDC, await cancelData(payer, nonce));
}

async function byStranger(stack: Stack, to: Address, data: Hex) {
  const receipt = await stack.chain.client.waitForTransactionReceipt({ hash: await send(stack, to, data) });
  if (receipt.status !== "success") throw new Error("the stranger's transaction was reverted");
  return receipt;
}

function send({ chain }: Stack, to: Address, data: Hex): Promise<Hex> {
  const fees = { maxPriorityFeePerGas: 5_000_000_000n, maxFeePerGas: 20_000_000_000n };
  return chain.client.sendTransaction({ account: STRANGER, to, data, gas: 1_000_000n, ...fees });
}

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

/** The other valid signature of the same text: s mirrored, v flipped. */
export function malleated(signature: Hex): Hex {
  const s = ORDER - hexToBigInt(`0x${signature.slice(66, 130)}`);
  const v = signature.endsWith("1b") ? "1c" : "1b";
  return `0x${signature.slice(2, 66)}${numberToHex(s, { size: 32 }).slice(2)}${v}`;
}

/** How many transactions the relayer has sent. */
export function sentSoFar({ chain, relayerAddress }: Stack): Promise<number> {
  return chain.client.getTransactionCount({ address: relayerAddress, blockTag: "pending" });
}
