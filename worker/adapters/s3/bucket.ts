/**
 * Makes a wallet's bucket, or finds that the name cannot be the wallet's. Every step may be repeated, by the same caller or by another
 * at the same moment: two first payments make one bucket. A bucket that was not intended beforehand, or that somebody uses, is never taken.
 */
import type { S3Client } from "./client.ts";
import { claim, holdsNothing, ownerOf, type WalletBucket } from "./ownership.ts";
import type { Quota } from "./quota.ts";
import { applySettings, type Found } from "./settings.ts";

type End = { end: "ready" } | { end: "taken" } | { end: "unknown"; detail: string };
/** `intended`: this wallet wrote down earlier that it would create this very name. */
type Bucket = WalletBucket & { readonly intended: boolean };

export async function ensureBucket(s3: S3Client, found: Found, quota: Quota, bucket: Bucket): Promise<End> {
  const owner = await ownerOf(s3, found, bucket);
  if (owner === "ours") return applySettings(s3, found, bucket);
  if (owner === "taken") return { end: "taken" };
  if (owner === "silent") return bucket.intended ? takeIfEmpty(s3, found, bucket) : { end: "taken" };
  if (owner !== "absent") return owner;
  const created = await create(s3, bucket);
  if (created.ok === undefined) return { end: "unknown", detail: created.detail };
  if (!created.ok && created.code === "TooManyBuckets") {
    quota.full();
    return { end: "unknown", detail: "TooManyBuckets: the account may have no more buckets" };
  }
  if (!created.ok && (created.code === "BucketAlreadyExists" || created.status === 403)) return { end: "taken" };
  // It is in our account: we made it, or it was there. us-east-1 and radosgw answer 200 for a bucket one has already; elsewhere it is
  // BucketAlreadyOwnedByYou, on R2 BucketConflict.
  if (!created.ok && !["BucketAlreadyOwnedByYou", "BucketConflict"].includes(created.code))
    return { end: "unknown", detail: `CreateBucket answered ${created.status} ${created.code}` };
  // Between our look and our create another wallet may have claimed it. Not visible yet is what a new bucket is.
  const now = await ownerOf(s3, found, bucket);
  if (now === "taken") return { end: "taken" };
  if (typeof now === "object") return now;
  return claimThenApply(s3, found, bucket);
}

function create(s3: S3Client, { region, name }: Bucket) {
  const constraint = constraintOf(s3, region);
  return s3.send({
    method: "PUT",
    region,
    bucket: name,
    // To R2 a header it does not know is 501.
    ...(s3.config.kind === "aws" ? { headers: { "x-amz-object-ownership": "BucketOwnerEnforced" } } : {}),
    body:
      constraint === undefined
        ? ""
        : `<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LocationConstraint>${constraint}</LocationConstraint></CreateBucketConfiguration>`,
  });
}

/** us-east-1 is the absence of a constraint (CreateBucket API reference), and so is R2's `auto`. */
function constraintOf(s3: S3Client, region: string): string | undefined {
  return region === "us-east-1" || region === "auto" || region === s3.config.signingRegion ? undefined : region;
}

/** Made by us and not claimed before we died: the intent was written down first. */
async function takeIfEmpty(s3: S3Client, found: Found, bucket: Bucket): Promise<End> {
  const empty = await holdsNothing(s3, bucket);
  if (typeof empty === "string") return { end: "unknown", detail: empty };
  return empty ? claimThenApply(s3, found, bucket) : { end: "taken" };
}

async function claimThenApply(s3: S3Client, found: Found, bucket: Bucket): Promise<End> {
  const claimed = await claim(s3, found, bucket);
  return claimed.end === "ready" ? applySettings(s3, found, bucket) : claimed;
}
