/**
 * How an object was sealed, by the record of its purchase. The object itself is not asked: whoever can write to a bucket could
 * answer with an older, weaker format. Only where the record says nothing does the first line decide, and it can only say "age".
 */
import { base64ToBytes } from "#contract/base64";
import { bytesToUtf8 } from "#contract/bytes";
import { KEK_BYTES, KEK_NONCE_BYTES, KEK_STANZA, KEK_TAG_BYTES } from "#contract/sealing";

/** `unknown`: stored by another client; it may be an age file for somebody's recovery key, or not sealed at all. */
export type Format = "age" | "legacy" | "unknown";

export function formatOf(wrappedDek: string | undefined): Format {
  const bytes = wrappedDek === undefined ? undefined : base64ToBytes(wrappedDek);
  if (bytes?.length === KEK_NONCE_BYTES + KEK_BYTES + KEK_TAG_BYTES) return "legacy";
  return bytes && bytesToUtf8(bytes)?.startsWith(`-> ${KEK_STANZA} `) ? "age" : "unknown";
}

const AGE_LINE = "age-encryption.org/v1\n";

export async function beginsAsAge(sealed: Blob): Promise<boolean> {
  return (await sealed.slice(0, AGE_LINE.length).text()) === AGE_LINE;
}
