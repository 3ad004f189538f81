/**
 * What an archive holds, without unpacking it: each file as a slice of the whole. Ours because a library would copy every file to
 * tell where it begins. Reads ustar, pax (path, size) and GNU long names; links and devices are left out, they have nothing to show.
 */

export interface Entry {
  readonly path: string;
  readonly content: Blob;
}

export interface Archive {
  readonly files: readonly Entry[];
  /** There is more than is listed. */
  readonly cut: boolean;
}

const BLOCK = 512;
const FILES_MAX = 2_000;
/** A pax header or a long name is a few hundred bytes. */
const EXTENSION_BYTES_MAX = 64 * 1024;

/** Undefined when it is not an archive, or a damaged one. */
export async function readArchive(blob: Blob): Promise<Archive | undefined> {
  const files: Entry[] = [];
  let next: { path?: string; size?: number } = {};
  for (let at = 0; at + BLOCK <= blob.size; ) {
    const header = new Uint8Array(await blob.slice(at, at + BLOCK).arrayBuffer());
    if (header.every((byte) => byte === 0)) return { files, cut: false };
    if (!isHeader(header)) return undefined;
    const type = String.fromCharCode(header[156] ?? 0);
    const size = type === "x" || type === "L" ? octal(header, 124, 12) : (next.size ?? octal(header, 124, 12));
    const start = at + BLOCK;
    if (!Number.isSafeInteger(size) || start + size > blob.size) return undefined;
    at = start + Math.ceil(size / BLOCK) * BLOCK;
    const content = blob.slice(start, start + size);
    if (type === "x" || type === "L") {
      if (size > EXTENSION_BYTES_MAX) return undefined;
      const text = await content.text();
      next = type === "L" ? { ...next, path: text.replace(/\0.*$/s, "") } : { ...next, ...paxOf(text) };
      continue;
    }
    if (type === "0" || type === "\0") {
      if (files.length >= FILES_MAX) return { files, cut: true };
      files.push({ path: next.path ?? nameOf(header), content });
    }
    if (type !== "g") next = {};
  }
  return files.length > 0 ? { files, cut: false } : undefined;
}

function isHeader(header: Uint8Array): boolean {
  if (text(header, 257, 5) !== "ustar") return false;
  let sum = 0;
  // The checksum is summed with its own field blank.
  for (let i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? 32 : (header[i] ?? 0);
  return sum === octal(header, 148, 8);
}

function nameOf(header: Uint8Array): string {
  const prefix = text(header, 345, 155);
  const name = text(header, 0, 100);
  return prefix === "" ? name : `${prefix}/${name}`;
}

function text(header: Uint8Array, at: number, length: number): string {
  const field = header.subarray(at, at + length);
  const end = field.indexOf(0);
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
}

function octal(header: Uint8Array, at: number, length: number): number {
  const digits = text(header, at, length).trim();
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number.NaN;
}

/** `<length> <key>=<value>\n`, the length in bytes; of no other key do we want the value, so lines are cut by their newline. */
function paxOf(records: string): { path?: string; size?: number } {
  const path = /(?:^|\n)\d+ path=([^\n]*)\n/.exec(records)?.[1];
  const size = /(?:^|\n)\d+ size=(\d+)\n/.exec(records)?.[1];
  return { ...(path === undefined ? {} : { path }), ...(size === undefined ? {} : { size: Number(size) }) };
}
