/**
 * The key a person drops in. It stays in this page's memory: it is in no request, no storage and no log, and a key encryption key
 * is kept as a CryptoKey that even the page cannot read back.
 */
import { bytesToUtf8 } from "#contract/bytes";
import { kidOf, parseKekFile } from "#contract/sealing";
import { Unopened } from "./fault.ts";

export type Key =
  | { readonly kind: "kek"; readonly kid: string; readonly aes: CryptoKey }
  /** `AGE-SECRET-KEY-1…` of a recovery kit. */
  | { readonly kind: "recovery"; readonly identity: string };

/** A key file is 32 bytes, a recovery kit a page of text. */
const FILE_BYTES_MAX = 16 * 1024;

/** @throws Unopened with what is wrong about the file */
export async function readKey(file: Blob): Promise<Key> {
  if (file.size > FILE_BYTES_MAX) throw new Unopened("That file is too large to be a key.");
  const content = new Uint8Array(await file.arrayBuffer());
  const kek = parseKekFile(content);
  if (kek) {
    const aes = await crypto.subtle.importKey("raw", kek.slice(), "AES-GCM", false, ["decrypt"]);
    const kid = kidOf(kek);
    kek.fill(0);
    content.fill(0);
    return { kind: "kek", kid, aes };
  }
  const text = bytesToUtf8(content)?.trim() ?? "";
  const identity = /AGE-SECRET-KEY-1[0-9A-Z]+/i.exec(text)?.[0];
  if (identity) return { kind: "recovery", identity: identity.toUpperCase() };
  if (/^(?:0x)?[0-9a-f]{64}$/i.test(text))
    throw new Unopened(
      "That looks like a wallet’s private key. It was not used, and no page should ever see it. Wanted is the file in keys/ whose name ends in .key.",
    );
  throw new Unopened(
    "That is no key: wanted are 32 bytes, raw or in base64, or a recovery kit with AGE-SECRET-KEY-1….",
  );
}

export function keyName(key: Key): string {
  return key.kind === "kek" ? `Key ${key.kid}` : "Recovery key";
}
