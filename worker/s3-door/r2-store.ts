/**
 * The store that lasts: everything inside one R2 bucket. `record/<name>` holds a record's text, its listing summary in
 * custom metadata; `blob/<id>` holds bytes. R2's ETag of a record is its version (every text carries a fresh id, so equal
 * ETags mean the same write), and `onlyIf` is the compare-and-swap.
 *
 * R2 allows names of 1,024 bytes, as S3 does for keys, so a long S3 key plus our prefix does not fit. Such a name is folded:
 * its longest prefix of whole characters, then U+10FFFF, then a hash, and the full name goes into the metadata. U+10FFFF
 * sorts after every other character, and a character that did not fit is longer, hence greater, than one that did; so folded
 * names sort where the full ones would, except among those that share a fold. Those are sorted here, as one group.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { compareUtf8, utf8Length } from "./order.ts";
import type { BlobWrite, RecordSummary, RecordWrite, S3Store } from "./store.ts";
import { chunksOf } from "./stream.ts";

const RECORD = "record/";
const BLOB = "blob/";
const FOLD = "\u{10ffff}";
/** 1,024 less the prefix, the fold mark (4 bytes) and 32 hex digits, with room to spare. */
const PLAIN_NAME_BYTES = 960;
/** R2 deletes at most 1,000 names at a time. */
const DELETE_BATCH = 1000;

export function r2Store(bucket: R2Bucket): S3Store {
  return {
    async read(name) {
      const found = await bucket.get(placeOf(name));
      return found === null ? undefined : { text: await found.text(), version: found.etag };
    },
    write: (record) => writeRecord(bucket, record),
    remove: (name) => bucket.delete(placeOf(name)),
    scan: (prefix, after) => scanRecords(bucket, prefix, after),
    writeBlob: (blob) => writeBlob(bucket, blob),
    async readBlob(id, offset, length) {
      const found = await bucket.get(BLOB + id, { range: { offset, length } });
      return found === null ? undefined : found.body;
    },
    async removeBlobs(ids) {
      for (let at = 0; at < ids.length; at += DELETE_BATCH) {
        await bucket.delete(ids.slice(at, at + DELETE_BATCH).map((id) => BLOB + id));
      }
    },
    sized: (body, sizeBytes) => body.pipeThrough(new FixedLengthStream(sizeBytes)),
  };
}

async function writeRecord(bucket: R2Bucket, { name, text, summary, expected }: RecordWrite): Promise<boolean> {
  const place = placeOf(name);
  const customMetadata = place === RECORD + name ? { summary } : { summary, name: encodeURIComponent(name) };
  if (expected === "any") {
    await bucket.put(place, text, { customMetadata });
    return true;
  }
  const onlyIf = expected === "absent" ? { etagDoesNotMatch: "*" } : { etagMatches: expected };
  // The binding answers null when the condition fails.
  return (await bucket.put(place, text, { customMetadata, onlyIf })) !== null;
}

async function* scanRecords(bucket: R2Bucket, prefix: string, after = ""): AsyncGenerator<RecordSummary> {
  let group: RecordSummary[] = [];
  let groupFold = "";
  for await (const place of listPlaces(bucket, RECORD + plainPart(prefix), RECORD + plainPart(after))) {
    const fold = place.full === undefined ? "" : place.key.slice(0, place.key.lastIndexOf(FOLD));
    if (fold !== groupFold) {
      yield* inOrder(group, prefix, after);
      group = [];
      groupFold = fold;
    }
    const found = { name: place.full ?? place.key.slice(RECORD.length), summary: place.summary };
    if (fold === "") yield* inOrder([found], prefix, after);
    else group.push(found);
  }
  yield* inOrder(group, prefix, after);
}

function inOrder(group: RecordSummary[], prefix: string, after: string): RecordSummary[] {
  const wanted = group.filter(({ name }) => name.startsWith(prefix) && compareUtf8(name, after) > 0);
  return wanted.length < 2 ? wanted : wanted.sort((left, right) => compareUtf8(left.name, right.name));
}

interface Place {
  readonly key: string;
  readonly full: string | undefined;
  readonly summary: string;
}

async function* listPlaces(bucket: R2Bucket, prefix: string, startAfter: string): AsyncGenerator<Place> {
  let cursor: string | undefined;
  do {
    const page = await bucket.list({
      prefix,
      include: ["customMetadata"],
      ...(cursor === undefined ? { startAfter } : { cursor }),
    });
    for (const { key, customMetadata } of page.objects) {
      const full = customMetadata?.["name"];
      yield {
        key,
        full: full === undefined ? undefined : decodeURIComponent(full),
        summary: customMetadata?.["summary"] ?? "",
      };
    }
    cursor = page.truncated ? page.cursor : undefined;
  } while (cursor !== undefined);
}

async function writeBlob(bucket: R2Bucket, { id, body, sizeBytes }: BlobWrite): Promise<{ md5: string }> {
  if (sizeBytes === 0) {
    // Still read to the end: the end of the stream is where the dialect passes judgement.
    for await (const chunk of chunksOf(body)) {
      if (chunk.length > 0) throw new Error(`blob ${id}: bytes came, none were announced`);
    }
    return { md5: etagOf(await bucket.put(BLOB + id, new Uint8Array(0))) };
  }
  // R2 takes a stream only when its length is known beforehand.
  const { readable, writable } = new FixedLengthStream(sizeBytes);
  const piped = body.pipeTo(writable).then(
    () => undefined,
    (reason: unknown) => ({ reason }),
  );
  try {
    const [stored, failure] = await Promise.all([bucket.put(BLOB + id, readable), piped]);
    // A refusal can come after the last byte was already handed over (a trailer, a checksum): then the put has succeeded.
    if (failure !== undefined) throw failure.reason;
    return { md5: etagOf(stored) };
  } catch (reason) {
    await bucket.delete(BLOB + id);
    throw reason;
  }
}

/** A plain put's ETag is its MD5 on R2 as on S3; null comes only of a condition, and blobs are written without one. */
function etagOf(stored: R2Object | null): string {
  if (stored === null) throw new Error("R2 refused an unconditional put");
  return stored.etag;
}

function placeOf(name: string): string {
  const plain = plainPart(name);
  return RECORD + (plain === name ? name : plain + FOLD + bytesToHex(sha256(utf8ToBytes(name))).slice(0, 32));
}

/** The longest prefix of whole characters that fits; the name itself when it is short enough. */
function plainPart(name: string): string {
  if (utf8Length(name) <= PLAIN_NAME_BYTES) return name;
  let bytes = 0;
  let end = 0;
  for (const character of name) {
    bytes += utf8Length(character);
    if (bytes > PLAIN_NAME_BYTES) break;
    end += character.length;
  }
  return name.slice(0, end);
}
