/** The records this dialect keeps, and where: bucket, object, multipart upload, part. */
import type { StoredChecksum } from "./checksum.ts";
import type { ChecksumName } from "./digest.ts";
import type { XmlNode } from "./xml.ts";

export interface BucketRecord {
  readonly name: string;
  /**
   * Fresh for every creation, and the prefix of everything inside: what a request that raced with DeleteBucket leaves
   * behind can never show up in a later bucket of the same name.
   */
  readonly id: string;
  readonly ownerId: string;
  readonly region: string;
  readonly createdMs: number;
  /** Stored configuration documents by subresource name. */
  readonly configs: Readonly<Record<string, XmlNode>>;
  readonly policy?: string;
  /** Changes with every write, so that two writes never leave equal text (see store versions). */
  readonly writeId: string;
}

export interface BlobRef {
  readonly id: string;
  readonly sizeBytes: number;
}

export interface ObjectRecord {
  readonly etag: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
  /** Headers given back as they came: content-type, cache-control and the like. */
  readonly headers: Readonly<Record<string, string>>;
  readonly meta: Readonly<Record<string, string>>;
  readonly storageClass: string;
  readonly tags: readonly (readonly [string, string])[];
  readonly checksum?: StoredChecksum;
  /** In order; one for a plain PUT, none when empty. */
  readonly blobs: readonly BlobRef[];
  /** Present on an object that a multipart upload made. */
  readonly partsCount?: number;
  readonly writeId: string;
}

/** What a listing shows; rides in the store's summary. */
export interface ObjectSummary {
  readonly etag: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
  readonly storageClass: string;
  readonly checksum?: readonly [ChecksumName, StoredChecksum["type"]];
}

export interface UploadRecord {
  readonly uploadId: string;
  readonly key: string;
  readonly startedMs: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly meta: Readonly<Record<string, string>>;
  readonly storageClass: string;
  readonly tags: readonly (readonly [string, string])[];
  readonly algorithm?: ChecksumName;
  readonly checksumType?: StoredChecksum["type"];
}

export interface PartRecord {
  readonly partNumber: number;
  readonly etag: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
  readonly checksum?: { readonly algorithm: ChecksumName; readonly value: string };
  readonly blob: BlobRef;
}

export const BUCKETS = "bucket/";
export const bucketName = (name: string) => BUCKETS + name;
export const objectsPrefix = (bucketId: string) => `object/${bucketId}/`;
export const objectName = (bucketId: string, key: string) => objectsPrefix(bucketId) + key;
export const uploadsPrefix = (bucketId: string) => `upload/${bucketId}/`;
export const uploadName = (bucketId: string, uploadId: string) => uploadsPrefix(bucketId) + uploadId;
export const partsPrefix = (uploadId: string) => `part/${uploadId}/`;
/** Five digits, so that byte order is number order. */
export const partName = (uploadId: string, partNumber: number) =>
  partsPrefix(uploadId) + String(partNumber).padStart(5, "0");

export function summarize(record: ObjectRecord): string {
  const summary: ObjectSummary = {
    etag: record.etag,
    sizeBytes: record.sizeBytes,
    modifiedMs: record.modifiedMs,
    storageClass: record.storageClass,
    ...(record.checksum === undefined ? {} : { checksum: [record.checksum.algorithm, record.checksum.type] as const }),
  };
  return JSON.stringify(summary);
}

/** Short and unguessable enough: these never leave the store. */
export function freshId(): string {
  return crypto.randomUUID().replaceAll("-", "");
}
