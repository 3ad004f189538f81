/**
 * Table of contents: which operation a request means, by method, by whether it names a bucket or a key, and by the first
 * subresource in its query. A subresource S3 has and this dialect has not is refused (501), never mistaken for an object.
 */
import { CONFIG_NAMES, deleteConfig, getBucketVersioning, getConfig, putConfig } from "./bucket-config.ts";
import { deleteBucketPolicy, getBucketPolicy, putBucketPolicy } from "./bucket-policy.ts";
import { createBucket, deleteBucket, getBucketLocation, headBucket, listBuckets } from "./buckets.ts";
import { copyObject } from "./copy-object.ts";
import { deleteObject, deleteObjects } from "./delete-object.ts";
import type { Call } from "./door.ts";
import { S3Error } from "./errors.ts";
import { getObject, headObject } from "./get-object.ts";
import { listObjects, listObjectsV2 } from "./list-objects.ts";
import { completeMultipartUpload } from "./multipart-complete.ts";
import { listMultipartUploads, listParts } from "./multipart-list.ts";
import { uploadPart } from "./multipart-part.ts";
import { abortMultipartUpload, createMultipartUpload } from "./multipart-upload.ts";
import { deleteObjectTagging, getObjectTagging, putObjectTagging } from "./object-tagging.ts";
import { putObject } from "./put-object.ts";
import type { Target } from "./target.ts";

export interface Operation {
  readonly name: string;
  readonly run: (call: Call) => Promise<Response>;
}

type Table = Readonly<Record<string, Operation>>;

const operation = (name: string, run: Operation["run"]): Operation => ({ name, run });

/** How the API reference spells the middle of Get…, Put… and Delete…. */
const CONFIG_TITLES = {
  publicAccessBlock: "PublicAccessBlock",
  ownershipControls: "BucketOwnershipControls",
  lifecycle: "BucketLifecycleConfiguration",
  tagging: "BucketTagging",
  cors: "BucketCors",
  encryption: "BucketEncryption",
} as const;

const BUCKET: Table = {
  "GET location": operation("GetBucketLocation", getBucketLocation),
  "GET versioning": operation("GetBucketVersioning", getBucketVersioning),
  "GET policy": operation("GetBucketPolicy", getBucketPolicy),
  "PUT policy": operation("PutBucketPolicy", putBucketPolicy),
  "DELETE policy": operation("DeleteBucketPolicy", deleteBucketPolicy),
  "GET uploads": operation("ListMultipartUploads", listMultipartUploads),
  "POST delete": operation("DeleteObjects", deleteObjects),
  "PUT ": operation("CreateBucket", createBucket),
  "HEAD ": operation("HeadBucket", headBucket),
  "DELETE ": operation("DeleteBucket", deleteBucket),
  "GET ": operation("ListObjects", listObjects),
  "GET list-type": operation("ListObjectsV2", listObjectsV2),
  ...Object.fromEntries(
    CONFIG_NAMES.flatMap((name) => [
      [`GET ${name}`, operation(`Get${CONFIG_TITLES[name]}`, getConfig(name))],
      [`PUT ${name}`, operation(`Put${CONFIG_TITLES[name]}`, putConfig(name))],
      [`DELETE ${name}`, operation(`Delete${CONFIG_TITLES[name]}`, deleteConfig(name))],
    ]),
  ),
};

const OBJECT: Table = {
  "PUT ": operation("PutObject", putObject),
  "PUT copy": operation("CopyObject", copyObject),
  "GET ": operation("GetObject", getObject),
  "HEAD ": operation("HeadObject", headObject),
  "DELETE ": operation("DeleteObject", deleteObject),
  "GET tagging": operation("GetObjectTagging", getObjectTagging),
  "PUT tagging": operation("PutObjectTagging", putObjectTagging),
  "DELETE tagging": operation("DeleteObjectTagging", deleteObjectTagging),
  "POST uploads": operation("CreateMultipartUpload", createMultipartUpload),
  "PUT uploadId": operation("UploadPart", uploadPart),
  "GET uploadId": operation("ListParts", listParts),
  "POST uploadId": operation("CompleteMultipartUpload", completeMultipartUpload),
  "DELETE uploadId": operation("AbortMultipartUpload", abortMultipartUpload),
};

const SUBRESOURCES = new Set([
  ...CONFIG_NAMES,
  ...["location", "versioning", "policy", "uploads", "delete", "uploadId"],
  // S3 has these; here they lead to 501.
  ...["accelerate", "acl", "analytics", "attributes", "intelligent-tiering", "inventory", "legal-hold", "logging"],
  ...["metadataConfiguration", "metadataTable", "metrics", "notification", "object-lock", "policyStatus"],
  ...["replication", "requestPayment", "restore", "retention", "select", "torrent", "versions", "website", "session"],
  ...["renameObject", "abac"],
]);

export function route(request: Request, target: Target): Operation {
  const { method } = request;
  const subresource = target.query.pairs.map(([name]) => name).find((name) => SUBRESOURCES.has(name)) ?? "";
  if (target.bucket === undefined) {
    if (method === "GET" && subresource === "") return operation("ListBuckets", listBuckets);
    return refusal("MethodNotAllowed");
  }
  if (target.key === undefined) {
    const listing = method === "GET" && subresource === "" && target.query.get("list-type") === "2";
    return pick(BUCKET, method, listing ? "list-type" : subresource);
  }
  if (method === "PUT" && request.headers.has("x-amz-copy-source")) {
    return subresource === "" ? pick(OBJECT, method, "copy") : refusal("NotImplemented");
  }
  return pick(OBJECT, method, subresource);
}

function pick(table: Table, method: string, subresource: string): Operation {
  const found = table[`${method} ${subresource}`];
  if (found !== undefined) return found;
  return refusal(subresource === "" ? "MethodNotAllowed" : "NotImplemented");
}

/** A refusal is an operation too: it is reached only after authentication, as on S3. */
function refusal(code: "MethodNotAllowed" | "NotImplemented"): Operation {
  return operation(code, async () => {
    throw new S3Error(code);
  });
}
