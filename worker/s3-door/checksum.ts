/**
 * Which checksum a request declares, by header or by trailer, and how one is shown again. S3 takes exactly one
 * ("Checking object integrity in Amazon S3"). Query parameters that presigners hoist out of these headers are ignored, as
 * the service ignores them: a presigned URL binds a checksum only as a signed header.
 */
import { CHECKSUMS, type ChecksumName, isChecksumName, isChecksumValue } from "./digest.ts";
import { S3Error } from "./errors.ts";

export interface StoredChecksum {
  readonly algorithm: ChecksumName;
  /** Base64, for a multipart object of composite type with `-<parts>` behind it. */
  readonly value: string;
  readonly type: "FULL_OBJECT" | "COMPOSITE";
}

export interface DeclaredChecksum {
  readonly algorithm: ChecksumName;
  /** Undefined: the value comes in the trailer. */
  readonly value: string | undefined;
}

const HEADER = "x-amz-checksum-";

export function declaredChecksum(headers: Headers): DeclaredChecksum | undefined {
  const found: DeclaredChecksum[] = [];
  for (const algorithm of CHECKSUMS) {
    const value = headers.get(HEADER + algorithm);
    if (value !== null) found.push({ algorithm, value });
  }
  const trailer = headers.get("x-amz-trailer")?.trim().toLowerCase();
  if (trailer?.startsWith(HEADER)) {
    const algorithm = trailer.slice(HEADER.length);
    if (!isChecksumName(algorithm)) {
      throw new S3Error("InvalidRequest", "The value specified in the x-amz-trailer header is not supported");
    }
    found.push({ algorithm, value: undefined });
  }
  if (found.length > 1) {
    throw new S3Error(
      "InvalidRequest",
      "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
    );
  }
  const declared = found[0];
  refuseContradiction(headers.get("x-amz-sdk-checksum-algorithm"), declared);
  if (declared?.value !== undefined && !isChecksumValue(declared.algorithm, declared.value)) {
    throw new S3Error("InvalidRequest", `Value for ${HEADER}${declared.algorithm} header is invalid.`);
  }
  return declared;
}

function refuseContradiction(announced: string | null, declared: DeclaredChecksum | undefined): void {
  if (announced === null) return;
  if (declared === undefined) {
    throw new S3Error(
      "InvalidRequest",
      "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.",
    );
  }
  if (announced.toLowerCase() !== declared.algorithm) {
    throw new S3Error("InvalidRequest", "Value for x-amz-sdk-checksum-algorithm header is invalid.");
  }
}

export function checksumHeaders(checksum: StoredChecksum | undefined): Record<string, string> {
  if (checksum === undefined) return {};
  return { [HEADER + checksum.algorithm]: checksum.value, "x-amz-checksum-type": checksum.type };
}

/** `ChecksumSHA256` and the like, for XML answers. */
export function checksumElement(checksum: { readonly algorithm: ChecksumName; readonly value: string } | undefined) {
  return checksum === undefined ? {} : { [`Checksum${checksum.algorithm.toUpperCase()}`]: checksum.value };
}

/** Configuration writes and DeleteObjects must prove their body ("requestChecksumRequired" in the service model). */
export function requireBodyProof(headers: Headers): void {
  if (headers.has("content-md5") || declaredChecksum(headers) !== undefined) return;
  throw new S3Error("InvalidRequest", "Missing required header for this request: Content-MD5 OR x-amz-checksum-*");
}
