/**
 * Signs the relayer's transactions, synchronously: taking a nonce, signing and writing the row down must be one transaction,
 * and a promise in between would let another call take the same nonce.
 */
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { bytesToHex, hexToBytes } from "#contract/bytes";
import { parseWallet, type Wallet } from "#contract/wallet";

export interface Unsigned {
  readonly nonce: number;
  /** The EIP-1559 bytes that are hashed and signed, without a signature. */
  serialize(signature?: { r: `0x${string}`; s: `0x${string}`; yParity: 0 | 1 }): `0x${string}`;
}

export function signTransaction(unsigned: Unsigned, key: `0x${string}`): { raw: `0x${string}`; hash: `0x${string}` } {
  const digest = keccak_256(bytesOf(unsigned.serialize()));
  // 65 bytes: recovery id, r, s (noble "recovered" format).
  const signature = secp256k1.sign(digest, bytesOf(key), { prehash: false, format: "recovered" });
  const raw = unsigned.serialize({
    r: `0x${bytesToHex(signature.slice(1, 33))}`,
    s: `0x${bytesToHex(signature.slice(33, 65))}`,
    yParity: signature[0] === 1 ? 1 : 0,
  });
  return { raw, hash: `0x${bytesToHex(keccak_256(bytesOf(raw)))}` };
}

/** The address of a private key; undefined when the text is no key. */
export function addressOf(key: string): Wallet | undefined {
  if (!/^0x[0-9a-fA-F]{64}$/.test(key)) return undefined;
  const publicKey = secp256k1.getPublicKey(bytesOf(key as `0x${string}`), false);
  return parseWallet(`0x${bytesToHex(keccak_256(publicKey.slice(1)).slice(-20))}`);
}

function bytesOf(hex: `0x${string}`): Uint8Array {
  return hexToBytes(hex.slice(2));
}
