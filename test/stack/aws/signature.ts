/**
 * AWS Signature Version 4, checked the way the services check it: header form, whole body, fifteen minutes of drift.
 *
 * Written from the published description of the scheme and kept apart from the code that signs in the edge, so that one
 * misunderstanding cannot hide in both.
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";

export interface SignedRequest {
  readonly method: string;
  readonly path: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
}

export interface Expectation {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
  readonly service: string;
  readonly nowMs: number;
}

/** AWS's error code and a sentence. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
  /** 400 where nothing is said. */
  readonly status?: number;
  /** Further fields that this error has. */
  readonly more?: Readonly<Record<string, unknown>>;
}

const ALGORITHM = "AWS4-HMAC-SHA256";
const DRIFT_MS = 15 * 60 * 1000;

const sha256 = (data: Buffer | string) => createHash("sha256").update(data).digest("hex");
const hmac = (key: Buffer | string, data: string) => createHmac("sha256", key).update(data).digest();

interface Authorization {
  readonly accessKeyId: string;
  readonly date: string;
  readonly region: string;
  readonly service: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
}

function parseAuthorization(header: string): Authorization | undefined {
  if (!header.startsWith(`${ALGORITHM} `)) return undefined;
  const parts = new Map<string, string>();
  for (const part of header.slice(ALGORITHM.length + 1).split(",")) {
    const [name = "", value = ""] = part.trim().split("=", 2);
    parts.set(name, value);
  }
  const scope = parts.get("Credential")?.split("/") ?? [];
  const [accessKeyId, date, region, service, ending] = scope;
  const signedHeaders = parts.get("SignedHeaders")?.split(";") ?? [];
  const signature = parts.get("Signature");
  if (!accessKeyId || !date || !region || !service || !signature || signedHeaders.length === 0) return undefined;
  return ending === "aws4_request" && scope.length === 5
    ? { accessKeyId, date, region, service, signedHeaders, signature }
    : undefined;
}

/** `20260102T030405Z` as milliseconds since 1970. */
function instant(stamp: string): number {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(stamp);
  if (match === null) return Number.NaN;
  const [, year, month, day, hour, minute, second] = match;
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}

function signatureOf(request: SignedRequest, given: Authorization, stamp: string, secret: string): Buffer {
  const headers = given.signedHeaders.map((name) => {
    const value = (request.headers[name] ?? "").trim().replaceAll(/ +/g, " ");
    return `${name}:${value}\n`;
  });
  const names = given.signedHeaders.join(";");
  const canonical = [request.method, request.path, "", headers.join(""), names, sha256(request.body)].join("\n");
  const scope = `${given.date}/${given.region}/${given.service}/aws4_request`;
  const toSign = [ALGORITHM, stamp, scope, sha256(canonical)].join("\n");
  const keyOfDay = hmac(`AWS4${secret}`, given.date);
  const key = hmac(hmac(hmac(keyOfDay, given.region), given.service), "aws4_request");
  return hmac(key, toSign);
}

const invalid = (message: string): Refusal => ({ code: "InvalidSignatureException", message });
const incomplete = (message: string): Refusal => ({ code: "IncompleteSignatureException", message });

/** `undefined` when the request is signed as it should be. */
export function refuseSignature(request: SignedRequest, expected: Expectation): Refusal | undefined {
  const header = request.headers["authorization"];
  if (header === undefined)
    return { code: "MissingAuthenticationTokenException", message: "Missing Authentication Token" };
  const given = parseAuthorization(header);
  if (given === undefined) return incomplete("The Authorization header is not a complete AWS4-HMAC-SHA256 one.");
  return (
    refuseForm(request, given) ??
    refuseDate(request.headers["x-amz-date"] ?? "", given, expected.nowMs) ??
    refuseScope(request, given, expected) ??
    refuseDigest(request, given, expected)
  );
}

/** What a signature leaves out, a stranger may change: the host and every x-amz header must be in it. */
function refuseForm(request: SignedRequest, given: Authorization): Refusal | undefined {
  const mustBeSigned = Object.keys(request.headers).filter((name) => name === "host" || name.startsWith("x-amz-"));
  const missing = mustBeSigned.find((name) => !given.signedHeaders.includes(name));
  if (missing !== undefined) return invalid(`'${missing}' must be a signed header in the AWS Authorization header.`);
  const absent = given.signedHeaders.find((name) => request.headers[name] === undefined);
  return absent === undefined ? undefined : invalid(`The signed header '${absent}' is not in the request.`);
}

function refuseDate(stamp: string, given: Authorization, nowMs: number): Refusal | undefined {
  const at = instant(stamp);
  if (Number.isNaN(at)) return incomplete("The X-Amz-Date header is missing or not of the form YYYYMMDD'T'HHMMSS'Z'.");
  if (!stamp.startsWith(given.date))
    return invalid("Date in Credential scope does not match YYYYMMDD from X-Amz-Date.");
  if (at < nowMs - DRIFT_MS) return invalid(`Signature expired: ${stamp} is more than 15 minutes ago.`);
  if (at > nowMs + DRIFT_MS) return invalid(`Signature not yet current: ${stamp} is more than 15 minutes ahead.`);
  return undefined;
}

function refuseScope(request: SignedRequest, given: Authorization, expected: Expectation): Refusal | undefined {
  if (given.accessKeyId !== expected.accessKeyId || request.headers["x-amz-security-token"] !== undefined) {
    return { code: "UnrecognizedClientException", message: "The security token included in the request is invalid." };
  }
  if (given.region !== expected.region) {
    return invalid(`Credential should be scoped to a valid region, not '${given.region}'.`);
  }
  if (given.service !== expected.service) {
    return invalid(`Credential should be scoped to correct service: '${expected.service}'.`);
  }
  return undefined;
}

function refuseDigest(request: SignedRequest, given: Authorization, expected: Expectation): Refusal | undefined {
  const stated = request.headers["x-amz-content-sha256"];
  if (stated !== undefined && stated !== sha256(request.body)) {
    return invalid("The value of x-amz-content-sha256 is not the digest of the body.");
  }
  const right = signatureOf(request, given, request.headers["x-amz-date"] ?? "", expected.secretAccessKey);
  const came = Buffer.from(given.signature, "hex");
  if (came.length === right.length && timingSafeEqual(came, right)) return undefined;
  return invalid(
    "The request signature we calculated does not match the signature you provided. " +
      "Check your AWS Secret Access Key and signing method.",
  );
}
