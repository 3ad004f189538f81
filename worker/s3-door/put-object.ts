/** PutObject. The bytes go to a nameless blob first; only when every check has passed does a record point at it. */
import { type Intake, openBody } from "./body.ts";
import { openBucket } from "./bucket-access.ts";
import { checksumHeaders } from "./checksum.ts";
import { checkWriteCondition, commitObject, findObject, readWriteCondition } from "./commit.ts";
import type { Call } from "./door.ts";
import { S3Error } from "./errors.ts";
import { ENCRYPTED, MAX_KEY_BYTES, readObjectHeaders } from "./object-headers.ts";
import { utf8Length } from "./order.ts";
import { type BlobRef, freshId, type ObjectRecord } from "./records.ts";

export async function putObject(call: Call): Promise<Response> {
  const key = objectKey(call);
  const bucket = await openBucket(call);
  const described = readObjectHeaders(call.headers);
  const condition = readWriteCondition(call.headers);
  const { store } = call.door;
  if (condition.onlyIfAbsent || condition.ifMatch !== undefined) {
    // Judged again at the commit; asked first so that a hopeless upload is not taken in.
    checkWriteCondition(condition, (await findObject(store, bucket.id, key))?.record, key);
  }
  const intake = openBody(call);
  const blob = { id: freshId(), sizeBytes: intake.sizeBytes };
  const etag = await takeIn(call, intake, blob);
  const checksum = intake.checksum();
  const record: ObjectRecord = {
    etag,
    sizeBytes: blob.sizeBytes,
    modifiedMs: call.door.now(),
    ...described,
    ...(checksum === undefined ? {} : { checksum: { ...checksum, type: "FULL_OBJECT" } }),
    blobs: [blob],
    writeId: freshId(),
  };
  try {
    await commitObject(store, bucket.id, key, record, condition);
  } catch (reason) {
    await store.removeBlobs([blob.id]);
    throw reason;
  }
  const headers = { etag: `"${etag}"`, ...ENCRYPTED, ...checksumHeaders(record.checksum) };
  return new Response(null, { status: 200, headers });
}

/** Stores the body as a blob and answers with its MD5; a refused or broken body leaves nothing behind. */
export async function takeIn(call: Call, intake: Intake, blob: BlobRef): Promise<string> {
  try {
    const { md5 } = await call.door.store.writeBlob({ ...blob, body: intake.stream });
    return md5;
  } catch (reason) {
    await call.door.store.removeBlobs([blob.id]);
    throw intake.refusal() ?? reason;
  }
}

export function objectKey(call: Call): string {
  const key = call.target.key ?? "";
  const size = utf8Length(key);
  if (size <= MAX_KEY_BYTES) return key;
  throw new S3Error("KeyTooLongError", undefined, { Size: String(size), MaxSizeAllowed: String(MAX_KEY_BYTES) });
}
