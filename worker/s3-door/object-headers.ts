/** The headers of a write that are kept with the object, and the ones that ask for what this dialect does not have. */

import { refuseLegacyAcl } from "./acl.ts";
import { checkTagPairs } from "./bucket-config.ts";
import { S3Error } from "./errors.ts";

export const MAX_KEY_BYTES = 1024;
/** "The total size of user-defined metadata is limited to 2 KB", names and values in bytes of UTF-8. */
const MAX_META_BYTES = 2048;

const KEPT = [
  "content-type",
  "cache-control",
  "content-disposition",
  "content-encoding",
  "content-language",
  "expires",
];

const STORAGE_CLASSES = [
  "STANDARD",
  "REDUCED_REDUNDANCY",
  "STANDARD_IA",
  "ONEZONE_IA",
  "INTELLIGENT_TIERING",
  "GLACIER",
  "DEEP_ARCHIVE",
  "GLACIER_IR",
];

/** Silence would be a lie: a client that asked for its own key, a lock or a redirect must not believe it got one. */
const NOT_HERE = [
  "x-amz-server-side-encryption-customer-algorithm",
  "x-amz-server-side-encryption-customer-key",
  "x-amz-server-side-encryption-aws-kms-key-id",
  "x-amz-website-redirect-location",
  "x-amz-write-offset-bytes",
];

export interface ObjectHeaders {
  readonly headers: Readonly<Record<string, string>>;
  readonly meta: Readonly<Record<string, string>>;
  readonly storageClass: string;
  readonly tags: readonly (readonly [string, string])[];
}

export function readObjectHeaders(headers: Headers): ObjectHeaders {
  refuseForeign(headers);
  const kept: Record<string, string> = {};
  for (const name of KEPT) {
    const value = headers.get(name);
    const shown = name === "content-encoding" ? withoutFraming(value) : value;
    if (shown) kept[name] = shown;
  }
  kept["content-type"] ??= "binary/octet-stream";
  const storageClass = headers.get("x-amz-storage-class") ?? "STANDARD";
  if (!STORAGE_CLASSES.includes(storageClass)) throw new S3Error("InvalidStorageClass");
  return { headers: kept, meta: readMeta(headers), storageClass, tags: readTagging(headers.get("x-amz-tagging")) };
}

/** aws-chunked is how the body travelled, not what the object is; S3 stores the rest of the list. */
function withoutFraming(value: string | null): string | undefined {
  return value
    ?.split(",")
    .map((coding) => coding.trim())
    .filter((coding) => coding !== "aws-chunked" && coding !== "")
    .join(",");
}

function readMeta(headers: Headers): Record<string, string> {
  const meta: Record<string, string> = {};
  let bytes = 0;
  for (const [name, value] of headers) {
    if (!name.startsWith("x-amz-meta-")) continue;
    const short = name.slice("x-amz-meta-".length);
    bytes += new TextEncoder().encode(short + value).length;
    meta[short] = value;
  }
  if (bytes > MAX_META_BYTES) {
    throw new S3Error("MetadataTooLarge", undefined, { Size: String(bytes), MaxSizeAllowed: String(MAX_META_BYTES) });
  }
  return meta;
}

function readTagging(text: string | null): [string, string][] {
  const tags = text === null ? [] : [...new URLSearchParams(text)];
  if (tags.length > 10) throw new S3Error("BadRequest", "Object tags cannot be greater than 10");
  checkTagPairs(tags);
  return tags;
}

function refuseForeign(headers: Headers): void {
  refuseLegacyAcl(headers);
  if (NOT_HERE.some((name) => headers.has(name))) throw new S3Error("NotImplemented");
  const encryption = headers.get("x-amz-server-side-encryption");
  if (encryption !== null && encryption !== "AES256") {
    if (encryption.startsWith("aws:kms")) throw new S3Error("NotImplemented");
    throw new S3Error("InvalidArgument", "The encryption method specified is not supported");
  }
  if ([...headers.keys()].some((name) => name.startsWith("x-amz-object-lock-"))) {
    throw new S3Error("InvalidRequest", "Bucket is missing Object Lock Configuration");
  }
}

/** Every object is encrypted with SSE-S3, says S3 of itself since January 2023; clients check for the header. */
export const ENCRYPTED = { "x-amz-server-side-encryption": "AES256" } as const;
