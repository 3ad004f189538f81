/**
 * Room for new wallets' buckets. An account may have only so many (AWS: 10,000 unless raised); a wallet that has paid and gets none
 * could only be given its money back as credit. So below 5 % of free quota nobody new is asked to pay.
 */
import type { S3Client } from "./client.ts";

export interface Quota {
  /** False when nobody new should be sold a place here; a sentence when that cannot be known now. */
  room(): Promise<boolean | string>;
  /** The store has said so itself. */
  full(): void;
}

/** How long a count is believed, and a "no more" too. Milliseconds. */
const COUNT_TTL_MS = 600_000;
/** The share of the quota that must be free, as a divisor: a twentieth. */
const FREE_SHARE = 20;
/** A thousand to ten thousand a page; more pages than this is a store that repeats itself. */
const PAGES_MAX = 1_100;

/** `bucketQuota`: how many buckets the account may have; undefined where the operator has not said. */
export function openQuota(s3: S3Client, bucketQuota: number | undefined, nowMs: () => number): Quota {
  let fullUntilMs = 0;
  let counted: { readonly buckets: number; readonly atMs: number } | undefined;
  return {
    full: () => {
      fullUntilMs = nowMs() + COUNT_TTL_MS;
    },
    room: async () => {
      if (nowMs() < fullUntilMs) return false;
      if (bucketQuota === undefined) return true;
      if (counted === undefined || nowMs() - counted.atMs > COUNT_TTL_MS) {
        const buckets = await countBuckets(s3);
        if (typeof buckets === "string") return buckets;
        counted = { buckets, atMs: nowMs() };
      }
      return (bucketQuota - counted.buckets) * FREE_SHARE >= bucketQuota;
    },
  };
}

async function countBuckets(s3: S3Client): Promise<number | string> {
  const region = s3.config.signingRegion ?? "us-east-1";
  let buckets = 0;
  let token: string | undefined;
  for (let pages = 0; pages < PAGES_MAX; pages++) {
    // AWS pages only when asked to; R2 pages by itself, under the names of ListObjectsV2.
    const query = {
      ...(s3.config.kind === "aws" ? { "max-buckets": "10000" } : {}),
      ...(token ? { "continuation-token": token } : {}),
    };
    const answer = await s3.send({ method: "GET", region, query });
    if (!answer.ok)
      return answer.ok === undefined ? answer.detail : `ListBuckets answered ${answer.status} ${answer.code}`;
    buckets += answer.body.match(/<Bucket>/g)?.length ?? 0;
    const next = /<(?:Next)?ContinuationToken>([^<]+)</.exec(answer.body)?.[1];
    if (next === undefined || next === token) return buckets;
    token = next;
  }
  return "ListBuckets does not end";
}
