/** Removes a wallet's emptied bucket. S3 itself refuses while there is an object in it; what is in it is told, so that it can go. */
import type { Removed } from "../../../durable/ports.ts";
import type { S3Client } from "./client.ts";
import { list } from "./list.ts";
import { claim, ownerOf, WALLET_MARKER, type WalletBucket } from "./ownership.ts";
import { type Found, PROBE } from "./settings.ts";

/** A page is enough to tell: the rest is seen when this one is gone. */
const LOOK_KEYS = 1_000;

export async function removeBucket(
  s3: S3Client,
  found: Found,
  bucket: WalletBucket & { readonly store: string },
): Promise<Removed> {
  const { store, region, name } = bucket;
  const owner = await ownerOf(s3, found, bucket);
  // Somebody else's by now, or nobody's: not ours in either case.
  if (owner === "absent" || owner === "taken") return { end: "gone" };
  if (typeof owner === "object") return { end: "unknown", detail: owner.detail };
  const byMarker = found.knows.get("tagging") === false;
  // Where the word is an object it goes first, and we may have died right after.
  if (owner === "silent" && !byMarker) return { end: "unknown", detail: "the bucket has lost its tag" };
  const page = await list(s3, { store, region, bucket: name, prefix: "", maxKeys: LOOK_KEYS, startAfter: undefined });
  if (page.end !== "done") return { end: "unknown", detail: page.detail };
  const keys = page.entries.map(({ key }) => key);
  const others = keys.filter((key) => key !== WALLET_MARKER && key !== PROBE);
  if (others.length > 0) return { end: "occupied", keys: others };
  for (const key of keys) await s3.send({ method: "DELETE", region, bucket: name, key });
  const answer = await s3.send({ method: "DELETE", region, bucket: name });
  if (answer.ok || (answer.ok === false && answer.code === "NoSuchBucket")) return { end: "gone" };
  if (answer.ok === undefined) return { end: "unknown", detail: answer.detail };
  if (answer.code !== "BucketNotEmpty")
    return { end: "unknown", detail: `DeleteBucket answered ${answer.status} ${answer.code}` };
  // Written between the look and the delete; or uploads in parts that this store counts. It stays, so it says again whose it is.
  const again = byMarker ? await claim(s3, found, bucket) : { end: "ready" as const };
  if (again.end === "unknown") return again;
  return again.end === "taken" ? { end: "gone" } : { end: "occupied", keys: [] };
}
