/** ListParts and ListMultipartUploads. */
import { openBucket } from "./bucket-access.ts";
import { checksumElement } from "./checksum.ts";
import type { Call } from "./door.ts";
import { S3Error } from "./errors.ts";
import { openUpload, readParts } from "./multipart-upload.ts";
import { compareUtf8 } from "./order.ts";
import { type UploadRecord, uploadsPrefix } from "./records.ts";
import { type XmlNode, xmlResponse } from "./xml.ts";

const MAX_PAGE = 1000;

export async function listParts(call: Call): Promise<Response> {
  const { bucket, upload } = await openUpload(call);
  const marker = readNumber(call, "part-number-marker", 0);
  const limit = Math.min(readNumber(call, "max-parts", MAX_PAGE), MAX_PAGE);
  const rest = (await readParts(call.door.store, upload.uploadId)).filter((part) => part.partNumber > marker);
  const page = rest.slice(0, limit);
  const truncated = rest.length > page.length;
  const owner = { ID: bucket.ownerId, DisplayName: bucket.ownerId };
  return xmlResponse("ListPartsResult", {
    Bucket: bucket.name,
    Key: upload.key,
    UploadId: upload.uploadId,
    Initiator: owner,
    Owner: owner,
    StorageClass: upload.storageClass,
    ...(upload.algorithm === undefined
      ? {}
      : { ChecksumAlgorithm: upload.algorithm.toUpperCase(), ChecksumType: upload.checksumType ?? "COMPOSITE" }),
    PartNumberMarker: String(marker),
    ...(truncated ? { NextPartNumberMarker: String(page.at(-1)?.partNumber ?? marker) } : {}),
    MaxParts: String(limit),
    IsTruncated: String(truncated),
    Part: page.map((part) => ({
      PartNumber: String(part.partNumber),
      LastModified: new Date(part.modifiedMs).toISOString(),
      ETag: `"${part.etag}"`,
      Size: String(part.sizeBytes),
      ...checksumElement(part.checksum),
    })),
  });
}

export async function listMultipartUploads(call: Call): Promise<Response> {
  const bucket = await openBucket(call);
  const { query } = call.target;
  const prefix = query.get("prefix") ?? "";
  const keyMarker = query.get("key-marker") ?? "";
  const idMarker = query.get("upload-id-marker") ?? "";
  if (query.get("delimiter")) throw new S3Error("NotImplemented", "Delimiter is not implemented for uploads.");
  const limit = Math.min(readNumber(call, "max-uploads", MAX_PAGE), MAX_PAGE);
  const uploads: UploadRecord[] = [];
  for await (const { name } of call.door.store.scan(uploadsPrefix(bucket.id))) {
    const found = await call.door.store.read(name);
    if (found === undefined) continue;
    const upload: UploadRecord = JSON.parse(found.text);
    const order = compareUtf8(upload.key, keyMarker);
    const behind = order > 0 || (order === 0 && idMarker !== "" && upload.uploadId > idMarker);
    if (behind && upload.key.startsWith(prefix)) uploads.push(upload);
  }
  uploads.sort((left, right) => compareUtf8(left.key, right.key) || compareUtf8(left.uploadId, right.uploadId));
  const page = uploads.slice(0, limit);
  const last = uploads.length > page.length ? page.at(-1) : undefined;
  return xmlResponse("ListMultipartUploadsResult", {
    Bucket: bucket.name,
    KeyMarker: keyMarker,
    UploadIdMarker: idMarker,
    ...(last === undefined ? {} : { NextKeyMarker: last.key, NextUploadIdMarker: last.uploadId }),
    Prefix: prefix,
    MaxUploads: String(limit),
    IsTruncated: String(last !== undefined),
    Upload: page.map((upload) => describe(upload, bucket.ownerId)),
  });
}

function describe(upload: UploadRecord, ownerId: string): XmlNode {
  const owner = { ID: ownerId, DisplayName: ownerId };
  return {
    Key: upload.key,
    UploadId: upload.uploadId,
    Initiator: owner,
    Owner: owner,
    StorageClass: upload.storageClass,
    Initiated: new Date(upload.startedMs).toISOString(),
    ...(upload.algorithm === undefined ? {} : { ChecksumAlgorithm: upload.algorithm.toUpperCase() }),
  };
}

function readNumber(call: Call, name: string, otherwise: number): number {
  const text = call.target.query.get(name);
  if (text === undefined || text === "") return otherwise;
  if (/^\d{1,10}$/.test(text)) return Number(text);
  throw new S3Error("InvalidArgument", undefined, { ArgumentName: name, ArgumentValue: text });
}
