/** Finding a bucket and deciding whether this caller may touch it: the gate in front of every operation on one. */
import { wrongRegion } from "./authenticate.ts";
import type { Call } from "./door.ts";
import { S3Error } from "./errors.ts";
import { type BucketRecord, bucketName, freshId } from "./records.ts";
import type { S3Store } from "./store.ts";

export interface FoundBucket {
  readonly record: BucketRecord;
  readonly version: string;
}

export async function findBucket(store: S3Store, name: string): Promise<FoundBucket | undefined> {
  const found = await store.read(bucketName(name));
  if (found === undefined) return undefined;
  const record: BucketRecord = JSON.parse(found.text);
  return { record, version: found.version };
}

/** The bucket of this call, owned by the caller, in the region the signature names, and owned by whom the caller expects. */
export async function openBucket(call: Call): Promise<BucketRecord> {
  return (await openBucketVersion(call)).record;
}

export async function openBucketVersion(call: Call): Promise<FoundBucket> {
  const name = call.target.bucket ?? "";
  const found = await findBucket(call.door.store, name);
  if (found === undefined) throw new S3Error("NoSuchBucket", undefined, { BucketName: name });
  const { identity } = call;
  const { region, ownerId } = found.record;
  if (identity.region !== region) {
    const code = identity.presigned ? "AuthorizationQueryParametersError" : "AuthorizationHeaderMalformed";
    throw wrongRegion(code, identity.region, region);
  }
  // No cross-account grants here: bucket policies are stored, not evaluated, and ACLs are off.
  if (ownerId !== identity.accountId) {
    throw new S3Error("AccessDenied", undefined, {}, { "x-amz-bucket-region": region });
  }
  expectOwner(call.headers.get("x-amz-expected-bucket-owner"), ownerId);
  return found;
}

/** "If the account ID that you provide does not match the actual owner of the bucket, the request fails with 403". */
export function expectOwner(expected: string | null, ownerId: string): void {
  if (expected === null) return;
  if (!/^\d{12}$/.test(expected)) throw new S3Error("InvalidBucketOwnerAWSAccountID");
  if (expected !== ownerId) throw new S3Error("AccessDenied");
}

/** Read, change, compare-and-swap; again when somebody else was faster. */
export async function changeBucket(call: Call, change: (record: BucketRecord) => BucketRecord): Promise<void> {
  for (let attempt = 0; attempt < 20; attempt++) {
    const { record, version } = await openBucketVersion(call);
    const next = { ...change(record), writeId: freshId() };
    const name = bucketName(record.name);
    if (await call.door.store.write({ name, text: JSON.stringify(next), summary: "", expected: version })) return;
  }
  throw new S3Error("OperationAborted");
}
