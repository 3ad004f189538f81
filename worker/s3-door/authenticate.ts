/**
 * Who is asking, and did they sign exactly this? Header and presigned-query authentication by the rules S3 applies, in the
 * order S3 applies them; anonymous requests are refused. sigv4.ts does the arithmetic.
 */
import type { Credential } from "./credential.ts";
import { S3Error } from "./errors.ts";
import {
  ALGORITHM,
  canonicalRequest,
  parseAmzDate,
  type Scope,
  sameSignature,
  scopeText,
  sign,
  signingKey,
  stringToSign,
  UNSIGNED_PAYLOAD,
} from "./sigv4.ts";
import { hostOf, type Target } from "./target.ts";

/** "The difference … must not exceed 15 minutes" (RequestTimeTooSkewed). */
const MAX_SKEW_MS = 15 * 60 * 1000;
/** Seven days: the signing key itself is good for no longer (presigned URL limits). */
const MAX_EXPIRES_SECONDS = 604_800;

/** The part of the door that judging a signature needs. */
interface Gate {
  readonly credentials: (accessKeyId: string) => Credential | undefined;
  readonly regions: readonly string[];
  readonly now: () => number;
}

export interface Identity {
  readonly accessKeyId: string;
  readonly accountId: string;
  /** The region the signature is scoped to. */
  readonly region: string;
  readonly presigned: boolean;
  /** `x-amz-content-sha256` as signed: a hash, UNSIGNED-PAYLOAD or a STREAMING-* mode. */
  readonly payload: string;
  readonly seal: Seal;
}

/** What chunk signatures are chained to. */
export interface Seal {
  readonly key: Uint8Array;
  readonly amzDate: string;
  readonly scope: Scope;
  readonly signature: string;
}

/** A claim read from the wire, not yet believed. */
interface Claim {
  readonly accessKeyId: string;
  readonly scope: Scope;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  readonly amzDate: string;
  readonly presigned: boolean;
  readonly payload: string;
}

export function authenticate(request: Request, target: Target, door: Gate): Identity {
  const { query } = target;
  const authorization = request.headers.get("authorization");
  const inQuery = query.has("X-Amz-Algorithm") || query.has("X-Amz-Signature") || query.has("X-Amz-Credential");
  if (authorization !== null && inQuery) {
    throw new S3Error(
      "InvalidArgument",
      "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified",
    );
  }
  if (query.has("Signature") && query.has("AWSAccessKeyId")) throw unsupportedMechanism();
  if (authorization === null && !inQuery) throw new S3Error("AccessDenied");
  if (request.headers.has("x-amz-security-token") || query.has("X-Amz-Security-Token")) {
    throw new S3Error("InvalidToken");
  }
  const claim = authorization === null ? queryClaim(request, target, door) : headerClaim(request, authorization, door);
  const credential = door.credentials(claim.accessKeyId);
  if (credential === undefined) {
    throw new S3Error("InvalidAccessKeyId", undefined, { AWSAccessKeyId: claim.accessKeyId });
  }
  refuseUnsignedHeaders(request.headers, claim.signedHeaders);
  return prove(request, target, claim, credential);
}

function prove(request: Request, target: Target, claim: Claim, credential: Credential): Identity {
  const key = signingKey(credential.secretAccessKey, claim.scope);
  const canonical = canonicalRequest({
    method: request.method,
    path: target.path,
    query: target.query.pairs.filter(([name]) => !(claim.presigned && name === "X-Amz-Signature")),
    headers: [...claim.signedHeaders].sort().map((name) => [name, signedValue(request, name)] as const),
    payloadHash: claim.payload,
  });
  const text = stringToSign(claim.amzDate, claim.scope, canonical);
  const expected = sign(key, text);
  if (!sameSignature(expected, claim.signature)) {
    throw new S3Error("SignatureDoesNotMatch", undefined, {
      AWSAccessKeyId: claim.accessKeyId,
      StringToSign: text,
      SignatureProvided: claim.signature,
      CanonicalRequest: canonical,
    });
  }
  return {
    accessKeyId: claim.accessKeyId,
    accountId: credential.accountId,
    region: claim.scope.region,
    presigned: claim.presigned,
    payload: claim.payload,
    seal: { key, amzDate: claim.amzDate, scope: claim.scope, signature: claim.signature },
  };
}

function headerClaim(request: Request, authorization: string, door: Gate): Claim {
  if (!authorization.startsWith("AWS4-")) {
    if (authorization.startsWith("AWS ")) throw unsupportedMechanism();
    throw new S3Error("InvalidArgument", "Unsupported Authorization Type");
  }
  const fields = new Map<string, string>();
  for (const part of authorization.slice(authorization.indexOf(" ") + 1).split(",")) {
    const at = part.indexOf("=");
    if (at > 0) fields.set(part.slice(0, at).trim(), part.slice(at + 1).trim());
  }
  const credential = fields.get("Credential");
  const signedHeaders = fields.get("SignedHeaders");
  const signature = fields.get("Signature");
  if (!authorization.startsWith(`${ALGORITHM} `) || !credential || !signedHeaders || !signature) {
    throw new S3Error(
      "AuthorizationHeaderMalformed",
      `The authorization header is malformed; it must read ${ALGORITHM} with Credential, SignedHeaders and Signature.`,
    );
  }
  const { accessKeyId, scope } = readCredential(credential, door, "AuthorizationHeaderMalformed");
  const amzDate = request.headers.get("x-amz-date") ?? dateHeader(request.headers);
  const timeMs = amzDate === undefined ? undefined : parseAmzDate(amzDate);
  if (amzDate === undefined || timeMs === undefined) {
    throw new S3Error("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header");
  }
  requireSameDay("AuthorizationHeaderMalformed", scope, amzDate);
  refuseSkew(amzDate, timeMs, door.now());
  const payload = request.headers.get("x-amz-content-sha256");
  if (payload === null) {
    throw new S3Error("InvalidRequest", "Missing required header for this request: x-amz-content-sha256");
  }
  return { accessKeyId, scope, signedHeaders: signedHeaders.split(";"), signature, amzDate, presigned: false, payload };
}

/** "If x-amz-date is absent, Date is used": an HTTP date, or the ISO form that some clients send. */
function dateHeader(headers: Headers): string | undefined {
  const text = headers.get("date");
  if (text === null || parseAmzDate(text) !== undefined) return text ?? undefined;
  const parsed = Date.parse(text);
  return Number.isNaN(parsed) ? undefined : new Date(parsed).toISOString().replace(/[-:]|\.\d{3}/g, "");
}

function queryClaim(request: Request, target: Target, door: Gate): Claim {
  const malformed = (message: string) => new S3Error("AuthorizationQueryParametersError", message);
  const need = (name: string): string => {
    const value = target.query.get(`X-Amz-${name}`);
    if (value) return value;
    throw malformed(
      "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
    );
  };
  if (need("Algorithm") !== ALGORITHM) throw malformed(`X-Amz-Algorithm only supports "${ALGORITHM}"`);
  const { accessKeyId, scope } = readCredential(need("Credential"), door, "AuthorizationQueryParametersError");
  const amzDate = need("Date");
  const signedMs = parseAmzDate(amzDate);
  if (signedMs === undefined) throw malformed("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"");
  requireSameDay("AuthorizationQueryParametersError", scope, amzDate);
  const expires = need("Expires");
  if (!/^-?\d+$/.test(expires)) throw malformed("X-Amz-Expires should be a number");
  const seconds = Number(expires);
  if (seconds < 0) throw malformed("X-Amz-Expires must be non-negative");
  if (seconds > MAX_EXPIRES_SECONDS) {
    throw malformed(
      "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds",
    );
  }
  refuseOutsideLife(signedMs, seconds, door.now());
  // A signed x-amz-content-sha256 header (or the parameter SDKs put in its place) is honoured; otherwise the body is free.
  const payload =
    request.headers.get("x-amz-content-sha256") ?? target.query.get("X-Amz-Content-Sha256") ?? UNSIGNED_PAYLOAD;
  const signedHeaders = need("SignedHeaders").split(";");
  return { accessKeyId, scope, signedHeaders, signature: need("Signature"), amzDate, presigned: true, payload };
}

type MalformedCode = "AuthorizationHeaderMalformed" | "AuthorizationQueryParametersError";

function readCredential(text: string, door: Gate, code: MalformedCode): { accessKeyId: string; scope: Scope } {
  const prefix = malformedPrefix(code);
  const parts = text.split("/");
  const [accessKeyId, date, region, service, terminator] = parts.slice(-5);
  if (!accessKeyId || !date || !/^\d{8}$/.test(date) || !region || parts.length !== 5) {
    throw new S3Error(
      code,
      `${prefix}; the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".`,
    );
  }
  if (service !== "s3")
    throw new S3Error(code, `${prefix}; incorrect service "${service}". This endpoint belongs to "s3".`);
  if (terminator !== "aws4_request") {
    throw new S3Error(code, `${prefix}; incorrect terminal "${terminator}". This endpoint uses "aws4_request".`);
  }
  if (!door.regions.includes(region)) throw wrongRegion(code, region, door.regions[0] ?? "us-east-1");
  return { accessKeyId, scope: { date, region } };
}

/** The signature is scoped to a region this bucket (or this endpoint) is not in; S3 names the right one. */
export function wrongRegion(code: MalformedCode, given: string, expected: string): S3Error {
  return new S3Error(
    code,
    `${malformedPrefix(code)}; the region '${given}' is wrong; expecting '${expected}'`,
    { Region: expected },
    { "x-amz-bucket-region": expected },
  );
}

function malformedPrefix(code: MalformedCode): string {
  return code === "AuthorizationHeaderMalformed"
    ? "The authorization header is malformed"
    : "Error parsing the X-Amz-Credential parameter";
}

function requireSameDay(code: MalformedCode, scope: Scope, amzDate: string): void {
  if (amzDate.startsWith(scope.date)) return;
  throw new S3Error(
    code,
    `Invalid credential date "${scope.date}". This date is not the same as X-Amz-Date: "${amzDate.slice(0, 8)}".`,
  );
}

function refuseSkew(amzDate: string, timeMs: number, nowMs: number): void {
  if (Math.abs(nowMs - timeMs) <= MAX_SKEW_MS) return;
  throw new S3Error("RequestTimeTooSkewed", undefined, {
    RequestTime: amzDate,
    ServerTime: isoSeconds(nowMs),
    MaxAllowedSkewMilliseconds: String(MAX_SKEW_MS),
  });
}

function refuseOutsideLife(signedMs: number, seconds: number, nowMs: number): void {
  const endMs = signedMs + seconds * 1000;
  if (signedMs - nowMs > MAX_SKEW_MS) {
    throw new S3Error("AccessDenied", "Request is not yet valid", {
      "X-Amz-Expires": String(seconds),
      Expires: isoSeconds(endMs),
      ServerTime: isoSeconds(nowMs),
    });
  }
  if (nowMs > endMs) {
    throw new S3Error("AccessDenied", "Request has expired", {
      "X-Amz-Expires": String(seconds),
      Expires: isoSeconds(endMs),
      ServerTime: isoSeconds(nowMs),
    });
  }
}

/** Every x-amz-* header counts: one added on the way could change an ACL, a checksum or a storage class. */
function refuseUnsignedHeaders(headers: Headers, signed: readonly string[]): void {
  const loose = [...headers.keys()].filter((name) => name.startsWith("x-amz-") && !signed.includes(name));
  if (!signed.includes("host")) loose.unshift("host");
  if (loose.length === 0) return;
  throw new S3Error("AccessDenied", "There were headers present in the request which were not signed", {
    HeadersNotSigned: loose.join(", "),
  });
}

function signedValue(request: Request, name: string): string {
  return name === "host" ? hostOf(request) : (request.headers.get(name) ?? "");
}

function unsupportedMechanism(): S3Error {
  return new S3Error(
    "InvalidRequest",
    "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
  );
}

function isoSeconds(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d{3}/, "");
}

/** For chunk signatures: the scope spelled as it stands in their string to sign. */
export function sealScope(seal: Seal): string {
  return scopeText(seal.scope);
}
