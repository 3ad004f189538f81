/** The Store port on S3: presigned bounds on the way in, short URLs on the way out, and answers with three ends. */
import type { BytesIn, Clock, GetTarget, ObjectPlace, PutContent, PutTarget, Store } from "../../../durable/ports.ts";
import { ensureBucket } from "./bucket.ts";
import { contentHeaders, ownerHeader, S3Client, type S3Config } from "./client.ts";
import { list } from "./list.ts";
import { look } from "./look.ts";
import { abortAll, abortParts, assemble, beginParts, listParts, signPart } from "./parts.ts";
import { openQuota } from "./quota.ts";
import { removeBucket } from "./remove-bucket.ts";
import type { Found } from "./settings.ts";

export interface StoreConfig extends S3Config {
  /** How many buckets the account may have; undefined where the operator has not said. */
  readonly bucketQuota: number | undefined;
}

/** To be opened once an isolate: what is found out about the store is remembered here. */
export function openStore(config: StoreConfig, clock: Clock): Store & BytesIn {
  const s3 = new S3Client(config);
  const found: Found = { knows: new Map(), writable: false };
  const quota = openQuota(s3, config.bucketQuota, () => clock.nowMs());
  return {
    ensureBucket: (bucket) => ensureBucket(s3, found, quota, bucket),
    removeBucket: (bucket) => removeBucket(s3, found, bucket),
    room: () => quota.room(),
    signPut: (target) => signPut(s3, target),
    put: (content, bytes) => put(s3, content, bytes),
    signGet: (target) => signGet(s3, target),
    look: (place) => look(s3, place),
    beginParts: (target) => beginParts(s3, target),
    signPart: (target) => signPart(s3, target),
    listParts: (upload) => listParts(s3, upload),
    assemble: (upload, parts) => assemble(s3, upload, parts),
    abortParts: (upload) => abortParts(s3, upload),
    erase: (place) => erase(s3, place),
    list: (page) => list(s3, page),
  };
}

/** Length, hash, owner and write-once are signed headers: S3 admits these bytes under this key, once, and nothing else. */
async function signPut(s3: S3Client, target: PutTarget) {
  const headers = boundsOf(s3, target);
  const { region, bucket, key } = target;
  return { url: await s3.presign({ method: "PUT", region, bucket, key, headers }, target.expiresInS), headers };
}

function boundsOf(s3: S3Client, target: PutContent): Record<string, string> {
  return {
    "content-length": String(target.lengthBytes),
    "content-type": "application/octet-stream",
    "if-none-match": "*",
    ...contentHeaders(s3.config, "object", target.sha256Hex),
    ...(target.md5Base64 === undefined ? {} : { "content-md5": target.md5Base64 }),
    ...ownerHeader(s3.config),
    ...(target.wrappedDek === undefined ? {} : { "x-amz-meta-wrapped-dek": target.wrappedDek }),
  };
}

/** The same bounds as in a presigned URL, in a request of our own. */
async function put(s3: S3Client, content: PutContent, bytes: Uint8Array) {
  const { "content-length": _, ...headers } = boundsOf(s3, content);
  const { region, bucket, key } = content;
  const signed = { ...headers, "x-amz-content-sha256": content.sha256Hex };
  const body = bytes as Uint8Array<ArrayBuffer>;
  const answer = await s3.send({ method: "PUT", region, bucket, key, headers: signed, body });
  // 412: an earlier attempt got through after all, or sent by us twice.
  if (answer.ok || (answer.ok === false && answer.status === 412)) return { end: "done" as const };
  return {
    end: "unknown" as const,
    detail: answer.ok === undefined ? answer.detail : `PutObject answered ${answer.status} ${answer.code}`,
  };
}

/** Nobody renders what is downloaded, whatever it is called; a signed Range is the only part the URL opens. */
async function signGet(s3: S3Client, target: GetTarget) {
  const { region, bucket, key, span } = target;
  const headers: Record<string, string> = span === undefined ? {} : { range: `bytes=${span.first}-${span.last}` };
  const query = {
    // A browser's GET carries no headers of its own, so the owner goes into the signed query.
    ...ownerHeader(s3.config),
    "response-content-disposition": target.disposition,
    "response-content-type": "application/octet-stream",
  };
  return { url: await s3.presign({ method: "GET", region, bucket, key, query, headers }, target.expiresInS), headers };
}

async function erase(s3: S3Client, place: ObjectPlace) {
  const { region, bucket, key } = place;
  if (place.parts) {
    const aborted = await abortAll(s3, place);
    if (aborted.end !== "done") return aborted;
  }
  const answer = await s3.send({ method: "DELETE", region, bucket, key });
  if (answer.ok || (answer.ok === false && answer.status === 404)) return { end: "done" as const };
  return {
    end: "unknown" as const,
    detail: answer.ok === undefined ? answer.detail : `DeleteObject answered ${answer.status} ${answer.code}`,
  };
}
