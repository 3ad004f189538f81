/** The calldata of `cancelAuthorization` (EIP-3009), signed by the payer: a nonce used without a payment. */
import { encodeFunctionData, type Hex, type LocalAccount, parseAbi, zeroAddress, zeroHash } from "viem";
import { networkOf, transferTypedData } from "#contract/x402";

const TOKEN = parseAbi(["function cancelAuthorization(address authorizer, bytes32 nonce, bytes signature)"]);
const FIELDS = [
  { name: "authorizer", type: "address" },
  { name: "nonce", type: "bytes32" },
] as const;

export async function cancelData(payer: Pick<LocalAccount, "address" | "signTypedData">, nonce: Hex): Promise<Hex> {
  const message = { authorizer: payer.address, nonce };
  const signature = await payer.signTypedData({
    domain: domain(),
    types: { CancelAuthorization: FIELDS },
    primaryType: "CancelAuthorization",
    message,
  });
  const args = [payer.address, nonce, signature] as const;
  return encodeFunctionData({ abi: TOKEN, functionName: "cancelAuthorization", args });
}

function domain() {
  const network = networkOf(84_532);
  if (!network) throw new Error("the local chain is not known");
  const nothing = { from: zeroAddress, to: zeroAddress, value: 0n, validAfterS: 0n, validBeforeS: 0n, nonce: zeroHash };
  return transferTypedData(network, nothing as never).domain;
}
