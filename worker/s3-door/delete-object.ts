/** DeleteObject and DeleteObjects. Deleting what is not there succeeds, as on S3. */
import { readDocument } from "./body.ts";
import { openBucket } from "./bucket-access.ts";
import { requireBodyProof } from "./checksum.ts";
import { findObject } from "./commit.ts";
import type { Call } from "./door.ts";
import { S3Error } from "./errors.ts";
import { MAX_KEY_BYTES } from "./object-headers.ts";
import { utf8Length } from "./order.ts";
import { objectKey } from "./put-object.ts";
import { objectName } from "./records.ts";
import type { S3Store } from "./store.ts";
import { eachNode, leaf, parseXml, type XmlNode, xmlResponse } from "./xml.ts";

/** 1,000 keys of 1,024 bytes, escaped, with their markup. */
const MAX_DOCUMENT = 8 * 1024 * 1024;
const MAX_KEYS = 1000;

export async function deleteObject(call: Call): Promise<Response> {
  const key = objectKey(call);
  const bucket = await openBucket(call);
  // A conditional delete needs a compare-and-delete the store does not promise; better refused than half kept.
  if (call.headers.has("if-match")) throw new S3Error("NotImplemented");
  if (call.target.query.has("versionId")) throw new S3Error("NotImplemented", "Versioning is not implemented.");
  await erase(call.door.store, bucket.id, key);
  return new Response(null, { status: 204 });
}

export async function deleteObjects(call: Call): Promise<Response> {
  const bucket = await openBucket(call);
  requireBodyProof(call.headers);
  const document = parseXml(await readDocument(call, MAX_DOCUMENT), "Delete");
  const objects = document === undefined ? undefined : eachNode(document, "Object");
  if (document === undefined || objects === undefined || objects.length === 0 || objects.length > MAX_KEYS) {
    throw new S3Error("MalformedXML");
  }
  const keys = objects.map((object) => {
    const key = leaf(object, "Key");
    if (key === undefined || key === "") throw new S3Error("MalformedXML");
    if (object["ETag"] !== undefined) throw new S3Error("NotImplemented");
    return key;
  });
  const deleted: XmlNode[] = [];
  const errors: XmlNode[] = [];
  for (const key of keys) {
    if (utf8Length(key) > MAX_KEY_BYTES) {
      errors.push({ Key: key, Code: "KeyTooLongError", Message: "Your key is too long" });
      continue;
    }
    await erase(call.door.store, bucket.id, key);
    deleted.push({ Key: key });
  }
  const quiet = leaf(document, "Quiet")?.toLowerCase() === "true";
  return xmlResponse("DeleteResult", { ...(quiet ? {} : { Deleted: deleted }), Error: errors });
}

async function erase(store: S3Store, bucketId: string, key: string): Promise<void> {
  const found = await findObject(store, bucketId, key);
  if (found === undefined) return;
  await store.remove(objectName(bucketId, key));
  await store.removeBlobs(found.record.blobs.map(({ id }) => id));
}
