/** Byte ranges as S3 reads them: one range, RFC 9110 §14.1.2; what it cannot read it ignores. */
import { S3Error } from "./errors.ts";

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/** Undefined: the whole object is meant. */
export function readRange(header: string | null, sizeBytes: number): ByteRange | undefined {
  const found = header === null ? null : /^bytes=(\d*)-(\d*)$/.exec(header.trim());
  if (header === null || found === null) return undefined;
  const [, first = "", last = ""] = found;
  if (first === "" && last === "") return undefined;
  const unsatisfiable = () =>
    new S3Error(
      "InvalidRange",
      undefined,
      { RangeRequested: header, ActualObjectSize: String(sizeBytes) },
      { "content-range": `bytes */${sizeBytes}` },
    );
  if (first === "") {
    const length = Math.min(Number(last), sizeBytes);
    if (length === 0) throw unsatisfiable();
    return { offset: sizeBytes - length, length };
  }
  const offset = Number(first);
  const end = last === "" ? sizeBytes - 1 : Math.min(Number(last), sizeBytes - 1);
  if (last !== "" && Number(last) < offset) return undefined;
  if (offset >= sizeBytes) throw unsatisfiable();
  return { offset, length: end - offset + 1 };
}
