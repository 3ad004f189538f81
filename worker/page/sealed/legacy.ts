/**
 * Opens what the client before this one stored: `nonce(12) || AES-256-GCM ciphertext || tag(16)`, the data key in the same shape
 * under the wallet's key. Its one tag stands at the end, so nothing is authentic before the last byte and all of it is held in memory.
 */
import { base64ToBytes } from "#contract/base64";
import { KEK_BYTES, KEK_NONCE_BYTES, KEK_TAG_BYTES } from "#contract/sealing";
import { Unopened } from "./fault.ts";
import type { Key } from "./key.ts";

/** WebCrypto opens in one piece, twice in memory. */
export const LEGACY_BYTES_MAX = 512 * 1024 * 1024;

export async function openLegacy(sealed: Blob, wrappedDek: string, key: Key): Promise<Blob> {
  if (key.kind !== "kek") throw new Unopened("An object of the old format opens with the wallet’s key file alone.");
  if (sealed.size > LEGACY_BYTES_MAX)
    throw new Unopened("An object of the old format this large opens with the command line only.");
  const wrapped = base64ToBytes(wrappedDek);
  if (!wrapped) throw new Unopened("The old object’s wrapped key is malformed.");
  const dek = await openWhole(key.aes, wrapped, "The old object’s wrapped key does not open with this key.");
  if (dek.length !== KEK_BYTES) throw new Unopened("The old object’s wrapped key is malformed.");
  const aes = await crypto.subtle.importKey("raw", dek.slice(), "AES-GCM", false, ["decrypt"]);
  const bytes = new Uint8Array(await sealed.arrayBuffer());
  const plain = await openWhole(aes, bytes, "The old object is damaged or cut: its tag does not verify.");
  return new Blob([plain.slice()]);
}

async function openWhole(aes: CryptoKey, sealed: Uint8Array, sentence: string): Promise<Uint8Array> {
  if (sealed.length < KEK_NONCE_BYTES + KEK_TAG_BYTES) throw new Unopened(sentence);
  try {
    const iv = sealed.slice(0, KEK_NONCE_BYTES);
    const algorithm = { name: "AES-GCM", iv, tagLength: 8 * KEK_TAG_BYTES };
    return new Uint8Array(await crypto.subtle.decrypt(algorithm, aes, sealed.slice(KEK_NONCE_BYTES)));
  } catch (cause) {
    throw new Unopened(sentence, { cause });
  }
}
