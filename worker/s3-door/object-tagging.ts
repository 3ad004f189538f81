/** GetObjectTagging, PutObjectTagging, DeleteObjectTagging: up to ten tags in the object's record. */
import { readDocument } from "./body.ts";
import { openBucket } from "./bucket-access.ts";
import { checkTagging } from "./bucket-config.ts";
import { requireBodyProof } from "./checksum.ts";
import { findObject } from "./commit.ts";
import type { Call } from "./door.ts";
import { S3Error } from "./errors.ts";
import { objectKey } from "./put-object.ts";
import { freshId, type ObjectRecord, objectName, summarize } from "./records.ts";
import { parseXml, xmlResponse } from "./xml.ts";

export async function getObjectTagging(call: Call): Promise<Response> {
  const key = objectKey(call);
  const bucket = await openBucket(call);
  const found = await findObject(call.door.store, bucket.id, key);
  if (found === undefined) throw new S3Error("NoSuchKey", undefined, { Key: key });
  const tags = found.record.tags.map(([Key, Value]) => ({ Key, Value }));
  return xmlResponse("Tagging", { TagSet: tags.length === 0 ? "" : { Tag: tags } });
}

export async function putObjectTagging(call: Call): Promise<Response> {
  requireBodyProof(call.headers);
  const document = parseXml(await readDocument(call, 64 * 1024), "Tagging");
  if (document === undefined) throw new S3Error("MalformedXML");
  await retag(call, checkTagging(document, 10));
  return new Response(null, { status: 200 });
}

export async function deleteObjectTagging(call: Call): Promise<Response> {
  await retag(call, []);
  return new Response(null, { status: 204 });
}

async function retag(call: Call, tags: ObjectRecord["tags"]): Promise<void> {
  const key = objectKey(call);
  const bucket = await openBucket(call);
  for (let attempt = 0; attempt < 20; attempt++) {
    const found = await findObject(call.door.store, bucket.id, key);
    if (found === undefined) throw new S3Error("NoSuchKey", undefined, { Key: key });
    const record: ObjectRecord = { ...found.record, tags, writeId: freshId() };
    const write = { name: objectName(bucket.id, key), text: JSON.stringify(record), summary: summarize(record) };
    if (await call.door.store.write({ ...write, expected: found.version })) return;
  }
  throw new S3Error("OperationAborted");
}
