/** A byte range as it was asked, and the bytes of an object it means (RFC 9110 section 14.1.2: one range, first and last inclusive). */

/** `first` alone: from there to the end; `last` alone: so many bytes at the end. */
export interface AskedRange {
  readonly first: number | undefined;
  readonly last: number | undefined;
}

export interface ByteSpan {
  readonly first: number;
  readonly last: number;
}

/** Undefined when the object has no such byte. */
export function spanOf(asked: AskedRange, sizeBytes: number): ByteSpan | undefined {
  const { first, last } = asked;
  if (first === undefined) {
    if (last === undefined || last === 0) return undefined;
    return { first: Math.max(0, sizeBytes - last), last: sizeBytes - 1 };
  }
  if (first >= sizeBytes || (last !== undefined && last < first)) return undefined;
  return { first, last: Math.min(last ?? sizeBytes - 1, sizeBytes - 1) };
}
