/** GetObject and HeadObject: conditions, one byte range or one part, response-* overrides, checksums when asked for. */
import { openBucket } from "./bucket-access.ts";
import { checksumHeaders } from "./checksum.ts";
import { bareEtag, findObject } from "./commit.ts";
import type { Call } from "./door.ts";
import { S3Error } from "./errors.ts";
import { ENCRYPTED } from "./object-headers.ts";
import { objectKey } from "./put-object.ts";
import { type ByteRange, readRange } from "./range.ts";
import type { BlobRef, ObjectRecord } from "./records.ts";
import type { S3Store } from "./store.ts";
import { chunksOf, streamOf } from "./stream.ts";

const OVERRIDES = [
  "content-type",
  "content-language",
  "expires",
  "cache-control",
  "content-disposition",
  "content-encoding",
];

/** An overwrite may take the blobs away between reading the record and opening them; then the record is read again. */
const ATTEMPTS = 5;

export async function getObject(call: Call): Promise<Response> {
  const key = objectKey(call);
  const bucket = await openBucket(call);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const record = await readable(call, bucket.id, key);
    const range = rangeOf(call, record);
    const body = await openRange(call.door.store, record.blobs, range ?? { offset: 0, length: record.sizeBytes });
    if (body !== undefined) return answer(call, record, range, body);
  }
  throw new S3Error("InternalError");
}

export async function headObject(call: Call): Promise<Response> {
  const key = objectKey(call);
  const bucket = await openBucket(call);
  const record = await readable(call, bucket.id, key);
  return answer(call, record, rangeOf(call, record), null);
}

async function readable(call: Call, bucketId: string, key: string): Promise<ObjectRecord> {
  const found = await findObject(call.door.store, bucketId, key);
  if (found === undefined) throw new S3Error("NoSuchKey", undefined, { Key: key });
  checkReadConditions(call.headers, found.record);
  return found.record;
}

/** RFC 9110 §13.2.2, with S3's note that an ETag condition outranks the date beside it. */
function checkReadConditions(headers: Headers, record: ObjectRecord): void {
  const ifMatch = headers.get("if-match");
  const ifNoneMatch = headers.get("if-none-match");
  const modified = Math.floor(record.modifiedMs / 1000) * 1000;
  if (ifMatch !== null) {
    if (!names(ifMatch, record.etag)) throw new S3Error("PreconditionFailed", undefined, { Condition: "If-Match" });
  } else if (modified > time(headers.get("if-unmodified-since"), Number.POSITIVE_INFINITY)) {
    throw new S3Error("PreconditionFailed", undefined, { Condition: "If-Unmodified-Since" });
  }
  const unchanged =
    ifNoneMatch === null
      ? modified <= time(headers.get("if-modified-since"), Number.NEGATIVE_INFINITY)
      : names(ifNoneMatch, record.etag);
  if (unchanged) {
    throw new S3Error("NotModified", undefined, {}, { etag: `"${record.etag}"`, "last-modified": httpDate(record) });
  }
}

function names(list: string, etag: string): boolean {
  return list.split(",").some((entry) => entry.trim() === "*" || bareEtag(entry.trim().replace(/^W\//, "")) === etag);
}

function time(text: string | null, otherwise: number): number {
  const parsed = text === null ? Number.NaN : Date.parse(text);
  return Number.isNaN(parsed) ? otherwise : parsed;
}

function httpDate(record: ObjectRecord): string {
  return new Date(record.modifiedMs).toUTCString();
}

function rangeOf(call: Call, record: ObjectRecord): ByteRange | undefined {
  const part = call.target.query.get("partNumber");
  const range = call.headers.get("range");
  if (part === undefined) return readRange(range, record.sizeBytes);
  if (range !== null) {
    throw new S3Error("InvalidRequest", "Cannot specify both Range header and partNumber query parameter");
  }
  const number = Number(part);
  if (!Number.isInteger(number) || number < 1 || number > 10_000) {
    throw new S3Error("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive");
  }
  const blob = record.blobs[number - 1];
  if (number > (record.partsCount ?? 1) || blob === undefined) throw new S3Error("InvalidPartNumber");
  const offset = record.blobs.slice(0, number - 1).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return blob.sizeBytes === record.sizeBytes ? undefined : { offset, length: blob.sizeBytes };
}

function answer(
  call: Call,
  record: ObjectRecord,
  range: ByteRange | undefined,
  body: ReadableStream<Uint8Array> | null,
): Response {
  const headers = new Headers({
    ...record.headers,
    ...ENCRYPTED,
    "accept-ranges": "bytes",
    "content-length": String(range?.length ?? record.sizeBytes),
    etag: `"${record.etag}"`,
    "last-modified": httpDate(record),
  });
  for (const [name, value] of Object.entries(record.meta)) headers.set(`x-amz-meta-${name}`, value);
  if (record.storageClass !== "STANDARD") headers.set("x-amz-storage-class", record.storageClass);
  if (record.tags.length > 0) headers.set("x-amz-tagging-count", String(record.tags.length));
  if (range !== undefined) {
    headers.set("content-range", `bytes ${range.offset}-${range.offset + range.length - 1}/${record.sizeBytes}`);
  } else if (call.headers.get("x-amz-checksum-mode")?.toUpperCase() === "ENABLED") {
    // The stored checksum is of the whole object; S3 does not send it with a part of it.
    for (const [name, value] of Object.entries(checksumHeaders(record.checksum))) headers.set(name, value);
  }
  if (call.target.query.has("partNumber") && record.partsCount !== undefined) {
    headers.set("x-amz-mp-parts-count", String(record.partsCount));
  }
  for (const name of OVERRIDES) {
    const value = call.target.query.get(`response-${name}`);
    if (value !== undefined) headers.set(name, value);
  }
  const partial = range !== undefined;
  return new Response(body, { status: partial ? 206 : 200, headers, ...keepEncoding(headers) });
}

/** workerd would compress a body whose content-encoding it knows; what a client stored encoded must leave as it is. */
function keepEncoding(headers: Headers): object {
  return headers.has("content-encoding") ? { encodeBody: "manual" } : {};
}

/** The wanted bytes across all blobs; undefined when one of them is gone. */
export async function openRange(
  store: S3Store,
  blobs: readonly BlobRef[],
  range: ByteRange,
): Promise<ReadableStream<Uint8Array> | null | undefined> {
  const pieces: { id: string; offset: number; length: number }[] = [];
  let start = 0;
  for (const { id, sizeBytes } of blobs) {
    const offset = Math.max(range.offset - start, 0);
    const length = Math.min(range.offset + range.length - start, sizeBytes) - offset;
    if (length > 0) pieces.push({ id, offset, length });
    start += sizeBytes;
  }
  const [first, ...others] = pieces;
  if (first === undefined) return null;
  const opened = await store.readBlob(first.id, first.offset, first.length);
  if (opened === undefined || others.length === 0) return opened;
  const joined = async function* (head: ReadableStream<Uint8Array>) {
    yield* chunksOf(head);
    for (const { id, offset, length } of others) {
      const next = await store.readBlob(id, offset, length);
      if (next === undefined) throw new S3Error("InternalError");
      yield* chunksOf(next);
    }
  };
  return store.sized(streamOf(joined(opened)), range.length);
}
