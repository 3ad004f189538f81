/**
 * The one place where an object becomes visible or is replaced: conditions are judged against the record that the
 * compare-and-swap names, so two conditional writes cannot both win ("Conditional writes", S3 user guide).
 */
import { S3Error } from "./errors.ts";
import { type ObjectRecord, objectName, summarize } from "./records.ts";
import type { S3Store } from "./store.ts";

export interface WriteCondition {
  readonly onlyIfAbsent: boolean;
  readonly ifMatch: string | undefined;
}

export function readWriteCondition(headers: Headers): WriteCondition {
  const ifNoneMatch = headers.get("if-none-match");
  // "Amazon S3 expects the asterisk": an ETag there has no meaning for a write.
  if (ifNoneMatch !== null && ifNoneMatch.trim() !== "*") throw new S3Error("NotImplemented");
  const ifMatch = headers.get("if-match") ?? undefined;
  if (ifMatch !== undefined && ifNoneMatch !== null) throw new S3Error("NotImplemented");
  return { onlyIfAbsent: ifNoneMatch !== null, ifMatch };
}

export interface FoundObject {
  readonly record: ObjectRecord;
  readonly version: string;
}

export async function findObject(store: S3Store, bucketId: string, key: string): Promise<FoundObject | undefined> {
  const found = await store.read(objectName(bucketId, key));
  if (found === undefined) return undefined;
  const record: ObjectRecord = JSON.parse(found.text);
  return { record, version: found.version };
}

export function checkWriteCondition(condition: WriteCondition, current: ObjectRecord | undefined, key: string): void {
  if (condition.onlyIfAbsent && current !== undefined) {
    throw new S3Error("PreconditionFailed", undefined, { Condition: "If-None-Match" });
  }
  if (condition.ifMatch === undefined) return;
  if (current === undefined) throw new S3Error("NoSuchKey", undefined, { Key: key });
  if (bareEtag(condition.ifMatch) !== current.etag) {
    throw new S3Error("PreconditionFailed", undefined, { Condition: "If-Match" });
  }
}

/** Makes `record` the object under `key`; the blobs of what it replaced are given back. */
export async function commitObject(
  store: S3Store,
  bucketId: string,
  key: string,
  record: ObjectRecord,
  condition: WriteCondition,
): Promise<void> {
  const write = { name: objectName(bucketId, key), text: JSON.stringify(record), summary: summarize(record) };
  for (let attempt = 0; attempt < 50; attempt++) {
    const current = await findObject(store, bucketId, key);
    checkWriteCondition(condition, current?.record, key);
    if (await store.write({ ...write, expected: current?.version ?? "absent" })) {
      // A Complete repeated after a crash commits the very blobs it replaces.
      const kept = new Set(record.blobs.map(({ id }) => id));
      const idle = (current?.record.blobs ?? []).map(({ id }) => id).filter((id) => !kept.has(id));
      if (idle.length > 0) await store.removeBlobs(idle);
      return;
    }
  }
  throw new S3Error("OperationAborted");
}

export function bareEtag(text: string): string {
  return text.trim().replace(/^"(.*)"$/, "$1");
}
