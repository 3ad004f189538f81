/**
 * The settings a wallet's bucket gets, and which of them a store knows. Some S3-compatible stores refuse the unknown ones with 501;
 * others read `PUT /bucket?setting` as CreateBucket and answer 200. So a store is asked before it is told, once: a setting is known
 * where its GET answers with the setting's own document or the setting's own "there is none".
 */
import { md5 } from "@noble/hashes/legacy.js";
import { bytesToBase64 } from "#contract/base64";
import { utf8ToBytes } from "#contract/bytes";
import type { S3Answer, S3Client } from "./client.ts";

export type Setting = "tagging" | "publicAccessBlock" | "ownershipControls" | "policy" | "lifecycle" | "cors";

/** What was found out about a store. Kept as long as the isolate; found out again after it. */
export interface Found {
  readonly knows: Map<Setting, boolean>;
  /** A bucket with all settings was seen to take a write. */
  writable: boolean;
}

export interface BucketPlace {
  readonly region: string;
  readonly name: string;
}

export type Done = { readonly end: "ready" } | { readonly end: "unknown"; readonly detail: string };

/** How each document begins; a bucket policy is JSON. */
const OPENS: Record<Setting, RegExp> = {
  tagging: /<Tagging[\s>]/,
  // radosgw misspells the root of its own answer.
  publicAccessBlock: /<(Block)?PublicAccessBlockConfiguration[\s>]/,
  ownershipControls: /<OwnershipControls[\s>]/,
  policy: /^\s*\{/,
  lifecycle: /<LifecycleConfiguration[\s>]/,
  cors: /<CORSConfiguration[\s>]/,
};
/** 404 for other reasons than that there is none. */
const ABSENT = ["NoSuchBucket", "NoSuchKey", ""];
const UNKNOWN_400 = ["NotImplemented", "InvalidArgument", "InvalidRequest"];

/** Whether the store knows a setting; `detail` when it does not say. */
export async function knows(
  s3: S3Client,
  found: Found,
  bucket: BucketPlace,
  setting: Setting,
): Promise<boolean | string> {
  // AWS knows them all. A setting it does not take today is no reason to do without it.
  if (s3.config.kind === "aws") return true;
  const known = found.knows.get(setting);
  if (known !== undefined) return known;
  const verdict = saidOf(setting, await get(s3, bucket, setting));
  if (typeof verdict === "boolean") remember(s3, found, setting, verdict);
  return verdict;
}

/** `detail` when the answer does not tell. */
export function saidOf(setting: Setting, answer: S3Answer): boolean | string {
  if (answer.ok) return OPENS[setting].test(answer.body);
  if (answer.ok === undefined) return answer.detail;
  const { status, code } = answer;
  if (status === 404 && !ABSENT.includes(code)) return true;
  if (status === 501 || status === 405 || (status === 400 && UNKNOWN_400.includes(code))) return false;
  return `Get ${setting} answered ${status} ${code}`;
}

export function remember(s3: S3Client, { knows }: Found, setting: Setting, verdict: boolean): void {
  knows.set(setting, verdict);
  // The promises that rest on it are the operator's then, so the operator is told.
  if (!verdict) console.warn(JSON.stringify({ code: "bucket_setting_unknown", setting, store: s3.config.endpoint }));
}

/** All are idempotent and put until each was seen to take. */
export async function applySettings(s3: S3Client, found: Found, bucket: BucketPlace): Promise<Done> {
  const settings: [Setting, string][] = [
    ["publicAccessBlock", PUBLIC_ACCESS_BLOCK],
    ["ownershipControls", OWNERSHIP],
    ["policy", policyOf(s3, bucket.name)],
    ["lifecycle", LIFECYCLE],
    ["cors", CORS],
  ];
  for (const [setting, body] of settings) {
    const done = await apply(s3, found, bucket, setting, body);
    if (done.end !== "ready") return done;
  }
  return found.writable || s3.config.kind === "aws" ? { end: "ready" } : tryWrite(s3, found, bucket);
}

async function apply(s3: S3Client, found: Found, bucket: BucketPlace, setting: Setting, body: string): Promise<Done> {
  if (body === "") return { end: "ready" };
  const known = await knows(s3, found, bucket, setting);
  if (typeof known === "string") return { end: "unknown", detail: known };
  if (!known) return { end: "ready" };
  const answer = await put(s3, bucket, setting, body);
  if (answer.ok) return { end: "ready" };
  if (answer.ok === undefined) return { end: "unknown", detail: answer.detail };
  if (answer.status !== 501 || s3.config.kind === "aws")
    return { end: "unknown", detail: `Put ${setting} answered ${answer.status} ${answer.code}` };
  remember(s3, found, setting, false);
  return { end: "ready" };
}

export const PROBE = ".mnemospark/probe";

/**
 * A setting may be taken and break the store: with BlockPublicAcls, radosgw 16 refuses every PUT. Better found out before a client
 * is sent there with bytes it has paid for.
 */
async function tryWrite(s3: S3Client, found: Found, bucket: BucketPlace): Promise<Done> {
  const write = () => s3.send({ method: "PUT", region: bucket.region, bucket: bucket.name, key: PROBE, body: "" });
  let answer = await settled(write);
  if (answer.ok === false && answer.status === 403 && found.knows.get("publicAccessBlock")) {
    const query = { publicAccessBlock: "" };
    const removed = await s3.send({ method: "DELETE", region: bucket.region, bucket: bucket.name, query });
    if (removed.ok) answer = await settled(write);
    if (answer.ok) remember(s3, found, "publicAccessBlock", false);
  }
  if (!answer.ok)
    return {
      end: "unknown",
      detail: answer.ok === undefined ? answer.detail : `the bucket refuses writes (${answer.code})`,
    };
  found.writable = true;
  // An empty object nobody names; left behind it would only keep the bucket from being removed.
  await s3.send({ method: "DELETE", region: bucket.region, bucket: bucket.name, key: PROBE });
  return { end: "ready" };
}

export function get(s3: S3Client, bucket: BucketPlace, setting: Setting): Promise<S3Answer> {
  return settled(() =>
    s3.send({ method: "GET", region: bucket.region, bucket: bucket.name, query: { [setting]: "" } }),
  );
}

/** Several want Content-MD5 (S3 API reference). */
export function put(s3: S3Client, bucket: BucketPlace, setting: Setting, body: string): Promise<S3Answer> {
  const headers = { "content-md5": bytesToBase64(md5(utf8ToBytes(body))) };
  const { region, name } = bucket;
  return settled(() => s3.send({ method: "PUT", region, bucket: name, query: { [setting]: "" }, headers, body }));
}

/** A bucket made a moment ago is not yet known everywhere, and two first payments may set it up at once (409 OperationAborted). */
const SETTLING = ["NoSuchBucket", "OperationAborted"];
const SETTLE_PAUSES_MS = [100, 400, 1_000];

export async function settled(ask: () => Promise<S3Answer>): Promise<S3Answer> {
  let answer = await ask();
  for (const pauseMs of SETTLE_PAUSES_MS) {
    if (answer.ok !== false || !SETTLING.includes(answer.code)) return answer;
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    answer = await ask();
  }
  return answer;
}

const PUBLIC_ACCESS_BLOCK =
  "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>";
const OWNERSHIP =
  "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>";
/** 35 days: longer than any paid period an upload can still be resumed in. */
const LIFECYCLE =
  "<LifecycleConfiguration><Rule><ID>abort-unfinished-uploads</ID><Filter><Prefix></Prefix></Filter><Status>Enabled</Status><AbortIncompleteMultipartUpload><DaysAfterInitiation>35</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule></LifecycleConfiguration>";
/** The browser view reads and writes by presigned URL from any origin: the URL is the permission, not the page. */
const CORS =
  "<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod><AllowedMethod>PUT</AllowedMethod><AllowedMethod>HEAD</AllowedMethod><AllowedHeader>*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><ExposeHeader>Content-Range</ExposeHeader><ExposeHeader>x-amz-meta-wrapped-dek</ExposeHeader><MaxAgeSeconds>3000</MaxAgeSeconds></CORSRule></CORSConfiguration>";

/** Per-wallet isolation: nobody outside our account, and nothing in clear on the wire. Empty where neither can be said. */
function policyOf({ config }: S3Client, name: string): string {
  const resources = [`arn:aws:s3:::${name}`, `arn:aws:s3:::${name}/*`];
  const deny = (sid: string, condition: object) => ({
    Sid: sid,
    Effect: "Deny",
    Principal: "*",
    Action: "s3:*",
    Resource: resources,
    Condition: condition,
  });
  const { accountId, endpoint } = config;
  const statements = [
    ...(accountId === undefined
      ? []
      : [deny("OurAccountOnly", { StringNotEquals: { "aws:PrincipalAccount": accountId } })]),
    // A self-hosted endpoint may be plain HTTP on loopback, where this statement would lock everybody out.
    ...(endpoint?.startsWith("http:") ? [] : [deny("TlsOnly", { Bool: { "aws:SecureTransport": "false" } })]),
  ];
  return statements.length === 0 ? "" : JSON.stringify({ Version: "2012-10-17", Statement: statements });
}
