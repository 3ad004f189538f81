/**
 * Writes tar entry headers: POSIX.1-2001 pax interchange format (IEEE Std 1003.1, "pax"), which every tar reads.
 * Ours, while reading is tar-stream's: its writer turns times after 2038 negative and mode 000 into 644, and a
 * function from entry to bytes is what lets the archive's exact length be known before a file is read.
 */

export const BLOCK_BYTES = 512;

/** Two empty blocks close an archive. */
export const END_OF_ARCHIVE = new Uint8Array(2 * BLOCK_BYTES);

export interface EntryHeader {
  /** Relative, `/` between segments, no trailing slash. */
  readonly path: string;
  readonly kind: "file" | "directory" | "symlink";
  /** Content bytes; 0 unless a file. */
  readonly size: number;
  /** Permission bits. */
  readonly mode: number;
  readonly mtimeS: number;
  /** Link target; empty unless a symlink. */
  readonly target: string;
}

const TYPE = { file: "0", symlink: "2", directory: "5", pax: "x" } as const;
const NAME_BYTES = 100;
/** What eleven octal digits hold: 8 GiB of size, the year 2242 of time. */
const OCTAL_MAX = 0o77777777777;

/** The blocks before an entry's content: a pax header where ustar's fields are too small, then the ustar header. */
export function encodeEntry(entry: EntryHeader): Uint8Array {
  const path = entry.kind === "directory" ? `${entry.path}/` : entry.path;
  const mtime = Math.min(Math.max(entry.mtimeS, 0), OCTAL_MAX);
  const records: string[] = [];
  if (!fits(path)) records.push(paxRecord("path", path));
  if (!fits(entry.target)) records.push(paxRecord("linkpath", entry.target));
  if (entry.size > OCTAL_MAX) records.push(paxRecord("size", String(entry.size)));
  if (mtime !== entry.mtimeS) records.push(paxRecord("mtime", String(entry.mtimeS)));

  // Readers without pax see the tail-less ASCII of the name; readers with it never look here.
  const short = (text: string): string => text.replace(/[^\x20-\x7e]/g, "_").slice(0, NAME_BYTES);
  const size = entry.size > OCTAL_MAX ? 0 : entry.size;
  const main = block(short(path), TYPE[entry.kind], size, entry.mode, mtime, short(entry.target));
  if (records.length === 0) return main;

  const body = Buffer.from(records.join(""), "utf8");
  const pax = block("PaxHeader", TYPE.pax, body.length, 0o644, mtime, "");
  return Buffer.concat([pax, body, padding(body.length), main]);
}

/** Zeros that fill the last block after `size` bytes of content. */
export function padding(size: number): Uint8Array {
  return new Uint8Array((BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES);
}

function fits(text: string): boolean {
  return text.length <= NAME_BYTES && /^[\x20-\x7e]*$/.test(text);
}

/** `<length> <key>=<value>\n`, where the length counts its own digits. */
function paxRecord(key: string, value: string): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest;
  while (rest + String(length).length !== length) length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

/** One ustar header block. Owner and group are left 0: an archive should not tell who made it, nor restore to a stranger. */
function block(name: string, type: string, size: number, mode: number, mtimeS: number, target: string): Uint8Array {
  const bytes = Buffer.alloc(BLOCK_BYTES);
  const octal = (value: number, at: number, width: number): void => {
    bytes.write(`${value.toString(8).padStart(width - 1, "0")}\0`, at, "latin1");
  };
  bytes.write(name, 0, "latin1");
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(mtimeS, 136, 12);
  bytes.write("        ", 148, "latin1");
  bytes.write(type, 156, "latin1");
  bytes.write(target, 157, "latin1");
  bytes.write("ustar\x0000", 257, "latin1");
  // The checksum is summed with its own field blank, then written as six digits, a zero and a space.
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return bytes;
}
