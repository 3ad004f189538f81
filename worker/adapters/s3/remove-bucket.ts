/** Removes a wallet's emptied bucket. S3 itself refuses while there is an object in it; what is in it is told, so that it can go. */
import type { Wallet } from "#contract/wallet";
import type { Removed } from "../../../durable/ports.ts";
import { ownerOf } from "./bucket.ts";
import type { S3Client } from "./client.ts";
import { list } from "./list.ts";

/** A page is enough to tell: the rest is seen when this one is gone. */
const LOOK_KEYS = 1_000;

export async function removeBucket(
  s3: S3Client,
  bucket: { region: string; name: string; wallet: Wallet },
): Promise<Removed> {
  const { region, name } = bucket;
  const owner = await ownerOf(s3, bucket);
  // Somebody else's by now, or nobody's: not ours in either case.
  if (owner === "absent" || owner === "taken") return { end: "gone" };
  if (owner === "untagged") return { end: "unknown", detail: "the bucket has lost its tag" };
  if (owner !== "ours") return { end: "unknown", detail: owner.detail };
  const page = await list(s3, { region, bucket: name, prefix: "", maxKeys: LOOK_KEYS, startAfter: undefined });
  if (page.end !== "done") return { end: "unknown", detail: page.detail };
  if (page.entries.length > 0) return { end: "occupied", keys: page.entries.map(({ key }) => key) };
  const answer = await s3.send({ method: "DELETE", region, bucket: name });
  if (answer.ok || (answer.ok === false && answer.code === "NoSuchBucket")) return { end: "gone" };
  if (answer.ok === undefined) return { end: "unknown", detail: answer.detail };
  // Written between the look and the delete; or uploads in parts that this store counts.
  if (answer.code === "BucketNotEmpty") return { end: "occupied", keys: [] };
  return { end: "unknown", detail: `DeleteBucket answered ${answer.status} ${answer.code}` };
}
