/** HeadObject: is it there, how long, and which SHA-256 S3 vouches for. */
import { base64ToBytes } from "#contract/base64";
import { bytesToHex } from "#contract/bytes";
import type { Looked, ObjectPlace } from "../../../durable/ports.ts";
import type { S3Client } from "./client.ts";

export async function look(s3: S3Client, { region, bucket, key }: ObjectPlace): Promise<Looked> {
  const answer = await s3.send({ method: "HEAD", region, bucket, key, headers: { "x-amz-checksum-mode": "ENABLED" } });
  if (answer.ok === undefined) return { end: "unknown", detail: answer.detail };
  if (!answer.ok)
    return answer.status === 404
      ? { end: "absent" }
      : { end: "unknown", detail: `HeadObject answered ${answer.status}` };
  return {
    end: "found",
    lengthBytes: Number(answer.headers.get("content-length")),
    ...modified(answer.headers.get("last-modified")),
    ...readChecksum(answer.headers.get("x-amz-checksum-sha256") ?? ""),
  };
}

/** `<base64>` of the whole, or `<base64>-<parts>` of the parts' digests. */
function readChecksum(text: string) {
  const [base64 = "", parts] = text.split("-");
  const bytes = base64ToBytes(base64);
  const sha256Hex = bytes?.length === 32 ? bytesToHex(bytes) : undefined;
  if (parts === undefined || sha256Hex === undefined) return { sha256Hex };
  return { sha256Hex: undefined, composite: { sha256Hex, parts: Number(parts) } };
}

/** HTTP's date of a HEAD as the ISO one that a list has. */
function modified(httpDate: string | null): { lastModified?: string } {
  const ms = Date.parse(httpDate ?? "");
  return Number.isNaN(ms) ? {} : { lastModified: new Date(ms).toISOString() };
}
