/** UploadPart: a body like PutObject's, kept under a number until the upload is completed or aborted. */
import { openBody } from "./body.ts";
import { declaredChecksum } from "./checksum.ts";
import type { Call } from "./door.ts";
import { S3Error } from "./errors.ts";
import { type FoundUpload, findUpload, openUpload } from "./multipart-upload.ts";
import { ENCRYPTED } from "./object-headers.ts";
import { takeIn } from "./put-object.ts";
import { freshId, type PartRecord, partName, type UploadRecord } from "./records.ts";

export async function uploadPart(call: Call): Promise<Response> {
  const found = await openUpload(call);
  const { upload } = found;
  const partNumber = readPartNumber(call.target.query.get("partNumber"));
  requireMatchingChecksum(upload, call.headers);
  const intake = openBody(call);
  const blob = { id: freshId(), sizeBytes: intake.sizeBytes };
  const etag = await takeIn(call, intake, blob);
  const checksum = intake.checksum();
  const part: PartRecord = {
    partNumber,
    etag,
    sizeBytes: blob.sizeBytes,
    modifiedMs: call.door.now(),
    ...(checksum === undefined ? {} : { checksum }),
    blob,
  };
  await keepPart(call, found, part);
  const shown = checksum === undefined ? {} : { [`x-amz-checksum-${checksum.algorithm}`]: checksum.value };
  return new Response(null, { status: 200, headers: { etag: `"${etag}"`, ...ENCRYPTED, ...shown } });
}

/**
 * A part sent again replaces the one before. The old blob may go only if no Complete has started meanwhile, because that
 * one has read the part list after claiming the upload (multipart-complete.ts) and may be about to use it.
 */
async function keepPart(call: Call, { bucket, upload }: FoundUpload, part: PartRecord): Promise<void> {
  const { store } = call.door;
  const name = partName(upload.uploadId, part.partNumber);
  const text = JSON.stringify(part);
  for (let attempt = 0; attempt < 20; attempt++) {
    const before = await store.read(name);
    if (!(await store.write({ name, text, summary: "", expected: before?.version ?? "absent" }))) continue;
    try {
      await findUpload(call, bucket);
    } catch (reason) {
      await store.remove(name);
      await store.removeBlobs([part.blob.id]);
      throw reason;
    }
    if (before !== undefined) {
      const replaced: PartRecord = JSON.parse(before.text);
      await store.removeBlobs([replaced.blob.id]);
    }
    return;
  }
  await store.removeBlobs([part.blob.id]);
  throw new S3Error("OperationAborted");
}

export function readPartNumber(text: string | undefined): number {
  if (text !== undefined && /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 10_000) return Number(text);
  throw new S3Error("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive", {
    ArgumentName: "partNumber",
    ArgumentValue: text ?? "",
  });
}

function requireMatchingChecksum(upload: UploadRecord, headers: Headers): void {
  const actual = declaredChecksum(headers)?.algorithm;
  if (actual === upload.algorithm) return;
  const expected = upload.algorithm ?? "null";
  throw new S3Error(
    "InvalidRequest",
    `Checksum Type mismatch occurred, expected checksum Type: ${expected}, actual checksum Type: ${actual ?? "null"}`,
  );
}
