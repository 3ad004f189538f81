/**
 * Bucket policies: JSON in, the same JSON out. The shape is checked as far as S3 checks it before storing; statements are
 * not evaluated (only the owner gets in here at all). BlockPublicPolicy does act, as on AWS: it decides what may be stored.
 */
import { readDocument } from "./body.ts";
import { changeBucket, openBucket } from "./bucket-access.ts";
import { requireBodyProof } from "./checksum.ts";
import type { Call } from "./door.ts";
import { S3Error } from "./errors.ts";
import { leaf } from "./xml.ts";

/** "Bucket policies are limited to 20 KB in size." */
const MAX_POLICY = 20 * 1024;

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
type JsonObject = { [name: string]: Json };

export async function putBucketPolicy(call: Call): Promise<Response> {
  const bucket = await openBucket(call);
  requireBodyProof(call.headers);
  const text = await readDocument(call, 1024 * 1024);
  if (text.length > MAX_POLICY) throw malformed("Normalized policy document exceeds the maximum allowed size");
  const statements = checkPolicy(text, bucket.name);
  const block = bucket.configs["publicAccessBlock"];
  if (block !== undefined && leaf(block, "BlockPublicPolicy") === "true" && statements.some(isPublic)) {
    throw new S3Error(
      "AccessDenied",
      "The bucket policy is public and is blocked by the BlockPublicPolicy block public access setting.",
    );
  }
  await changeBucket(call, (record) => ({ ...record, policy: text }));
  return new Response(null, { status: 204 });
}

export async function getBucketPolicy(call: Call): Promise<Response> {
  const { name, policy } = await openBucket(call);
  if (policy === undefined) throw new S3Error("NoSuchBucketPolicy", undefined, { BucketName: name });
  return new Response(policy, { status: 200, headers: { "content-type": "application/json" } });
}

export async function deleteBucketPolicy(call: Call): Promise<Response> {
  await changeBucket(call, ({ policy: _gone, ...record }) => record);
  return new Response(null, { status: 204 });
}

function checkPolicy(text: string, bucket: string): JsonObject[] {
  const policy = parse(text);
  if (!isObject(policy)) throw malformed();
  const version = policy["Version"];
  if (version !== undefined && version !== "2012-10-17" && version !== "2008-10-17") {
    throw malformed("The policy must contain a valid version string");
  }
  const listed = policy["Statement"];
  const statements = Array.isArray(listed) ? listed : listed === undefined ? [] : [listed];
  if (statements.length === 0) throw malformed("Missing required field Statement");
  return statements.map((statement) => checkStatement(statement, bucket));
}

function checkStatement(statement: Json, bucket: string): JsonObject {
  if (!isObject(statement)) throw malformed("Statement must be an object");
  const effect = statement["Effect"];
  if (effect !== "Allow" && effect !== "Deny") throw malformed(`Invalid effect: ${JSON.stringify(effect ?? null)}`);
  if (statement["Principal"] === undefined && statement["NotPrincipal"] === undefined) {
    throw malformed("Missing required field Principal");
  }
  const actions = strings(statement["Action"] ?? statement["NotAction"]);
  if (actions.length === 0) throw malformed("Missing required field Action");
  if (!actions.every((action) => action === "*" || /^s3:[A-Za-z*?]+$/i.test(action))) {
    throw malformed("Policy has invalid action");
  }
  const resources = strings(statement["Resource"] ?? statement["NotResource"]);
  if (resources.length === 0) throw malformed("Missing required field Resource");
  const own = `arn:aws:s3:::${bucket}`;
  if (!resources.every((resource) => resource === own || resource.startsWith(`${own}/`))) {
    throw malformed("Policy has invalid resource");
  }
  return statement;
}

/** "The meaning of public", narrowly: everybody is allowed and no condition narrows it. */
function isPublic(statement: JsonObject): boolean {
  if (statement["Effect"] !== "Allow" || statement["Condition"] !== undefined) return false;
  const principal = statement["Principal"];
  if (principal === undefined || principal === "*") return true;
  return isObject(principal) && strings(principal["AWS"]).includes("*");
}

function parse(text: string): Json {
  try {
    return JSON.parse(text);
  } catch {
    throw malformed();
  }
}

function strings(value: Json | undefined): string[] {
  const list = Array.isArray(value) ? value : value === undefined ? [] : [value];
  return list.every((item) => typeof item === "string") ? list : [];
}

function isObject(value: Json): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function malformed(message?: string): S3Error {
  return new S3Error("MalformedPolicy", message);
}
