/**
 * ERC-1271: a wallet that is a contract says itself whether it signed. Code and answer are asked for in one round trip, with a gas
 * cap, so a wallet that loops costs an endpoint a moment and us nothing. Where there is code there is no ECDSA fallback: the token
 * has none either (FiatTokenV2_2, SignatureChecker.sol). With several endpoints, "yes" takes two and no contradiction.
 */
import { encodeFunctionData, parseAbi } from "viem";
import type { Wallet } from "#contract/wallet";
import type { Network } from "#contract/x402";
import { Bytes, type Call, type Endpoint, isRevert, NotKnown, openEndpoints, quantity, read } from "./rpc.ts";

const ERC1271 = parseAbi(["function isValidSignature(bytes32 hash, bytes signature) view returns (bytes4)"]);
const MAGIC = `0x1626ba7e${"0".repeat(56)}`;
/** Passkey and multi-owner wallets take 30,000 to 150,000; more than the relayer pays for a transfer is of no use. */
const GAS_MAX = 200_000n;

/** Undefined when there is no code at the address. Throws when it is not known. */
export type ContractSigned = (
  address: Wallet,
  hash: `0x${string}`,
  signature: `0x${string}`,
) => Promise<boolean | undefined>;

export function openContractSigned(network: Network, urls: readonly string[]): ContractSigned {
  const endpoints = openEndpoints(network, urls);
  return async (address, hash, signature) => {
    const data = encodeFunctionData({ abi: ERC1271, functionName: "isValidSignature", args: [hash, signature] });
    const calls: Call[] = [
      { method: "eth_getCode", params: [address, "latest"] },
      { method: "eth_call", params: [{ to: address, data, gas: quantity(GAS_MAX) }, "latest"] },
    ];
    const said = await endpoints.gather((endpoint) => ask(endpoint, calls), endpoints.quorum);
    const [first] = said;
    if (said.some((each) => each !== first)) throw new NotKnown(`endpoints contradict each other about ${address}`);
    return first;
  };
}

async function ask(endpoint: Endpoint, calls: readonly Call[]): Promise<boolean | undefined> {
  const [code, answer] = await endpoint.ask(calls);
  if (read(Bytes, code) === "0x") return undefined;
  if (answer && isRevert(answer)) return false;
  // Solidity pads the four bytes to a word; anything else, longer or shorter, is not a yes.
  return read(Bytes, answer) === MAGIC;
}
