/** CopyObject: the source's bytes stream into a new blob, so that the two objects share nothing afterwards. */
import { openBucket } from "./bucket-access.ts";
import { checksumElement } from "./checksum.ts";
import { bareEtag, commitObject, findObject, readWriteCondition } from "./commit.ts";
import type { Call } from "./door.ts";
import { S3Error } from "./errors.ts";
import { openRange } from "./get-object.ts";
import { ENCRYPTED, readObjectHeaders } from "./object-headers.ts";
import { objectKey } from "./put-object.ts";
import { freshId, type ObjectRecord } from "./records.ts";
import type { S3Store } from "./store.ts";
import { xmlResponse } from "./xml.ts";

/** "You can create a copy of your object up to 5 GB in size in a single atomic action." */
const MAX_COPY_BYTES = 5 * 1024 ** 3;

export async function copyObject(call: Call): Promise<Response> {
  const key = objectKey(call);
  const bucket = await openBucket(call);
  const source = readSource(call);
  const replace = readDirective(call.headers);
  const described = readObjectHeaders(call.headers);
  if (source.bucket === bucket.name && source.key === key && !replace) {
    throw new S3Error(
      "InvalidRequest",
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    );
  }
  const { store } = call.door;
  const origin = await openSource(call, source);
  const blob = { id: freshId(), sizeBytes: origin.record.sizeBytes };
  const etag = await copyBlob(store, origin.record, blob.id);
  const { headers, meta, storageClass, tags } = replace
    ? described
    : { ...origin.record, storageClass: described.storageClass };
  // A composite checksum describes parts the copy does not have.
  const checksum = origin.record.checksum?.type === "FULL_OBJECT" ? { checksum: origin.record.checksum } : {};
  const modifiedMs = call.door.now();
  const record: ObjectRecord = {
    ...{ etag, sizeBytes: blob.sizeBytes, modifiedMs, headers, meta, storageClass, tags },
    ...checksum,
    blobs: [blob],
    writeId: freshId(),
  };
  try {
    await commitObject(store, bucket.id, key, record, readWriteCondition(call.headers));
  } catch (reason) {
    await store.removeBlobs([blob.id]);
    throw reason;
  }
  const lastModified = new Date(modifiedMs).toISOString();
  const result = { LastModified: lastModified, ETag: `"${etag}"`, ...checksumElement(record.checksum) };
  return xmlResponse("CopyObjectResult", result, ENCRYPTED);
}

async function copyBlob(store: S3Store, record: ObjectRecord, id: string): Promise<string> {
  const { sizeBytes } = record;
  const body = await openRange(store, record.blobs, { offset: 0, length: sizeBytes });
  if (body === undefined) throw new S3Error("InternalError");
  const { md5 } = await store.writeBlob({ id, sizeBytes, body: body ?? emptyStream() });
  return md5;
}

function emptyStream(): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({ start: (controller) => controller.close() });
}

async function openSource(call: Call, source: { bucket: string; key: string }) {
  const expected = call.headers.get("x-amz-source-expected-bucket-owner");
  const headers = new Headers(expected === null ? {} : { "x-amz-expected-bucket-owner": expected });
  const bucket = await openBucket({ ...call, headers, target: { ...call.target, bucket: source.bucket } });
  const found = await findObject(call.door.store, bucket.id, source.key);
  if (found === undefined) throw new S3Error("NoSuchKey", undefined, { Key: source.key });
  if (found.record.sizeBytes > MAX_COPY_BYTES) {
    throw new S3Error(
      "InvalidRequest",
      "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120",
    );
  }
  const ifMatch = call.headers.get("x-amz-copy-source-if-match");
  const ifNoneMatch = call.headers.get("x-amz-copy-source-if-none-match");
  const { etag } = found.record;
  if ((ifMatch !== null && bareEtag(ifMatch) !== etag) || (ifNoneMatch !== null && bareEtag(ifNoneMatch) === etag)) {
    throw new S3Error("PreconditionFailed");
  }
  return found;
}

function readSource(call: Call): { bucket: string; key: string } {
  const text = call.headers.get("x-amz-copy-source") ?? "";
  let path: string;
  try {
    path = decodeURIComponent(text.replace(/^\//, ""));
  } catch {
    throw new S3Error("InvalidArgument", "Copy Source must mention the source bucket and key: sourcebucket/sourcekey");
  }
  const slash = path.indexOf("/");
  if (slash < 1 || slash === path.length - 1) {
    throw new S3Error("InvalidArgument", "Copy Source must mention the source bucket and key: sourcebucket/sourcekey");
  }
  if (path.includes("?versionId=")) throw new S3Error("NotImplemented", "Versioning is not implemented.");
  return { bucket: path.slice(0, slash), key: path.slice(slash + 1) };
}

function readDirective(headers: Headers): boolean {
  const directive = headers.get("x-amz-metadata-directive") ?? "COPY";
  if (directive !== "COPY" && directive !== "REPLACE") {
    throw new S3Error("InvalidArgument", "Unknown metadata directive.");
  }
  return directive === "REPLACE";
}
