/**
 * The receipt key: signs offers and receipts and nothing else. Like the relayer's it is read from AWS Secrets Manager at run time
 * and kept in memory only (PRD R8c). A key that cannot be read, or is not the announced address's, costs the artefact, never
 * the payment: whoever waits for a receipt gets the answer without one.
 */
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { hashTypedData, type TypedDataDefinition } from "viem";
import { bytesToHex, hexToBytes } from "#contract/bytes";
import { parseWallet, type Wallet } from "#contract/wallet";
import type { Clock, Secrets } from "../../durable/ports.ts";
import type { Receipts } from "../flow/ports.ts";

export interface ReceiptsConfig {
  readonly signer: Wallet;
  readonly secretId: string;
  readonly secrets: Secrets;
  readonly clock: Clock;
}

/** A secret that could not be read is not asked for by every request. */
const RETRY_AFTER_MS = 30_000;

export function openReceipts({ signer, secretId, secrets, clock }: ReceiptsConfig): Receipts {
  // The value, not the promise: a Worker's request may not wait for what another one has begun.
  let key: Uint8Array | undefined;
  let notBeforeMs = 0;
  const read = async () => {
    if (key || clock.nowMs() < notBeforeMs) return key;
    try {
      const bytes = hexToBytes((await secrets.relayerKey(secretId)).slice(2));
      if (addressOf(bytes) !== signer) throw new Error(`the secret ${secretId} is not the key of ${signer}`);
      key = bytes;
    } catch (error) {
      notBeforeMs = clock.nowMs() + RETRY_AFTER_MS;
      console.error(JSON.stringify({ code: "receipt_key_unavailable", detail: String(error) }));
    }
    return key;
  };
  return {
    signer,
    async sign(data) {
      const secret = await read();
      return secret && signDigest(hexToBytes(hashTypedData(data as TypedDataDefinition).slice(2)), secret);
    },
  };
}

function signDigest(digest: Uint8Array, key: Uint8Array): `0x${string}` {
  // 65 bytes: recovery id, r, s (noble "recovered" format); the wire wants r, s, v.
  const signature = secp256k1.sign(digest, key, { prehash: false, format: "recovered" });
  return `0x${bytesToHex(signature.slice(1))}${signature[0] === 1 ? "1c" : "1b"}`;
}

function addressOf(key: Uint8Array): Wallet | undefined {
  return parseWallet(`0x${bytesToHex(keccak_256(secp256k1.getPublicKey(key, false).slice(1)).slice(-20))}`);
}
