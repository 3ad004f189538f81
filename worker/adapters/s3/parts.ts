/**
 * Multipart uploads: begin, sign a part, list, complete, abort. Complete never replaces (If-None-Match), says how long the object
 * must be, and is believed only by a look afterwards: S3 may answer it with 200 and an error inside ("CompleteMultipartUpload"),
 * and a repeated one with 404 or 412 although it was done.
 */
import { XMLParser } from "fast-xml-parser";
import * as z from "zod";
import { base64ToBytes, bytesToBase64 } from "#contract/base64";
import { bytesToHex, hexToBytes } from "#contract/bytes";
import { PARTS_MAX } from "#contract/limits";
import type {
  AnnouncedPart,
  Assembled,
  ListedParts,
  ObjectPlace,
  PartsPlace,
  PartTarget,
  StoredPart,
} from "../../../durable/ports.ts";
import { contentHeaders, ownerHeader, type S3Client } from "./client.ts";
import { look } from "./look.ts";

/** Of a large object S3 takes minutes ("Processing … could take several minutes"); a repeated ask finds it done. */
const COMPLETE_TIMEOUT_MS = 60_000;

/** radosgw 16 says NoSuchKey of an upload that was aborted. */
const NO_UPLOAD = ["NoSuchUpload", "NoSuchKey"];

const parser = new XMLParser({ parseTagValue: false, isArray: (name) => name === "Part" || name === "Upload" });

const Initiated = z.object({ InitiateMultipartUploadResult: z.object({ UploadId: z.string().min(1) }) });
const Uploads = z.object({
  ListMultipartUploadsResult: z.object({
    Upload: z.array(z.object({ Key: z.string(), UploadId: z.string().min(1) })).default([]),
  }),
});
const Parts = z.object({
  ListPartsResult: z.object({
    IsTruncated: z.string().optional(),
    Part: z
      .array(
        z.object({
          PartNumber: z.string(),
          ETag: z.string(),
          Size: z.string(),
          ChecksumSHA256: z.string().optional(),
        }),
      )
      .default([]),
  }),
});

type Unknown = { readonly end: "unknown"; readonly detail: string };

export async function beginParts(
  s3: S3Client,
  target: ObjectPlace & { readonly wrappedDek: string | undefined },
): Promise<{ readonly end: "done"; readonly uploadId: string } | Unknown> {
  const { region, bucket, key, wrappedDek } = target;
  const open = await uploadsAt(s3, target);
  if (open.end === "unknown") return open;
  const [first] = open.uploadIds;
  if (first !== undefined) return { end: "done", uploadId: first };
  // Not repeated by itself: each would be another upload. The next to ask finds the one whose answer was lost.
  const answer = await s3.sendOnce({
    method: "POST",
    region,
    bucket,
    key,
    query: { uploads: "" },
    headers: {
      "content-type": "application/octet-stream",
      // Of an upload that has one, every part must carry it; R2 takes no SHA-256 with a part.
      ...(s3.config.kind === "r2" ? {} : { "x-amz-checksum-algorithm": "SHA256" }),
      ...(wrappedDek === undefined ? {} : { "x-amz-meta-wrapped-dek": wrappedDek }),
    },
  });
  if (!answer.ok) return unknown("CreateMultipartUpload", answer);
  const parsed = Initiated.safeParse(parser.parse(answer.body));
  if (!parsed.success) return { end: "unknown", detail: "CreateMultipartUpload answered no upload id" };
  return { end: "done", uploadId: parsed.data.InitiateMultipartUploadResult.UploadId };
}

/** Under exactly this key; the prefix alone would also name its longer neighbours. */
async function uploadsAt(
  s3: S3Client,
  { region, bucket, key }: ObjectPlace,
): Promise<{ readonly end: "done"; readonly uploadIds: string[] } | Unknown> {
  const answer = await s3.send({ method: "GET", region, bucket, query: { uploads: "", prefix: key } });
  // An erased wallet's bucket may be gone, and its uploads with it.
  if (answer.ok === false && answer.code === "NoSuchBucket") return { end: "done", uploadIds: [] };
  if (!answer.ok) return unknown("ListMultipartUploads", answer);
  const { ListMultipartUploadsResult: result } = Uploads.parse(parser.parse(answer.body));
  return {
    end: "done",
    uploadIds: result.Upload.filter((upload) => upload.Key === key).map((upload) => upload.UploadId),
  };
}

export async function signPart(s3: S3Client, target: PartTarget) {
  const { region, bucket, key, uploadId, part } = target;
  const headers: Record<string, string> = {
    "content-length": String(target.lengthBytes),
    ...contentHeaders(s3.config, "part", target.sha256Hex),
    ...(target.md5Base64 === undefined ? {} : { "content-md5": target.md5Base64 }),
    ...ownerHeader(s3.config),
  };
  const query = { partNumber: String(part), uploadId };
  return { url: await s3.presign({ method: "PUT", region, bucket, key, query, headers }, target.expiresInS), headers };
}

export async function listParts(s3: S3Client, { region, bucket, key, uploadId }: PartsPlace): Promise<ListedParts> {
  const parts: StoredPart[] = [];
  // A thousand a page; more pages than parts would be a store that repeats itself.
  for (let pages = 0; pages <= PARTS_MAX; pages++) {
    const marker = parts.at(-1)?.part ?? 0;
    const query = { uploadId, ...(marker === 0 ? {} : { "part-number-marker": String(marker) }) };
    const answer = await s3.send({ method: "GET", region, bucket, key, query });
    if (answer.ok === false && NO_UPLOAD.includes(answer.code)) return { end: "absent" };
    if (!answer.ok) return unknown("ListParts", answer);
    const { ListPartsResult: page } = Parts.parse(parser.parse(answer.body));
    for (const part of page.Part) parts.push(readPart(part));
    if (page.IsTruncated !== "true" || page.Part.length === 0) return { end: "done", parts };
  }
  return { end: "unknown", detail: "ListParts does not end" };
}

function readPart(part: z.infer<typeof Parts>["ListPartsResult"]["Part"][number]): StoredPart {
  const checksum = base64ToBytes(part.ChecksumSHA256 ?? "");
  return {
    part: Number(part.PartNumber),
    lengthBytes: Number(part.Size),
    sha256Hex: checksum?.length === 32 ? bytesToHex(checksum) : undefined,
    etag: part.ETag,
  };
}

export async function assemble(
  s3: S3Client,
  upload: PartsPlace,
  announced: readonly AnnouncedPart[],
): Promise<Assembled> {
  const before = await look(s3, upload);
  if (before.end !== "absent") return before;
  const listed = await listParts(s3, upload);
  if (listed.end === "unknown") return listed;
  // Completed by somebody else between the look and the list, or aborted: another look tells.
  if (listed.end === "absent") return look(s3, upload);
  const stored = new Map(listed.parts.map((part) => [part.part, part]));
  const missing = announced.filter((part) => !holds(stored.get(part.part), part)).map(({ part }) => part);
  if (missing.length > 0) return { end: "incomplete", missing };
  const completed = await complete(
    s3,
    upload,
    announced.flatMap(({ part }) => stored.get(part) ?? []),
  );
  const after = await look(s3, upload);
  if (after.end === "absent" && completed !== undefined) return { end: "unknown", detail: completed };
  return after;
}

export function holds(stored: StoredPart | undefined, announced: AnnouncedPart): boolean {
  return (
    stored?.lengthBytes === announced.lengthBytes &&
    (stored.sha256Hex === undefined || stored.sha256Hex === announced.sha256Hex)
  );
}

/** Undefined when S3 says that it is done; whatever it says, the look that follows decides. */
async function complete(
  s3: S3Client,
  { region, bucket, key, uploadId }: PartsPlace,
  parts: readonly StoredPart[],
): Promise<string | undefined> {
  const list = parts.map(({ part, etag, sha256Hex }) => {
    const checksum = sha256Hex && `<ChecksumSHA256>${bytesToBase64(hexToBytes(sha256Hex))}</ChecksumSHA256>`;
    return `<Part><PartNumber>${part}</PartNumber><ETag>${etag.replaceAll('"', "&quot;")}</ETag>${checksum ?? ""}</Part>`;
  });
  const answer = await s3.sendOnce({
    method: "POST",
    region,
    bucket,
    key,
    query: { uploadId },
    headers: {
      "content-type": "application/xml",
      "if-none-match": "*",
      // Beyond what R2 documents; there the parts alone say it.
      ...(s3.config.kind === "r2" ? {} : { "x-amz-mp-object-size": String(sizeOf(parts)) }),
    },
    body: `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${list.join("")}</CompleteMultipartUpload>`,
    timeoutMs: COMPLETE_TIMEOUT_MS,
  });
  if (!answer.ok) return unknown("CompleteMultipartUpload", answer).detail;
  const error = /<Error>[\s\S]*?<Code>([^<]{1,100})<\/Code>/.exec(answer.body)?.[1];
  return error === undefined ? undefined : `CompleteMultipartUpload answered 200 ${error}`;
}

function sizeOf(parts: readonly StoredPart[]): number {
  return parts.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
}

export async function abortParts(
  s3: S3Client,
  { region, bucket, key, uploadId }: PartsPlace,
): Promise<{ readonly end: "done" } | Unknown> {
  const answer = await s3.send({ method: "DELETE", region, bucket, key, query: { uploadId } });
  if (answer.ok || (answer.ok === false && answer.status === 404)) return { end: "done" };
  return unknown("AbortMultipartUpload", answer);
}

/** Every upload open under the key, known to us or not. */
export async function abortAll(s3: S3Client, place: ObjectPlace): Promise<{ readonly end: "done" } | Unknown> {
  const open = await uploadsAt(s3, place);
  if (open.end === "unknown") return open;
  for (const uploadId of open.uploadIds) {
    const aborted = await abortParts(s3, { ...place, uploadId });
    if (aborted.end === "unknown") return aborted;
  }
  return { end: "done" };
}

function unknown(
  operation: string,
  answer: { ok: false; status: number; code: string } | { ok: undefined; detail: string },
): Unknown {
  return {
    end: "unknown",
    detail: answer.ok === undefined ? answer.detail : `${operation} answered ${answer.status} ${answer.code}`,
  };
}
