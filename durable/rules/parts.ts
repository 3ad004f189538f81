/**
 * How large the parts of an upload are. S3's rules (AWS "Amazon S3 multipart upload limits"): at most 10,000 parts, each at most
 * 5 GiB, each but the last at least 5 MiB. All parts of a plan have one length, the last what is left, so the sum of what its URLs
 * admit is the plan's length and never more than was paid for.
 */
import { type Refusal, refuse } from "#contract/errors";
import { PART_BYTES_DEFAULT, PART_BYTES_MAX, PART_BYTES_MIN, PARTS_MAX, PUT_BYTES_MAX } from "#contract/limits";
import { partCount } from "#contract/parts";

const MIB = 1024 ** 2;

/** The default, or where that would be too many parts the least whole number of MiB that is not. */
export function partBytesFor(lengthBytes: number): number {
  return Math.max(PART_BYTES_DEFAULT, leastPartBytes(lengthBytes));
}

/** In whole MiB. Never above 5 GiB, of which 10,000 are more than the largest object. */
function leastPartBytes(lengthBytes: number): number {
  return Math.ceil(lengthBytes / PARTS_MAX / MIB) * MIB;
}

/** Must this content go up in parts, whatever its sender asked for? */
export function needsParts(lengthBytes: number): boolean {
  return lengthBytes > PUT_BYTES_MAX;
}

/** The part size a client chose, if S3 would complete an upload made of it. */
export function checkPartBytes(lengthBytes: number, partBytes: number): { ok: true } | Refusal {
  if (partBytes < PART_BYTES_MIN || partBytes > PART_BYTES_MAX)
    return refuse("size_out_of_range", `part_bytes is ${partBytes}; S3 takes ${PART_BYTES_MIN} to ${PART_BYTES_MAX}`);
  const parts = partCount(lengthBytes, partBytes);
  if (parts > PARTS_MAX)
    return refuse(
      "size_out_of_range",
      `${lengthBytes} bytes in parts of ${partBytes} are ${parts} parts; S3 takes ${PARTS_MAX}, so at least ${leastPartBytes(lengthBytes)} bytes a part`,
    );
  return { ok: true };
}
