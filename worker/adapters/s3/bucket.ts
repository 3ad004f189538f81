/**
 * Makes a wallet's bucket, or finds that the name cannot be the wallet's. A bucket is the wallet's only if its tag holds the full
 * address: names follow from a 64-bit hash, which can be collided, and bucket names can be squatted. A 403 is never "absent".
 */
import type { Wallet } from "#contract/wallet";
import type { S3Answer, S3Client } from "./client.ts";

export const WALLET_TAG = "mnemospark:wallet";

type End = { end: "ready" } | { end: "taken" } | { end: "unknown"; detail: string };
type Bucket = { region: string; name: string; wallet: Wallet; intended: boolean };

export async function ensureBucket(s3: S3Client, bucket: Bucket): Promise<End> {
  const owner = await ownerOf(s3, bucket);
  if (owner === "ours") return applySettings(s3, bucket);
  if (owner === "taken") return { end: "taken" };
  if (owner === "untagged")
    // Made by us and not tagged before we died: the intent was written down first. Without an intent it is somebody's.
    return bucket.intended ? tagThenApply(s3, bucket) : { end: "taken" };
  if (owner !== "absent") return owner;
  const created = await s3.send({
    method: "PUT",
    region: bucket.region,
    bucket: bucket.name,
    headers: { "x-amz-object-ownership": "BucketOwnerEnforced" },
    body: locationConstraint(bucket.region),
  });
  if (created.ok) {
    // us-east-1 answers 200 for a bucket one has already: between our look and our create another wallet may have tagged it.
    const now = await ownerOf(s3, bucket);
    return now === "taken" ? { end: "taken" } : tagThenApply(s3, bucket);
  }
  if (created.ok === undefined) return { end: "unknown", detail: created.detail };
  // Two first payments raced: the other one made it. Same wallet, same name, so tagging twice is tagging once.
  if (created.code === "BucketAlreadyOwnedByYou") return tagThenApply(s3, bucket);
  if (created.code === "BucketAlreadyExists" || created.status === 403) return { end: "taken" };
  return { end: "unknown", detail: `CreateBucket answered ${created.status} ${created.code}` };
}

/** Whose it is, by its tag; or that S3 did not say. */
export async function ownerOf(
  s3: S3Client,
  bucket: Omit<Bucket, "intended">,
): Promise<"ours" | "taken" | "untagged" | "absent" | Extract<End, { end: "unknown" }>> {
  const answer = await s3.send({ method: "GET", region: bucket.region, bucket: bucket.name, query: { tagging: "" } });
  if (answer.ok) {
    const tag = new RegExp(`<Key>${WALLET_TAG}</Key>\\s*<Value>([^<]*)</Value>`).exec(answer.body)?.[1];
    if (tag === undefined) return "untagged";
    return tag === bucket.wallet ? "ours" : "taken";
  }
  if (answer.ok === undefined) return { end: "unknown", detail: answer.detail };
  if (answer.code === "NoSuchTagSet") return "untagged";
  if (answer.code === "NoSuchBucket") return "absent";
  if (answer.status === 403 || answer.status === 301) return "taken";
  return { end: "unknown", detail: `GetBucketTagging answered ${answer.status} ${answer.code}` };
}

function locationConstraint(region: string): string {
  // us-east-1 is the absence of a constraint (CreateBucket API reference).
  return region === "us-east-1"
    ? ""
    : `<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LocationConstraint>${region}</LocationConstraint></CreateBucketConfiguration>`;
}

async function tagThenApply(s3: S3Client, bucket: Bucket): Promise<End> {
  const tags = [
    [WALLET_TAG, bucket.wallet],
    ["mnemospark:cost", bucket.wallet],
  ];
  const xml = tags.map(([key, value]) => `<Tag><Key>${key}</Key><Value>${value}</Value></Tag>`).join("");
  const tagged = await put(s3, bucket, "tagging", `<Tagging><TagSet>${xml}</TagSet></Tagging>`);
  return tagged.end === "ready" ? applySettings(s3, bucket) : tagged;
}

/** All settings are idempotent and applied until each was seen to take. */
async function applySettings(s3: S3Client, bucket: Bucket): Promise<End> {
  const settings: [string, string][] = [
    ["publicAccessBlock", PUBLIC_ACCESS_BLOCK],
    ["ownershipControls", OWNERSHIP],
    ["policy", policyOf(s3, bucket.name)],
    ["lifecycle", LIFECYCLE],
    ["cors", CORS],
  ];
  for (const [name, body] of settings) {
    const end = await put(s3, bucket, name, body);
    if (end.end !== "ready") return end;
  }
  return { end: "ready" };
}

async function put(s3: S3Client, bucket: Bucket, setting: string, body: string): Promise<End> {
  const answer: S3Answer = await s3.send({
    method: "PUT",
    region: bucket.region,
    bucket: bucket.name,
    query: { [setting]: "" },
    headers: { "content-md5": await md5Base64(body) },
    body,
  });
  if (answer.ok) return { end: "ready" };
  if (answer.ok === undefined) return { end: "unknown", detail: answer.detail };
  // A store that does not know a setting says 501; the promises that rest on it are then the operator's.
  if (answer.status === 501) return { end: "ready" };
  return { end: "unknown", detail: `Put ${setting} answered ${answer.status} ${answer.code}` };
}

/** Several bucket settings want Content-MD5 (S3 API reference). */
async function md5Base64(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("MD5", new TextEncoder().encode(text));
  return btoa(String.fromCharCode(...new Uint8Array(digest)));
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

/** Per-wallet isolation: nobody outside our account, and nothing in clear on the wire. */
function policyOf(s3: S3Client, name: string): string {
  const resources = [`arn:aws:s3:::${name}`, `arn:aws:s3:::${name}/*`];
  const deny = (sid: string, condition: object) => ({
    Sid: sid,
    Effect: "Deny",
    Principal: "*",
    Action: "s3:*",
    Resource: resources,
    Condition: condition,
  });
  const statements = [deny("OurAccountOnly", { StringNotEquals: { "aws:PrincipalAccount": s3.config.accountId } })];
  // A self-hosted endpoint may be plain HTTP on loopback, where this statement would lock everybody out.
  if (!s3.config.endpoint?.startsWith("http:"))
    statements.push(deny("TlsOnly", { Bool: { "aws:SecureTransport": "false" } }));
  return JSON.stringify({ Version: "2012-10-17", Statement: statements });
}
