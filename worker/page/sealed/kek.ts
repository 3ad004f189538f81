/**
 * Opens the wrapped key that the object's record holds, `-> mnemospark-kek <kid> <nonce> <version>`, by WebCrypto. The record's and not the
 * header's own: after a rotation of keys it is the one in force. The context (chain, wallet, object, version) is authenticated with
 * it, so a wrapped key moved to another object opens nothing; and the header's MAC then proves that it is this object's.
 */
import type { Identity } from "age-encryption";
import { base64ToBytes } from "#contract/base64";
import { bytesToUtf8 } from "#contract/bytes";
import {
  contextDigest,
  decodeVersion,
  isKid,
  KEK_NONCE_BYTES,
  KEK_STANZA,
  KEK_TAG_BYTES,
  type OpenContext,
} from "#contract/sealing";
import { Unopened } from "./fault.ts";
import type { Key } from "./key.ts";

const FILE_KEY_BYTES = 16;
const STANZA = new RegExp(`^-> ${KEK_STANZA} (\\S+) (\\S+)(?: (\\S+))?\\n(\\S+)\\n$`);

export function kekIdentity(key: Key & { kind: "kek" }, wrappedDek: string, context: OpenContext): Identity {
  return {
    unwrapFileKey: async () => {
      const stanza = stanzaOf(wrappedDek);
      if (!stanza) throw new Unopened("The object’s wrapped key is malformed.");
      const { kid, nonce, body, version } = stanza;
      if (kid !== key.kid)
        throw new Unopened(
          `This object is sealed under key ${kid}; the key you gave is ${key.kid}. Nothing was opened.`,
        );
      return decrypt(key.aes, nonce, body, contextDigest({ ...context, version }));
    },
  };
}

async function decrypt(aes: CryptoKey, iv: Uint8Array, body: Uint8Array, context: Uint8Array): Promise<Uint8Array> {
  try {
    const algorithm = { name: "AES-GCM", iv: iv.slice(), additionalData: context.slice(), tagLength: 128 };
    return new Uint8Array(await crypto.subtle.decrypt(algorithm, aes, body.slice()));
  } catch (cause) {
    const sentence = "The wrapped key does not open: it was altered, or made for another wallet, object or chain.";
    throw new Unopened(sentence, { cause });
  }
}

/** Base64 of the stanza as a header spells it: two lines, each with its newline. */
function stanzaOf(wrappedDek: string) {
  const spelled = bytesToUtf8(base64ToBytes(wrappedDek) ?? new Uint8Array()) ?? "";
  const [, kid = "", encodedNonce = "", encodedVersion, encodedBody = ""] = STANZA.exec(spelled) ?? [];
  const named = decodeVersion(encodedVersion === undefined ? [] : [encodedVersion]);
  const nonce = unpadded(encodedNonce);
  const body = unpadded(encodedBody);
  if (!named || !isKid(kid) || nonce?.length !== KEK_NONCE_BYTES || body?.length !== FILE_KEY_BYTES + KEK_TAG_BYTES)
    return undefined;
  return { kid, nonce, body, version: named.version ?? 1 };
}

/** age writes base64 without padding. */
function unpadded(text: string): Uint8Array | undefined {
  return base64ToBytes(text + "=".repeat((4 - (text.length % 4)) % 4));
}
