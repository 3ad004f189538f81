/**
 * Who signed: recovery first, which asks nobody; only when it does not give the wallet that is claimed, the contract there is asked
 * (ERC-1271). A signature for a wallet not deployed yet (ERC-6492) is refused unread: checking it means running a stranger's factory.
 */
import type { Wallet } from "#contract/wallet";
import type { Ports, TypedData } from "./ports.ts";

export type Signing =
  | "signed"
  | "not_signed"
  /** ERC-6492. */
  | "undeployed"
  /** The chain cannot be asked now. */
  | "not_known";

const ERC6492_SUFFIX = "6492".repeat(16);

/** Did `wallet` sign one of these: typed data, or a text as a personal message? */
export async function signedBy(
  ports: Pick<Ports, "signerOf" | "signerOfText" | "contractSigned">,
  wallet: Wallet,
  signature: `0x${string}`,
  anyOf: readonly (TypedData | string)[],
): Promise<Signing> {
  if (signature.endsWith(ERC6492_SUFFIX)) return "undeployed";
  const recovered = anyOf.some((signed) => {
    const signer =
      typeof signed === "string" ? ports.signerOfText(signed, signature) : ports.signerOf(signed, signature);
    return signer === wallet;
  });
  if (recovered) return "signed";
  try {
    const said = await Promise.all(anyOf.map((signed) => ports.contractSigned(signed, signature, wallet)));
    return said.includes(true) ? "signed" : "not_signed";
  } catch {
    return "not_known";
  }
}
