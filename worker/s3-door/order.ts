/**
 * UTF-8 byte order over JavaScript strings. S3 lists keys "in UTF-8 binary order" (API reference, ListObjectsV2);
 * JavaScript compares UTF-16 units, which puts surrogate pairs (U+10000 and up) before U+E000..U+FFFF. Only that differs.
 */
export function compareUtf8(left: string, right: string): number {
  const shared = Math.min(left.length, right.length);
  for (let index = 0; index < shared; index++) {
    const a = left.charCodeAt(index);
    const b = right.charCodeAt(index);
    if (a !== b) return rank(a) - rank(b);
  }
  return left.length - right.length;
}

/** Lifts surrogates above the rest of the basic plane. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

const encoder = new TextEncoder();

export function utf8Length(text: string): number {
  return encoder.encode(text).length;
}
