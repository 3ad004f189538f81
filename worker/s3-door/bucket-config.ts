/**
 * The bucket's configuration documents: each is parsed, checked, kept as values and written out again on GET. What is in
 * them is remembered, not acted on, except CORS (cors.ts) and BlockPublicPolicy (bucket-policy.ts).
 */
import { readDocument } from "./body.ts";
import { changeBucket, openBucket } from "./bucket-access.ts";
import { requireBodyProof } from "./checksum.ts";
import { checkCors } from "./cors-rules.ts";
import type { Call } from "./door.ts";
import { S3Error, type S3ErrorCode } from "./errors.ts";
import { checkLifecycle, nameLifecycleRules } from "./lifecycle-rules.ts";
import { each, eachNode, leaf, parseXml, type XmlNode, xmlResponse } from "./xml.ts";

/** Far above any document S3 takes: 1,000 lifecycle rules, 100 CORS rules of 64 KB together. */
const MAX_DOCUMENT = 1024 * 1024;

interface ConfigKind {
  readonly root: string;
  readonly missing: S3ErrorCode;
  /** Throws the refusal; what passes is stored. */
  readonly check: (document: XmlNode) => void;
  readonly settle?: (document: XmlNode) => XmlNode;
  readonly putStatus: 200 | 204;
}

const KINDS = {
  publicAccessBlock: {
    root: "PublicAccessBlockConfiguration",
    missing: "NoSuchPublicAccessBlockConfiguration",
    check: checkPublicAccessBlock,
    settle: settlePublicAccessBlock,
    putStatus: 200,
  },
  ownershipControls: {
    root: "OwnershipControls",
    missing: "OwnershipControlsNotFoundError",
    check: checkOwnershipControls,
    putStatus: 200,
  },
  lifecycle: {
    root: "LifecycleConfiguration",
    missing: "NoSuchLifecycleConfiguration",
    check: checkLifecycle,
    settle: nameLifecycleRules,
    putStatus: 200,
  },
  tagging: { root: "Tagging", missing: "NoSuchTagSet", check: checkTagging, putStatus: 204 },
  cors: { root: "CORSConfiguration", missing: "NoSuchCORSConfiguration", check: checkCors, putStatus: 200 },
  encryption: {
    root: "ServerSideEncryptionConfiguration",
    missing: "ServerSideEncryptionConfigurationNotFoundError",
    check: checkEncryption,
    putStatus: 200,
  },
} as const satisfies Record<string, ConfigKind>;

export type ConfigName = keyof typeof KINDS;
export const CONFIG_NAMES = Object.keys(KINDS) as ConfigName[];

export function putConfig(name: ConfigName): (call: Call) => Promise<Response> {
  const kind: ConfigKind = KINDS[name];
  return async (call) => {
    await openBucket(call);
    requireBodyProof(call.headers);
    const document = parseXml(await readDocument(call, MAX_DOCUMENT), kind.root);
    if (document === undefined) throw new S3Error("MalformedXML");
    kind.check(document);
    const settled = kind.settle === undefined ? document : kind.settle(document);
    await changeBucket(call, (record) => ({ ...record, configs: { ...record.configs, [name]: settled } }));
    return new Response(null, { status: kind.putStatus });
  };
}

export function getConfig(name: ConfigName): (call: Call) => Promise<Response> {
  const kind: ConfigKind = KINDS[name];
  return async (call) => {
    const bucket = await openBucket(call);
    const document = bucket.configs[name];
    if (document === undefined) throw new S3Error(kind.missing, undefined, { BucketName: bucket.name });
    return xmlResponse(kind.root, document);
  };
}

export function deleteConfig(name: ConfigName): (call: Call) => Promise<Response> {
  return async (call) => {
    await changeBucket(call, (record) => {
      const { [name]: _gone, ...configs } = record.configs;
      // Encryption cannot be switched off since January 2023: deleting it brings the default back.
      return { ...record, configs: name === "encryption" ? { ...configs, encryption: DEFAULT_ENCRYPTION } : configs };
    });
    return new Response(null, { status: 204 });
  };
}

/** Versioning is off and stays off; S3 answers that with an empty document. */
export async function getBucketVersioning(call: Call): Promise<Response> {
  await openBucket(call);
  return xmlResponse("VersioningConfiguration", "");
}

const DEFAULT_ENCRYPTION: XmlNode = {
  Rule: { ApplyServerSideEncryptionByDefault: { SSEAlgorithm: "AES256" }, BucketKeyEnabled: "false" },
};

/** "New buckets since April 2023": public access blocked, ACLs off; since January 2023 encrypted with SSE-S3. */
export function newBucketConfigs(headers: Headers): Record<string, XmlNode> {
  const ownership = headers.get("x-amz-object-ownership") ?? "BucketOwnerEnforced";
  const ownershipControls: XmlNode = { Rule: { ObjectOwnership: ownership } };
  checkOwnershipControls(ownershipControls);
  const publicAccessBlock = Object.fromEntries(PUBLIC_ACCESS_FLAGS.map((flag) => [flag, "true"]));
  return { publicAccessBlock, ownershipControls, encryption: DEFAULT_ENCRYPTION };
}

const PUBLIC_ACCESS_FLAGS = [
  "BlockPublicAcls",
  "IgnorePublicAcls",
  "BlockPublicPolicy",
  "RestrictPublicBuckets",
] as const;

function checkPublicAccessBlock(document: XmlNode): void {
  for (const name of Object.keys(document)) {
    const known = (PUBLIC_ACCESS_FLAGS as readonly string[]).includes(name);
    if (!known || !/^(true|false)$/i.test(leaf(document, name) ?? "")) throw new S3Error("MalformedXML");
  }
}

/** A flag left out is false; GET shows all four. */
function settlePublicAccessBlock(document: XmlNode): XmlNode {
  const flag = (name: string) => [name, (leaf(document, name) ?? "false").toLowerCase()] as const;
  return Object.fromEntries(PUBLIC_ACCESS_FLAGS.map(flag));
}

function checkOwnershipControls(document: XmlNode): void {
  const rules = eachNode(document, "Rule");
  const ownership = rules?.length === 1 && rules[0] !== undefined ? leaf(rules[0], "ObjectOwnership") : undefined;
  if (!["BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"].includes(ownership ?? "")) {
    throw new S3Error("MalformedXML");
  }
}

/** At most 50 tags, keys of 128 and values of 256 characters, no key twice, none of AWS's own. */
export function checkTagging(document: XmlNode, maxTags = 50): readonly (readonly [string, string])[] {
  const [set] = each(document, "TagSet");
  if (set === undefined || Array.isArray(set)) throw new S3Error("MalformedXML");
  const tags = typeof set === "string" ? [] : eachNode(set, "Tag");
  if (tags === undefined) throw new S3Error("MalformedXML");
  if (tags.length > maxTags) throw new S3Error("BadRequest", `Bucket tag count cannot be greater than ${maxTags}`);
  const pairs = tags.map((tag) => {
    const key = leaf(tag, "Key");
    const value = leaf(tag, "Value");
    if (key === undefined || value === undefined) throw new S3Error("MalformedXML");
    return [key, value] as const;
  });
  checkTagPairs(pairs);
  return pairs;
}

export function checkTagPairs(pairs: readonly (readonly [string, string])[]): void {
  const seen = new Set<string>();
  for (const [key, value] of pairs) {
    if (seen.has(key))
      throw new S3Error("InvalidTag", "Cannot provide multiple Tags with the same key", { TagKey: key });
    seen.add(key);
    if (key === "" || key.length > 128)
      throw new S3Error("InvalidTag", "The TagKey you have provided is invalid", { TagKey: key });
    if (value.length > 256)
      throw new S3Error("InvalidTag", "The TagValue you have provided is invalid", { TagKey: key });
    if (key.toLowerCase().startsWith("aws:")) {
      throw new S3Error("InvalidTag", "System tags cannot be added/updated by requester", { TagKey: key });
    }
    // Letters, digits, spaces and + - = . _ : / @ in any script.
    if (!/^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u.test(key + value))
      throw new S3Error("InvalidTag", undefined, { TagKey: key });
  }
}

function checkEncryption(document: XmlNode): void {
  const rules = eachNode(document, "Rule");
  if (rules === undefined || rules.length !== 1) throw new S3Error("MalformedXML");
  const [byDefault] = eachNode(rules[0] ?? {}, "ApplyServerSideEncryptionByDefault") ?? [];
  const algorithm = byDefault === undefined ? undefined : leaf(byDefault, "SSEAlgorithm");
  if (algorithm === undefined || !["AES256", "aws:kms", "aws:kms:dsse"].includes(algorithm)) {
    throw new S3Error("MalformedXML");
  }
  if (algorithm === "AES256" && byDefault !== undefined && leaf(byDefault, "KMSMasterKeyID") !== undefined) {
    throw new S3Error(
      "InvalidArgument",
      "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse",
    );
  }
}
