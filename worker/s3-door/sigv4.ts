/**
 * Signature Version 4 as S3 computes it: pure functions from values to strings ("Authenticating Requests (AWS Signature
 * Version 4)", S3 API reference). The rules about who may send what are in authenticate.ts.
 */
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";

export const ALGORITHM = "AWS4-HMAC-SHA256";
export const UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD";

export interface Scope {
  /** YYYYMMDD */
  readonly date: string;
  readonly region: string;
}

export interface CanonicalInput {
  readonly method: string;
  readonly path: string;
  readonly query: readonly (readonly [string, string])[];
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly payloadHash: string;
}

export function scopeText({ date, region }: Scope): string {
  return `${date}/${region}/s3/aws4_request`;
}

export function canonicalRequest({ method, path, query, headers, payloadHash }: CanonicalInput): string {
  const pairs = query.map(([name, value]) => `${uriEncode(name)}=${uriEncode(value)}`);
  // Sorted after encoding, by byte; encoded text is ASCII, so the default sort is the byte order. "=" must not take part:
  // "a=" and "a-b=" compare by name first.
  const sorted = query.map((_, index) => index).sort((left, right) => comparePairs(query[left], query[right]));
  const lines = headers.map(([name, value]) => `${name}:${value.trim().replace(/ +/g, " ")}\n`);
  return [
    method,
    path.split("/").map(uriEncode).join("/"),
    sorted.map((index) => pairs[index]).join("&"),
    lines.join(""),
    headers.map(([name]) => name).join(";"),
    payloadHash,
  ].join("\n");
}

function comparePairs(left: readonly [string, string] = ["", ""], right: readonly [string, string] = ["", ""]): number {
  return compareAscii(uriEncode(left[0]), uriEncode(right[0])) || compareAscii(uriEncode(left[1]), uriEncode(right[1]));
}

function compareAscii(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

export function stringToSign(amzDate: string, scope: Scope, canonical: string): string {
  return [ALGORITHM, amzDate, scopeText(scope), hexHash(canonical)].join("\n");
}

export function signingKey(secretAccessKey: string, { date, region }: Scope): Uint8Array {
  const dateKey = hmac(sha256, utf8ToBytes(`AWS4${secretAccessKey}`), utf8ToBytes(date));
  const regionKey = hmac(sha256, dateKey, utf8ToBytes(region));
  const serviceKey = hmac(sha256, regionKey, utf8ToBytes("s3"));
  return hmac(sha256, serviceKey, utf8ToBytes("aws4_request"));
}

export function sign(key: Uint8Array, text: string): string {
  return bytesToHex(hmac(sha256, key, utf8ToBytes(text)));
}

export function hexHash(text: string): string {
  return bytesToHex(sha256(utf8ToBytes(text)));
}

/** Equal in time that does not depend on where two signatures differ. */
export function sameSignature(left: string, right: string): boolean {
  if (left.length !== right.length) return false;
  let difference = 0;
  for (let index = 0; index < left.length; index++) difference |= left.charCodeAt(index) ^ right.charCodeAt(index);
  return difference === 0;
}

/** Everything but the RFC 3986 unreserved characters, in upper-case hex; encodeURIComponent leaves five more alone. */
export function uriEncode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** `20130524T000000Z` to milliseconds, or undefined when it is not such a time. */
export function parseAmzDate(text: string): number | undefined {
  const found = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (found === null) return undefined;
  const [, year, month, day, hour, minute, second] = found;
  const parsed = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(parsed) ? undefined : parsed;
}

export function formatAmzDate(ms: number): string {
  return new Date(ms).toISOString().replace(/[-:]|\.\d{3}/g, "");
}
