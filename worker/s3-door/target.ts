/**
 * What a request points at. The path is decoded once, here, and the signature is checked over this decoded form encoded
 * again ("Authenticating Requests: canonical URI", S3: no normalisation, encoded once): two spellings of one key are one key.
 */
import { S3Error } from "./errors.ts";

export interface Target {
  /** Decoded path as the signature covers it, virtual host or not. */
  readonly path: string;
  readonly bucket: string | undefined;
  readonly key: string | undefined;
  readonly query: Query;
}

export interface Query {
  readonly pairs: readonly (readonly [name: string, value: string])[];
  get(name: string): string | undefined;
  has(name: string): boolean;
}

export function readTarget(request: Request, hostSuffix: string | undefined): Target {
  const url = new URL(request.url);
  const path = decode(url.pathname);
  const query = readQuery(url.search);
  const hosted = hostedBucket(hostOf(request), hostSuffix);
  if (hosted !== undefined) {
    return { path, bucket: hosted, key: path.length > 1 ? path.slice(1) : undefined, query };
  }
  const slash = path.indexOf("/", 1);
  const bucket = slash < 0 ? path.slice(1) : path.slice(1, slash);
  const key = slash < 0 ? "" : path.slice(slash + 1);
  return { path, bucket: bucket === "" ? undefined : bucket, key: key === "" ? undefined : key, query };
}

/** The Host header as the client signed it; a runtime that does not show it has put it into the URL. */
export function hostOf(request: Request): string {
  return request.headers.get("host") ?? new URL(request.url).host;
}

function hostedBucket(host: string, suffix: string | undefined): string | undefined {
  if (suffix === undefined) return undefined;
  const name = host.replace(/:\d+$/, "").toLowerCase();
  const tail = `.${suffix.toLowerCase()}`;
  return name.endsWith(tail) && name.length > tail.length ? name.slice(0, -tail.length) : undefined;
}

function readQuery(search: string): Query {
  const pairs: [string, string][] = [];
  for (const part of search.replace(/^\?/, "").split("&")) {
    if (part === "") continue;
    const at = part.indexOf("=");
    const name = at < 0 ? part : part.slice(0, at);
    const value = at < 0 ? "" : part.slice(at + 1);
    // S3 reads "+" in a query as a space (form encoding), in a path as itself.
    pairs.push([decode(name.replaceAll("+", " ")), decode(value.replaceAll("+", " "))]);
  }
  const first = new Map<string, string>();
  for (const [name, value] of pairs) if (!first.has(name)) first.set(name, value);
  return { pairs, get: (name) => first.get(name), has: (name) => first.has(name) };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // Not UTF-8 once decoded, or a lone "%".
    throw new S3Error("InvalidURI");
  }
}
