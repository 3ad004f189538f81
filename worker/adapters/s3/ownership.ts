/**
 * Whose a bucket is. Names follow from a 64-bit hash, which can be collided, and bucket names can be squatted: a bucket is the wallet's
 * only if it says the wallet's full address. It says so in a tag; where the store has no tags (R2), in an object of its own that is
 * written once. A 403 is never "absent".
 */
import type { Wallet } from "#contract/wallet";
import type { S3Answer, S3Client } from "./client.ts";
import { type BucketPlace, type Done, type Found, put, remember, saidOf, settled } from "./settings.ts";

export const WALLET_TAG = "mnemospark:wallet";
/** No agent's key begins with a dot, so no object of a wallet can be named like it. */
export const WALLET_MARKER = ".mnemospark/wallet";

export interface WalletBucket extends BucketPlace {
  readonly wallet: Wallet;
}

/** `silent`: it is there and in our account, and says nothing. */
export type Owner = "ours" | "taken" | "silent" | "absent" | { readonly end: "unknown"; readonly detail: string };

export async function ownerOf(s3: S3Client, found: Found, bucket: WalletBucket): Promise<Owner> {
  if (found.knows.get("tagging") === false) return byMarker(s3, bucket);
  const { region, name } = bucket;
  const answer = await s3.send({ method: "GET", region, bucket: name, query: { tagging: "" } });
  const elsewhere = notOurs(answer);
  if (elsewhere) return elsewhere;
  if (s3.config.kind === "aws") return byTag(answer, bucket);
  const said = saidOf("tagging", answer);
  if (typeof said === "string") return { end: "unknown", detail: said };
  if (!found.knows.has("tagging")) remember(s3, found, "tagging", said);
  return said ? byTag(answer, bucket) : byMarker(s3, bucket);
}

function byTag(answer: S3Answer, bucket: WalletBucket): Owner {
  if (answer.ok) {
    const tag = new RegExp(`<Key>${WALLET_TAG}</Key>\\s*<Value>([^<]*)</Value>`).exec(answer.body)?.[1];
    if (tag === undefined) return "silent";
    return tag === bucket.wallet ? "ours" : "taken";
  }
  if (answer.ok === undefined) return { end: "unknown", detail: answer.detail };
  // NoSuchTagSet; other stores have other words for it.
  if (answer.status === 404 && answer.code !== "" && answer.code !== "NoSuchKey") return "silent";
  return { end: "unknown", detail: `GetBucketTagging answered ${answer.status} ${answer.code}` };
}

async function byMarker(s3: S3Client, { region, name, wallet }: WalletBucket): Promise<Owner> {
  const answer = await s3.send({ method: "GET", region, bucket: name, key: WALLET_MARKER });
  if (answer.ok) return answer.body === wallet ? "ours" : "taken";
  const elsewhere = notOurs(answer);
  if (elsewhere) return elsewhere;
  if (answer.ok === undefined) return { end: "unknown", detail: answer.detail };
  if (answer.code === "NoSuchKey") return "silent";
  return { end: "unknown", detail: `GetObject ${WALLET_MARKER} answered ${answer.status} ${answer.code}` };
}

function notOurs(answer: S3Answer): "absent" | "taken" | undefined {
  if (answer.ok !== false) return undefined;
  if (answer.code === "NoSuchBucket") return "absent";
  return answer.status === 403 || answer.status === 301 ? "taken" : undefined;
}

/** Makes a bucket that says nothing say whose it is. */
export async function claim(
  s3: S3Client,
  found: Found,
  bucket: WalletBucket,
): Promise<Done | { readonly end: "taken" }> {
  if (found.knows.get("tagging") === false) return claimByMarker(s3, bucket);
  const tags = [WALLET_TAG, "mnemospark:cost"].map(
    (key) => `<Tag><Key>${key}</Key><Value>${bucket.wallet}</Value></Tag>`,
  );
  const answer = await put(s3, bucket, "tagging", `<Tagging><TagSet>${tags.join("")}</TagSet></Tagging>`);
  if (answer.ok) return { end: "ready" };
  if (answer.ok === undefined) return { end: "unknown", detail: answer.detail };
  if (answer.status !== 501 || s3.config.kind === "aws")
    return { end: "unknown", detail: `PutBucketTagging answered ${answer.status} ${answer.code}` };
  remember(s3, found, "tagging", false);
  return claimByMarker(s3, bucket);
}

/** Of two wallets whose names collide, one writes it; both read what was written. */
async function claimByMarker(s3: S3Client, bucket: WalletBucket): Promise<Done | { readonly end: "taken" }> {
  const { region, name, wallet } = bucket;
  const headers = { "if-none-match": "*", "content-type": "text/plain" };
  const answer = await settled(() =>
    s3.send({ method: "PUT", region, bucket: name, key: WALLET_MARKER, headers, body: wallet }),
  );
  if (answer.ok === undefined) return { end: "unknown", detail: answer.detail };
  if (!answer.ok && answer.status !== 412)
    return { end: "unknown", detail: `PutObject ${WALLET_MARKER} answered ${answer.status} ${answer.code}` };
  const owner = await byMarker(s3, bucket);
  if (owner === "ours") return { end: "ready" };
  if (owner === "taken") return { end: "taken" };
  return typeof owner === "object" ? owner : { end: "unknown", detail: `${WALLET_MARKER} was written and is ${owner}` };
}

/** A bucket that we made and never got to claim is empty; one with something in it is somebody's. */
export async function holdsNothing(s3: S3Client, { region, name }: BucketPlace): Promise<boolean | string> {
  const answer = await s3.send({ method: "GET", region, bucket: name, query: { "list-type": "2", "max-keys": "1" } });
  if (answer.ok) return !answer.body.includes("<Contents>");
  return answer.ok === undefined ? answer.detail : `ListObjectsV2 answered ${answer.status} ${answer.code}`;
}
