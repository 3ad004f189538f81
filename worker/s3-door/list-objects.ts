/**
 * ListObjectsV2 and its predecessor: keys in UTF-8 byte order, a page at a time, keys that share everything up to a
 * delimiter rolled up into one common prefix. A common prefix counts as one entry of the page.
 */
import { openBucket } from "./bucket-access.ts";
import type { Call } from "./door.ts";
import { S3Error } from "./errors.ts";
import { type ObjectSummary, objectsPrefix } from "./records.ts";
import { uriEncode } from "./sigv4.ts";
import type { S3Store } from "./store.ts";
import { type XmlNode, xmlResponse } from "./xml.ts";

const MAX_KEYS = 1000;

interface Page {
  readonly contents: readonly (ObjectSummary & { readonly key: string })[];
  readonly prefixes: readonly string[];
  /** Last entry of a page that is not the last: a key, or a common prefix whose keys are all behind it. */
  readonly next: string | undefined;
}

interface PageRequest {
  readonly prefix: string;
  readonly delimiter: string;
  readonly after: string;
  /** True when `after` came out of an earlier page: if it is a common prefix, its keys have been told already. */
  readonly resumed: boolean;
  readonly maxKeys: number;
}

export async function listObjectsV2(call: Call): Promise<Response> {
  const bucket = await openBucket(call);
  const { query } = call.target;
  const token = query.get("continuation-token");
  const startAfter = query.get("start-after");
  const request = {
    ...commonParameters(call),
    after: token === undefined ? (startAfter ?? "") : readToken(token),
    resumed: token !== undefined,
  };
  const page = await collect(call.door.store, bucket.id, request);
  const spell = speller(call);
  const owner = query.get("fetch-owner") === "true" ? { Owner: { ID: bucket.ownerId } } : {};
  return xmlResponse("ListBucketResult", {
    Name: bucket.name,
    Prefix: spell(request.prefix),
    ...(token === undefined ? {} : { ContinuationToken: token }),
    ...(startAfter === undefined ? {} : { StartAfter: spell(startAfter) }),
    KeyCount: String(page.contents.length + page.prefixes.length),
    MaxKeys: String(request.maxKeys),
    ...(request.delimiter === "" ? {} : { Delimiter: spell(request.delimiter) }),
    ...encodingElement(call),
    IsTruncated: String(page.next !== undefined),
    ...(page.next === undefined ? {} : { NextContinuationToken: writeToken(page.next) }),
    ...entries(page, spell, owner),
  });
}

export async function listObjects(call: Call): Promise<Response> {
  const bucket = await openBucket(call);
  const marker = call.target.query.get("marker") ?? "";
  const request = { ...commonParameters(call), after: marker, resumed: true };
  const page = await collect(call.door.store, bucket.id, request);
  const spell = speller(call);
  const rolled = request.delimiter !== "";
  return xmlResponse("ListBucketResult", {
    Name: bucket.name,
    Prefix: spell(request.prefix),
    Marker: spell(marker),
    // "NextMarker is returned only if you have the delimiter request parameter specified."
    ...(page.next === undefined || !rolled ? {} : { NextMarker: spell(page.next) }),
    MaxKeys: String(request.maxKeys),
    ...(rolled ? { Delimiter: spell(request.delimiter) } : {}),
    ...encodingElement(call),
    IsTruncated: String(page.next !== undefined),
    ...entries(page, spell, { Owner: { ID: bucket.ownerId } }),
  });
}

async function collect(store: S3Store, bucketId: string, request: PageRequest): Promise<Page> {
  const { prefix, delimiter, after, resumed, maxKeys } = request;
  const root = objectsPrefix(bucketId);
  const contents: (ObjectSummary & { key: string })[] = [];
  const prefixes: string[] = [];
  let last = "";
  if (maxKeys === 0) return { contents, prefixes, next: undefined };
  for await (const { name, summary } of store.scan(root + prefix, root + after)) {
    const key = name.slice(root.length);
    const common = commonPrefix(key, prefix, delimiter);
    if (common !== undefined && (common === prefixes.at(-1) || (resumed && common === after))) continue;
    if (contents.length + prefixes.length === maxKeys) return { contents, prefixes, next: last };
    last = common ?? key;
    if (common !== undefined) {
      prefixes.push(common);
      continue;
    }
    const shown: ObjectSummary = JSON.parse(summary);
    contents.push({ key, ...shown });
  }
  return { contents, prefixes, next: undefined };
}

function commonPrefix(key: string, prefix: string, delimiter: string): string | undefined {
  if (delimiter === "") return undefined;
  const at = key.indexOf(delimiter, prefix.length);
  return at < 0 ? undefined : key.slice(0, at + delimiter.length);
}

function commonParameters(call: Call): { prefix: string; delimiter: string; maxKeys: number } {
  const { query } = call.target;
  const maxKeys = query.get("max-keys") ?? String(MAX_KEYS);
  if (!/^\d{1,10}$/.test(maxKeys)) {
    throw new S3Error("InvalidArgument", "Provided max-keys not an integer or within integer range", {
      ArgumentName: "max-keys",
      ArgumentValue: maxKeys,
    });
  }
  const encoding = query.get("encoding-type");
  if (encoding !== undefined && encoding !== "url") {
    throw new S3Error("InvalidArgument", "Invalid Encoding Method specified in Request", {
      ArgumentName: "encoding-type",
      ArgumentValue: encoding,
    });
  }
  return {
    prefix: query.get("prefix") ?? "",
    delimiter: query.get("delimiter") ?? "",
    maxKeys: Math.min(Number(maxKeys), MAX_KEYS),
  };
}

/** encoding-type=url lets keys through that XML 1.0 cannot carry; "/" stays readable. */
function speller(call: Call): (text: string) => string {
  if (call.target.query.get("encoding-type") !== "url") return (text) => text;
  return (text) => uriEncode(text).replaceAll("%2F", "/");
}

function encodingElement(call: Call): XmlNode {
  return call.target.query.get("encoding-type") === "url" ? { EncodingType: "url" } : {};
}

function entries(page: Page, spell: (text: string) => string, owner: XmlNode): XmlNode {
  return {
    Contents: page.contents.map(({ key, modifiedMs, etag, sizeBytes, storageClass, checksum }) => ({
      Key: spell(key),
      LastModified: new Date(modifiedMs).toISOString(),
      ETag: `"${etag}"`,
      ...(checksum === undefined ? {} : { ChecksumAlgorithm: checksum[0].toUpperCase(), ChecksumType: checksum[1] }),
      Size: String(sizeBytes),
      ...owner,
      StorageClass: storageClass,
    })),
    CommonPrefixes: page.prefixes.map((prefix) => ({ Prefix: spell(prefix) })),
  };
}

/** Opaque to clients; base64 of the UTF-8, so that any key survives a URL. */
function writeToken(last: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(last)));
}

function readToken(token: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
      Uint8Array.from(atob(token), (character) => character.charCodeAt(0)),
    );
  } catch {
    throw new S3Error("InvalidArgument", "The continuation token provided is incorrect", {
      ArgumentName: "continuation-token",
    });
  }
}
