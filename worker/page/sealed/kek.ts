/**
 * Opens our recipient stanza, `-> mnemospark-kek <kid> <nonce>`, by WebCrypto. The context (chain, wallet, object, version) is
 * authenticated with it: a wrapped key moved to another object opens nothing.
 */
import type { Identity } from "age-encryption";
import { base64ToBytes } from "#contract/base64";
import { contextDigest, isKid, KEK_NONCE_BYTES, KEK_STANZA, KEK_TAG_BYTES, type SealContext } from "#contract/sealing";
import { Unopened } from "./fault.ts";
import type { Key } from "./key.ts";

const FILE_KEY_BYTES = 16;

export function kekIdentity(key: Key & { kind: "kek" }, context: SealContext): Identity {
  return {
    unwrapFileKey: async (stanzas) => {
      const [stanza, ...others] = stanzas.filter((each) => each.args[0] === KEK_STANZA);
      // A header with two could mean two different objects to two readers.
      if (!stanza || others.length > 0) throw new Unopened("The object does not carry exactly one wrapped key.");
      const [, kid = "", encodedNonce = "", ...rest] = stanza.args;
      const nonce = unpadded(encodedNonce);
      const whole = nonce?.length === KEK_NONCE_BYTES && stanza.body.length === FILE_KEY_BYTES + KEK_TAG_BYTES;
      if (!isKid(kid) || !nonce || !whole || rest.length > 0)
        throw new Unopened("The object’s wrapped key is malformed.");
      if (kid !== key.kid)
        throw new Unopened(
          `This object is sealed under key ${kid}; the key you gave is ${key.kid}. Nothing was opened.`,
        );
      return decrypt(key.aes, nonce, stanza.body, contextDigest(context));
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

/** age writes base64 without padding. */
function unpadded(text: string): Uint8Array | undefined {
  return base64ToBytes(text + "=".repeat((4 - (text.length % 4)) % 4));
}
