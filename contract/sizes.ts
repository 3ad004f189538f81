/** Sizes for people, in the units a price is quoted in: 1 KB is 1,000 bytes. For reading only; programs use the bytes beside it. */

const UNITS = ["KB", "MB", "GB", "TB", "PB"] as const;

/** "0 B", "999 B", "1 KB", "1.5 MB": at most three digits before the point and one behind it. */
export function formatSize(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  let value = bytes;
  let unit = "";
  for (const next of UNITS) {
    if (unit !== "" && rounded(value) < 1000) break;
    value /= 1000;
    unit = next;
  }
  return `${rounded(value)} ${unit}`;
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}
