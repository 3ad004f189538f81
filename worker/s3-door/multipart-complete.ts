/**
 * CompleteMultipartUpload: the listed parts, in order, become one object. The upload is claimed by compare-and-swap first,
 * so that two Completes cannot both take parts away; a Complete that is refused gives its claim back.
 */
import { md5 } from "@noble/hashes/legacy.js";
import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";
import { readDocument } from "./body.ts";
import type { StoredChecksum } from "./checksum.ts";
import { checksumElement } from "./checksum.ts";
import { bareEtag, commitObject, readWriteCondition } from "./commit.ts";
import { CHECKSUMS, fromBase64, newDigest, toBase64 } from "./digest.ts";
import type { Call } from "./door.ts";
import { S3Error } from "./errors.ts";
import { openRange } from "./get-object.ts";
import { type FoundUpload, openUpload, readParts, removeParts } from "./multipart-upload.ts";
import { ENCRYPTED } from "./object-headers.ts";
import { freshId, type ObjectRecord, type PartRecord, type UploadRecord, uploadName } from "./records.ts";
import type { S3Store } from "./store.ts";
import { chunksOf } from "./stream.ts";
import { eachNode, leaf, parseXml, type XmlNode, xmlResponse } from "./xml.ts";

/** "All parts but the last must be at least 5 MiB". */
const MIN_PART_BYTES = 5 * 1024 * 1024;
/** 10,000 parts with number, ETag and checksum. */
const MAX_DOCUMENT = 4 * 1024 * 1024;
/** A claim older than this belongs to a process that died. */
const CLAIM_MS = 60_000;

interface ListedPart {
  readonly partNumber: number;
  readonly etag: string;
  readonly checksums: XmlNode;
}

interface Claimed extends UploadRecord {
  readonly claimedMs?: number;
}

export async function completeMultipartUpload(call: Call): Promise<Response> {
  const found = await openUpload(call);
  const listed = readList(await readDocument(call, MAX_DOCUMENT));
  const { bucket, upload } = found;
  const { store } = call.door;
  const name = uploadName(bucket.id, upload.uploadId);
  await claim(call, name, found);
  let record: ObjectRecord;
  try {
    const parts = pickParts(listed, await readParts(store, upload.uploadId), upload);
    record = await assemble(call, upload, parts);
    await commitObject(store, bucket.id, upload.key, record, readWriteCondition(call.headers));
  } catch (reason) {
    await store.write({ name, text: JSON.stringify({ ...upload, claimedMs: 0 }), summary: "", expected: "any" });
    throw reason;
  }
  await store.remove(name);
  await removeParts(store, upload.uploadId, new Set(record.blobs.map(({ id }) => id)));
  const result = {
    Location: new URL(call.request.url).origin + new URL(call.request.url).pathname,
    Bucket: bucket.name,
    Key: upload.key,
    ETag: `"${record.etag}"`,
    ...checksumElement(record.checksum),
    ...(record.checksum === undefined ? {} : { ChecksumType: record.checksum.type }),
  };
  return xmlResponse("CompleteMultipartUploadResult", result, ENCRYPTED);
}

async function claim(call: Call, name: string, { upload, version }: FoundUpload): Promise<void> {
  const claimed: Claimed = upload;
  const free = call.nowMs - (claimed.claimedMs ?? 0) > CLAIM_MS;
  const text = JSON.stringify({ ...upload, claimedMs: call.nowMs, claimId: freshId() });
  if (free && (await call.door.store.write({ name, text, summary: "", expected: version }))) return;
  throw new S3Error("OperationAborted");
}

function readList(text: string): ListedPart[] {
  const document = parseXml(text, "CompleteMultipartUpload");
  const nodes = document === undefined ? undefined : eachNode(document, "Part");
  if (nodes === undefined || nodes.length === 0 || nodes.length > 10_000) throw new S3Error("MalformedXML");
  let last = 0;
  return nodes.map((node) => {
    const partNumber = Number(leaf(node, "PartNumber"));
    const etag = leaf(node, "ETag");
    if (!Number.isInteger(partNumber) || partNumber < 1 || etag === undefined) throw new S3Error("MalformedXML");
    if (partNumber <= last) throw new S3Error("InvalidPartOrder");
    last = partNumber;
    return { partNumber, etag: bareEtag(etag), checksums: node };
  });
}

function pickParts(listed: readonly ListedPart[], stored: readonly PartRecord[], upload: UploadRecord): PartRecord[] {
  const byNumber = new Map(stored.map((part) => [part.partNumber, part]));
  return listed.map(({ partNumber, etag, checksums }, index) => {
    const part = byNumber.get(partNumber);
    const detail = { UploadId: upload.uploadId, PartNumber: String(partNumber), ETag: etag };
    if (part === undefined || part.etag !== etag) throw new S3Error("InvalidPart", undefined, detail);
    for (const algorithm of CHECKSUMS) {
      const given = leaf(checksums, `Checksum${algorithm.toUpperCase()}`);
      if (given === undefined) continue;
      if (part.checksum?.algorithm !== algorithm || part.checksum.value !== given) {
        throw new S3Error("InvalidPart", undefined, detail);
      }
    }
    if (index < listed.length - 1 && part.sizeBytes < MIN_PART_BYTES) {
      const ProposedSize = String(part.sizeBytes);
      throw new S3Error("EntityTooSmall", undefined, {
        ProposedSize,
        MinSizeAllowed: String(MIN_PART_BYTES),
        ...detail,
      });
    }
    return part;
  });
}

async function assemble(call: Call, upload: UploadRecord, parts: readonly PartRecord[]): Promise<ObjectRecord> {
  const sizeBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0);
  const expected = call.headers.get("x-amz-mp-object-size");
  if (expected !== null && expected !== String(sizeBytes)) {
    throw new S3Error(
      "InvalidRequest",
      `The provided 'x-amz-mp-object-size' header value ${expected} does not match what was computed: ${sizeBytes}`,
    );
  }
  const sum = md5.create();
  for (const part of parts) sum.update(hexToBytes(part.etag));
  const checksum = await objectChecksum(call.door.store, upload, parts, sizeBytes);
  requireSameChecksum(call.headers, checksum);
  return {
    etag: `${bytesToHex(sum.digest())}-${parts.length}`,
    sizeBytes,
    // "For multipart uploads, the object creation date is the date of initiation" (object metadata, user guide).
    modifiedMs: upload.startedMs,
    headers: upload.headers,
    meta: upload.meta,
    storageClass: upload.storageClass,
    tags: upload.tags,
    ...(checksum === undefined ? {} : { checksum }),
    blobs: parts.map(({ blob }) => blob),
    partsCount: parts.length,
    writeId: freshId(),
  };
}

/** Composite: the checksum of the parts' checksums. Full object: of all the bytes, read once more. */
async function objectChecksum(
  store: S3Store,
  { algorithm, checksumType }: UploadRecord,
  parts: readonly PartRecord[],
  sizeBytes: number,
): Promise<StoredChecksum | undefined> {
  if (algorithm === undefined) return undefined;
  const digest = newDigest(algorithm);
  if (checksumType === "FULL_OBJECT") {
    const body = await openRange(
      store,
      parts.map(({ blob }) => blob),
      { offset: 0, length: sizeBytes },
    );
    for await (const chunk of chunksOf(body ?? null)) digest.update(chunk);
    return { algorithm, value: toBase64(digest.digest()), type: "FULL_OBJECT" };
  }
  for (const part of parts) digest.update(fromBase64(part.checksum?.value ?? "") ?? new Uint8Array(0));
  return { algorithm, value: `${toBase64(digest.digest())}-${parts.length}`, type: "COMPOSITE" };
}

/** Complete may carry the checksum of the whole, with or without `-<parts>`. */
function requireSameChecksum(headers: Headers, checksum: StoredChecksum | undefined): void {
  for (const algorithm of CHECKSUMS) {
    const given = headers.get(`x-amz-checksum-${algorithm}`);
    if (given === null) continue;
    const computed = checksum?.algorithm === algorithm ? checksum.value : "";
    if (given === computed || given === computed.replace(/-\d+$/, "")) continue;
    throw new S3Error("BadDigest", `The ${algorithm} you specified did not match the calculated checksum.`);
  }
}
