/** CreateBucket, HeadBucket, DeleteBucket, GetBucketLocation, ListBuckets. */

import { refuseLegacyAcl } from "./acl.ts";
import { readDocument } from "./body.ts";
import { expectOwner, findBucket, openBucket } from "./bucket-access.ts";
import { checkTagging, newBucketConfigs } from "./bucket-config.ts";
import { isBucketName } from "./bucket-name.ts";
import type { Call } from "./door.ts";
import { S3Error } from "./errors.ts";
import { removeParts } from "./multipart-upload.ts";
import { BUCKETS, type BucketRecord, bucketName, freshId, objectsPrefix, uploadsPrefix } from "./records.ts";
import { eachNode, leaf, parseXml, type XmlNode, xmlResponse } from "./xml.ts";

const MAX_DOCUMENT = 64 * 1024;

export async function createBucket(call: Call): Promise<Response> {
  const name = call.target.bucket ?? "";
  if (!isBucketName(name)) throw new S3Error("InvalidBucketName", undefined, { BucketName: name });
  const { accountId } = call.identity;
  expectOwner(call.headers.get("x-amz-expected-bucket-owner"), accountId);
  refuseLegacyAcl(call.headers);
  const { region, configs } = await readCreation(call);
  const record: BucketRecord = {
    name,
    id: freshId(),
    ownerId: accountId,
    region,
    createdMs: call.nowMs,
    configs: { ...newBucketConfigs(call.headers), ...configs },
    writeId: freshId(),
  };
  const text = JSON.stringify(record);
  const created = await call.door.store.write({ name: bucketName(name), text, summary: "", expected: "absent" });
  if (!created) await refuseExisting(call, name);
  return new Response(null, { status: 200, headers: { location: `/${name}` } });
}

async function refuseExisting(call: Call, name: string): Promise<void> {
  const found = await findBucket(call.door.store, name);
  if (found === undefined) throw new S3Error("OperationAborted");
  if (found.record.ownerId !== call.identity.accountId) {
    throw new S3Error("BucketAlreadyExists", undefined, { BucketName: name });
  }
  // "…except in the North Virginia Region. For legacy compatibility, … Amazon S3 returns 200 OK".
  const legacy = call.door.legacyUsEast1 === true && found.record.region === "us-east-1";
  if (!legacy || call.identity.region !== "us-east-1") {
    throw new S3Error("BucketAlreadyOwnedByYou", undefined, { BucketName: name });
  }
}

async function readCreation(call: Call): Promise<{ region: string; configs: Record<string, XmlNode> }> {
  const text = await readDocument(call, MAX_DOCUMENT);
  const document = text === "" ? {} : parseXml(text, "CreateBucketConfiguration");
  if (document === undefined) throw new S3Error("MalformedXML");
  const region = bucketRegion(call, leaf(document, "LocationConstraint"));
  const [tags] = eachNode(document, "Tags") ?? [];
  if (tags === undefined) return { region, configs: {} };
  const tagging: XmlNode = { TagSet: tags };
  checkTagging(tagging);
  return { region, configs: { tagging } };
}

/** us-east-1 is spelled by saying nothing; anywhere else the constraint must name the endpoint's own region. */
function bucketRegion(call: Call, constraint: string | undefined): string {
  const endpoint = call.identity.region;
  if (constraint === undefined || constraint === "") {
    if (endpoint === "us-east-1") return endpoint;
    throw new S3Error("IllegalLocationConstraintException");
  }
  const region = constraint === "EU" ? "eu-west-1" : constraint;
  if (region === "us-east-1" || !call.door.regions.includes(region)) {
    throw new S3Error("InvalidLocationConstraint", undefined, { LocationConstraint: constraint });
  }
  if (region !== endpoint) {
    throw new S3Error(
      "IllegalLocationConstraintException",
      `The ${constraint} location constraint is incompatible for the region specific endpoint this request was sent to.`,
    );
  }
  return region;
}

export async function headBucket(call: Call): Promise<Response> {
  const { region } = await openBucket(call);
  const headers = {
    "x-amz-bucket-region": region,
    "x-amz-access-point-alias": "false",
    "content-type": "application/xml",
  };
  return new Response(null, { status: 200, headers });
}

export async function deleteBucket(call: Call): Promise<Response> {
  const { name, id } = await openBucket(call);
  const { store } = call.door;
  for await (const _ of store.scan(objectsPrefix(id))) {
    throw new S3Error("BucketNotEmpty", undefined, { BucketName: name });
  }
  // S3 lets a bucket go with uploads in progress; they can never be completed, and what they hold goes with it.
  for await (const upload of store.scan(uploadsPrefix(id))) {
    await store.remove(upload.name);
    await removeParts(store, upload.name.slice(uploadsPrefix(id).length), new Set());
  }
  await store.remove(bucketName(name));
  return new Response(null, { status: 204 });
}

export async function getBucketLocation(call: Call): Promise<Response> {
  const { region } = await openBucket(call);
  return xmlResponse("LocationConstraint", region === "us-east-1" ? "" : region);
}

export async function listBuckets(call: Call): Promise<Response> {
  const { query } = call.target;
  const prefix = query.get("prefix") ?? "";
  const limit = Number(query.get("max-buckets") ?? "10000");
  if (!Number.isInteger(limit) || limit < 1 || limit > 10_000) throw new S3Error("InvalidArgument");
  const after = query.get("continuation-token") ?? "";
  const region = query.get("bucket-region");
  const buckets: XmlNode[] = [];
  let last = "";
  let more = false;
  for await (const { name } of call.door.store.scan(BUCKETS + prefix, BUCKETS + after)) {
    const found = await findBucket(call.door.store, name.slice(BUCKETS.length));
    if (found === undefined || found.record.ownerId !== call.identity.accountId) continue;
    if (region !== undefined && region !== found.record.region) continue;
    if (buckets.length === limit) {
      more = true;
      break;
    }
    last = found.record.name;
    const created = new Date(found.record.createdMs).toISOString();
    buckets.push({ Name: last, CreationDate: created, BucketRegion: found.record.region });
  }
  return xmlResponse("ListAllMyBucketsResult", {
    Owner: { ID: call.identity.accountId },
    Buckets: { Bucket: buckets },
    ...(more ? { ContinuationToken: last } : {}),
    ...(prefix === "" ? {} : { Prefix: prefix }),
  });
}
