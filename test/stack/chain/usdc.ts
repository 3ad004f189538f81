/**
 * Puts Circle's USDC and Multicall3 on a fresh chain, at the addresses they have on Base Sepolia.
 *
 * The contracts are deployed by ordinary transactions; then the proxy's code and its two storage slots are moved to the
 * canonical address, because an unmodified x402 client pays only to the asset its own table names.
 */
import {
  type Address,
  concatHex,
  encodeAbiParameters,
  encodeFunctionData,
  getContractAddress,
  type Hash,
  type Hex,
  keccak256,
  maxUint256,
  pad,
  parseAbi,
  toBytes,
} from "viem";
import { StackFailure } from "../failure.ts";
import { fiatTokenCode, multicall3Code, proxyCode, signatureCheckerCode } from "./artifacts.ts";
import { type ChainClient, OWNER, USDC } from "./client.ts";

export const MULTICALL3: Address = "0xcA11bde05977b3631167028862bE2a173976CA11";

/** The proxy's admin may not call through it, so it is nobody. Tokens sent to the contract itself are lost here too. */
const NOBODY: Address = "0x000000000000000000000000000000000000dEaD";

/** Slots of the ZeppelinOS proxy, which is older than EIP-1967 and has its own names. */
const IMPLEMENTATION_SLOT = keccak256(toBytes("org.zeppelinos.proxy.implementation"));
const ADMIN_SLOT = keccak256(toBytes("org.zeppelinos.proxy.admin"));

/** Generous for every step; a step that fails must say so rather than run out of an estimate made too early. */
const GAS = 8_000_000n;

export const usdcAbi = parseAbi([
  "function initialize(string tokenName, string tokenSymbol, string tokenCurrency, uint8 tokenDecimals, address newMasterMinter, address newPauser, address newBlacklister, address newOwner)",
  "function initializeV2(string newName)",
  "function initializeV2_1(address lostAndFound)",
  "function initializeV2_2(address[] accountsToBlacklist, string newSymbol)",
  "function configureMinter(address minter, uint256 minterAllowedAmount) returns (bool)",
  "function mint(address to, uint256 amount) returns (bool)",
  "function name() view returns (string)",
  "function symbol() view returns (string)",
  "function version() view returns (string)",
  "function decimals() view returns (uint8)",
  "function DOMAIN_SEPARATOR() view returns (bytes32)",
  "function balanceOf(address account) view returns (uint256)",
  "function isMinter(address account) view returns (bool)",
  "function authorizationState(address authorizer, bytes32 nonce) view returns (bool)",
  "function transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, bytes signature)",
  "event Transfer(address indexed from, address indexed to, uint256 value)",
  "event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce)",
]);

/** Whether this chain has its USDC. A chain that has half of it was stopped while it was being made. */
export async function hasUsdc(client: ChainClient): Promise<boolean> {
  if ((await client.getCode({ address: USDC })) === undefined) return false;
  const token = { address: USDC, abi: usdcAbi } as const;
  const [version, minter] = await Promise.all([
    client.readContract({ ...token, functionName: "version" }).catch(() => undefined),
    client.readContract({ ...token, functionName: "isMinter", args: [OWNER] }).catch(() => false),
  ]);
  if (version === "2" && minter) return true;
  throw new StackFailure("The saved chain was stopped while it was being made. Start again with --reset.");
}

/** Mining must be off: every step is sent with its own nonce and both batches are mined at once. */
export async function deployUsdc(client: ChainClient): Promise<void> {
  let nonce = await client.getTransactionCount({ address: OWNER });
  const sent: Hash[] = [];
  const send = async (step: { data: Hex; to?: Address }): Promise<Address> => {
    const created = getContractAddress({ from: OWNER, nonce: BigInt(nonce) });
    sent.push(await client.sendTransaction({ account: OWNER, to: step.to ?? null, data: step.data, gas: GAS, nonce }));
    nonce += 1;
    return created;
  };

  const checker = await send({ data: signatureCheckerCode() });
  const logic = await send({ data: fiatTokenCode(checker) });
  const constructorArgument = encodeAbiParameters([{ type: "address" }], [logic]);
  const proxy = await send({ data: concatHex([proxyCode(), constructorArgument]) });
  const multicall = await send({ data: multicall3Code() });
  await mineAndCheck(client, sent);

  await copyCode(client, multicall, MULTICALL3);
  await copyCode(client, proxy, USDC);
  await client.setStorageAt({ address: USDC, index: IMPLEMENTATION_SLOT, value: pad(logic) });
  await client.setStorageAt({ address: USDC, index: ADMIN_SLOT, value: pad(NOBODY) });

  for (const data of initialisation()) await send({ to: USDC, data });
  await mineAndCheck(client, sent);
}

function initialisation(): Hex[] {
  const abi = usdcAbi;
  return [
    encodeFunctionData({
      abi,
      functionName: "initialize",
      args: ["USDC", "USDC", "USD", 6, OWNER, OWNER, OWNER, OWNER],
    }),
    encodeFunctionData({ abi, functionName: "initializeV2", args: ["USDC"] }),
    encodeFunctionData({ abi, functionName: "initializeV2_1", args: [NOBODY] }),
    encodeFunctionData({ abi, functionName: "initializeV2_2", args: [[], "USDC"] }),
    encodeFunctionData({ abi, functionName: "configureMinter", args: [OWNER, maxUint256] }),
  ];
}

async function copyCode(client: ChainClient, from: Address, to: Address): Promise<void> {
  const bytecode = await client.getCode({ address: from });
  if (bytecode === undefined) throw new Error(`no code at ${from}`);
  await client.setCode({ address: to, bytecode });
}

async function mineAndCheck(client: ChainClient, sent: Hash[]): Promise<void> {
  await client.mine({ blocks: 1 });
  for (const hash of sent.splice(0)) {
    const receipt = await client.getTransactionReceipt({ hash });
    if (receipt.status !== "success") throw new Error(`a step of putting USDC on the chain was reverted: ${hash}`);
  }
}
