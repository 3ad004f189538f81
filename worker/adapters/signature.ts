/**
 * Who signed this typed data, or this text: hash by viem, recovery by noble. Recovery admits both halves of the curve, so signature bytes
 * identify nothing; nonces do.
 */
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { hashMessage, hashTypedData, type TypedDataDefinition } from "viem";
import { bytesToHex, hexToBytes } from "#contract/bytes";
import { parseWallet, type Wallet } from "#contract/wallet";

/** Undefined when the 65 bytes are no signature of anybody. */
export function recoverSigner(data: TypedDataDefinition, signature: `0x${string}`): Wallet | undefined {
  return recover(() => hashTypedData(data), signature);
}

/** EIP-191 personal message. */
export function recoverTextSigner(text: string, signature: `0x${string}`): Wallet | undefined {
  return recover(() => hashMessage(text), signature);
}

/** What a contract wallet is asked about: the digest of typed data, or of a personal message. */
export function digestOf(signed: TypedDataDefinition | string): `0x${string}` {
  return typeof signed === "string" ? hashMessage(signed) : hashTypedData(signed);
}

function recover(digest: () => `0x${string}`, signature: `0x${string}`): Wallet | undefined {
  if (signature.length !== 132) return undefined;
  try {
    const bytes = hexToBytes(signature.slice(2));
    const v = bytes[64] ?? 0;
    const recovery = v >= 27 ? v - 27 : v;
    if (recovery > 1) return undefined;
    const recovered = new Uint8Array(65);
    recovered[0] = recovery;
    recovered.set(bytes.subarray(0, 64), 1);
    const compressed = secp256k1.recoverPublicKey(recovered, hexToBytes(digest().slice(2)), {
      prehash: false,
    });
    const point = secp256k1.Point.fromBytes(compressed).toBytes(false);
    return parseWallet(`0x${bytesToHex(keccak_256(point.slice(1)).slice(-20))}`);
  } catch {
    return undefined;
  }
}
