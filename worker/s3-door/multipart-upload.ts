/** CreateMultipartUpload and AbortMultipartUpload, and finding the upload a request names. */

import { openBucket } from "./bucket-access.ts";
import type { StoredChecksum } from "./checksum.ts";
import { type ChecksumName, isChecksumName } from "./digest.ts";
import type { Call } from "./door.ts";
import { S3Error } from "./errors.ts";
import { ENCRYPTED, readObjectHeaders } from "./object-headers.ts";
import { objectKey } from "./put-object.ts";
import { type BucketRecord, freshId, type PartRecord, partsPrefix, type UploadRecord, uploadName } from "./records.ts";
import type { S3Store } from "./store.ts";
import { xmlResponse } from "./xml.ts";

export interface FoundUpload {
  readonly bucket: BucketRecord;
  readonly upload: UploadRecord;
  readonly version: string;
}

export async function createMultipartUpload(call: Call): Promise<Response> {
  const key = objectKey(call);
  const bucket = await openBucket(call);
  const described = readObjectHeaders(call.headers);
  const upload: UploadRecord = {
    uploadId: freshId(),
    key,
    startedMs: call.nowMs,
    ...described,
    ...readChecksumWish(call.headers),
  };
  const name = uploadName(bucket.id, upload.uploadId);
  await call.door.store.write({ name, text: JSON.stringify(upload), summary: "", expected: "absent" });
  const result = { Bucket: bucket.name, Key: key, UploadId: upload.uploadId };
  const checksum: Record<string, string> =
    upload.algorithm === undefined
      ? {}
      : {
          "x-amz-checksum-algorithm": upload.algorithm.toUpperCase(),
          "x-amz-checksum-type": upload.checksumType ?? "COMPOSITE",
        };
  return xmlResponse("InitiateMultipartUploadResult", result, { ...ENCRYPTED, ...checksum });
}

/** Which types an algorithm allows: SHA only composite, CRC-64 only full object, the 32-bit CRCs both. */
function readChecksumWish(headers: Headers): { algorithm?: ChecksumName; checksumType?: StoredChecksum["type"] } {
  const wish = headers.get("x-amz-checksum-algorithm")?.toLowerCase();
  const type = headers.get("x-amz-checksum-type")?.toUpperCase();
  if (wish === undefined) {
    if (type === undefined) return {};
    throw new S3Error(
      "InvalidRequest",
      "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
    );
  }
  if (!isChecksumName(wish)) {
    throw new S3Error(
      "InvalidRequest",
      "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]",
    );
  }
  const usual = wish === "crc64nvme" ? "FULL_OBJECT" : "COMPOSITE";
  const chosen = type ?? usual;
  const allowed = wish.startsWith("sha")
    ? ["COMPOSITE"]
    : wish === "crc64nvme"
      ? ["FULL_OBJECT"]
      : ["COMPOSITE", "FULL_OBJECT"];
  if (!allowed.includes(chosen)) {
    throw new S3Error(
      "InvalidRequest",
      `The ${chosen} checksum type cannot be used with the ${wish} checksum algorithm.`,
    );
  }
  return { algorithm: wish, checksumType: chosen === "FULL_OBJECT" ? "FULL_OBJECT" : "COMPOSITE" };
}

export async function abortMultipartUpload(call: Call): Promise<Response> {
  const { bucket, upload } = await openUpload(call);
  const { store } = call.door;
  // The upload goes first: from here on a part that is still coming in finds no upload and takes itself away.
  await store.remove(uploadName(bucket.id, upload.uploadId));
  await removeParts(store, upload.uploadId, new Set());
  return new Response(null, { status: 204 });
}

export async function openUpload(call: Call): Promise<FoundUpload> {
  const bucket = await openBucket(call);
  return findUpload(call, bucket);
}

export async function findUpload(call: Call, bucket: BucketRecord): Promise<FoundUpload> {
  const uploadId = call.target.query.get("uploadId") ?? "";
  const found = await call.door.store.read(uploadName(bucket.id, uploadId));
  const upload: UploadRecord | undefined = found === undefined ? undefined : JSON.parse(found.text);
  // An upload belongs to its key: another key's id is no id.
  if (found === undefined || upload === undefined || upload.key !== call.target.key) {
    throw new S3Error("NoSuchUpload", undefined, { UploadId: uploadId });
  }
  return { bucket, upload, version: found.version };
}

export async function readParts(store: S3Store, uploadId: string): Promise<PartRecord[]> {
  const parts: PartRecord[] = [];
  for await (const { name } of store.scan(partsPrefix(uploadId))) {
    const found = await store.read(name);
    if (found === undefined) continue;
    const part: PartRecord = JSON.parse(found.text);
    parts.push(part);
  }
  return parts;
}

/** Part records and the blobs no finished object uses. */
export async function removeParts(store: S3Store, uploadId: string, keep: ReadonlySet<string>): Promise<void> {
  const idle: string[] = [];
  for await (const { name } of store.scan(partsPrefix(uploadId))) {
    const found = await store.read(name);
    if (found === undefined) continue;
    const part: PartRecord = JSON.parse(found.text);
    if (!keep.has(part.blob.id)) idle.push(part.blob.id);
    await store.remove(name);
  }
  await store.removeBlobs(idle);
}
