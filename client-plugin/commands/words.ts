/** Numbers and times as people read them. */
import { formatDollars, parseMicroUsdc } from "#contract/money";

export function dollars(amount: string | bigint): string {
  const micro = typeof amount === "bigint" ? amount : parseMicroUsdc(amount);
  return micro === undefined ? String(amount) : formatDollars(micro);
}

/** SI, as the published client counts: 1 kB = 1000 B. */
export function bytes(count: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = count;
  let at = 0;
  while (value >= 1000 && at < units.length - 1) {
    value /= 1000;
    at += 1;
  }
  return `${at === 0 ? value : value.toFixed(value >= 100 ? 0 : 1)} ${units[at]}`;
}

export function day(iso: string): string {
  return iso.slice(0, 10);
}

export function fenced(...lines: readonly string[]): string {
  return ["```", ...lines, "```"].join("\n");
}

/** Columns padded to their widest cell; the last one ragged. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, at) => Math.max(title.length, ...rows.map((row) => (row[at] ?? "").length)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, at) => (at === cells.length - 1 ? cell : cell.padEnd(widths[at] ?? 0)))
      .join("  ")
      .trimEnd();
  return [line(head), ...rows.map(line)].join("\n");
}

/** A word for a command line: quoted only where it must be. */
export function quoted(text: string): string {
  return /^[\w./:@+-]+$/.test(text) ? text : `"${text.replace(/(["\\$`])/g, "\\$1")}"`;
}
