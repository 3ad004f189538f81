/** Where the parts of an object lie, and the one hash S3 keeps of all of them. Needed on both sides of the wire, so it is here. */
import { hexToBytes, sha256Hex } from "./bytes.ts";

export interface PartSpan {
  readonly part: number;
  readonly offset: number;
  readonly lengthBytes: number;
}

export function partCount(lengthBytes: number, partBytes: number): number {
  return Math.ceil(lengthBytes / partBytes);
}

/** Parts count from 1; undefined when the object has no such part. */
export function partSpan(lengthBytes: number, partBytes: number, part: number): PartSpan | undefined {
  const offset = (part - 1) * partBytes;
  if (!Number.isInteger(part) || part < 1 || offset >= lengthBytes) return undefined;
  return { part, offset, lengthBytes: Math.min(partBytes, lengthBytes - offset) };
}

/** S3's COMPOSITE checksum: the SHA-256 over the parts' binary SHA-256s in order. Hex in, hex out. */
export function compositeSha256(partsHex: readonly string[]): string {
  return sha256Hex(hexToBytes(partsHex.join("")));
}
