/**
 * A KEK that the wallet's own key yields, for owners who want one secret instead of two. An option, off by default: any page that can
 * ask the wallet for this signature has the key, and hardware or contract wallets may not sign the same text the same way twice.
 */
import { hkdfSync } from "node:crypto";
import { hexToBytes } from "#contract/bytes";
import { PROOF_VERIFYING_CONTRACT } from "#contract/proof";
import { KEK_BYTES } from "./envelope/kek.ts";
import { KeyError } from "./private-file.ts";
import type { Signer } from "./signer.ts";

const TEXT =
  "This signature is the key to everything this wallet has stored with mnemospark. Sign it only in the mnemospark client on your own machine.";

/**
 * 32 bytes: HKDF-SHA256 of the signature over a text of its own (its EIP-712 primary type is used for nothing else), salted with the
 * address.
 * @throws KeyError `not_a_key` when the wallet does not sign alike twice (RFC 6979 wallets do)
 */
export async function kekOfWallet(signer: Signer): Promise<Uint8Array> {
  const ask = () =>
    signer.signTypedData({
      // Chain 0: no transaction and no proof of any chain can be mistaken for it.
      domain: { name: "Mnemospark key", version: "1", chainId: 0, verifyingContract: PROOF_VERIFYING_CONTRACT },
      types: { StorageKey: [{ name: "purpose", type: "string" }] },
      primaryType: "StorageKey",
      message: { purpose: TEXT },
    });
  const [first, second] = [await ask(), await ask()];
  const bytes = hexToBytes(first.slice(2));
  if (first !== second || bytes.length !== 65)
    throw new KeyError("not_a_key", "This wallet does not sign the same text alike twice; its key cannot be derived.");
  // Without the recovery byte: some wallets write it 0 or 1, others 27 or 28.
  const salt = signer.address.toLowerCase();
  return new Uint8Array(hkdfSync("sha256", bytes.subarray(0, 64), salt, "mnemospark/kek-of-wallet/v1", KEK_BYTES));
}
