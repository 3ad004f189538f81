/**
 * The checksums S3 knows ("Checking object integrity", user guide), computed while the bytes go by. WebCrypto has no
 * incremental digest, and a 5 GiB body must not be held to be hashed; hence @noble/hashes and two tables.
 */
import { sha1 } from "@noble/hashes/legacy.js";
import { sha256 } from "@noble/hashes/sha2.js";

export const CHECKSUMS = ["sha256", "sha1", "crc32", "crc32c", "crc64nvme"] as const;
export type ChecksumName = (typeof CHECKSUMS)[number];

export interface Digest {
  update(chunk: Uint8Array): unknown;
  digest(): Uint8Array;
}

const BYTES: Readonly<Record<ChecksumName, number>> = { sha256: 32, sha1: 20, crc32: 4, crc32c: 4, crc64nvme: 8 };

export function isChecksumName(text: string): text is ChecksumName {
  return (CHECKSUMS as readonly string[]).includes(text);
}

export function newDigest(name: ChecksumName): Digest {
  switch (name) {
    case "sha256":
      return sha256.create();
    case "sha1":
      return sha1.create();
    case "crc32":
      return crc32(0xedb88320);
    case "crc32c":
      return crc32(0x82f63b78);
    case "crc64nvme":
      return crc64Nvme();
  }
}

/** Is this the base64 of a value as long as this checksum's? */
export function isChecksumValue(name: ChecksumName, text: string): boolean {
  return base64Length(text) === BYTES[name];
}

/** Decoded length of strict base64, undefined when it is not that. */
export function base64Length(text: string): number | undefined {
  return fromBase64(text)?.length;
}

export function fromBase64(text: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0) return undefined;
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

export function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

const tables = new Map<number, Uint32Array>();

function tableOf(polynomial: number): Uint32Array {
  const known = tables.get(polynomial);
  if (known !== undefined) return known;
  const table = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ polynomial : value >>> 1;
    table[byte] = value;
  }
  tables.set(polynomial, table);
  return table;
}

/** Reflected CRC-32; the polynomial decides between ISO-HDLC (crc32) and Castagnoli (crc32c). */
function crc32(polynomial: number): Digest {
  const table = tableOf(polynomial);
  let crc = 0xffffffff;
  return {
    update(chunk) {
      let value = crc;
      for (let index = 0; index < chunk.length; index++) {
        value = (value >>> 8) ^ (table[(value ^ (chunk[index] ?? 0)) & 0xff] ?? 0);
      }
      crc = value;
    },
    digest: () => bigEndian([(crc ^ 0xffffffff) >>> 0]),
  };
}

/** Halves of the CRC-64/NVME table (reflected polynomial 0x9A6C9329AC4BC9B5): 64-bit integers in JavaScript are slow. */
let nvme: { high: Uint32Array; low: Uint32Array } | undefined;

function nvmeTable(): { high: Uint32Array; low: Uint32Array } {
  if (nvme !== undefined) return nvme;
  const table = { high: new Uint32Array(256), low: new Uint32Array(256) };
  for (let byte = 0; byte < 256; byte++) {
    let value = BigInt(byte);
    for (let bit = 0; bit < 8; bit++) value = value & 1n ? (value >> 1n) ^ 0x9a6c9329ac4bc9b5n : value >> 1n;
    table.high[byte] = Number(value >> 32n);
    table.low[byte] = Number(value & 0xffffffffn);
  }
  nvme = table;
  return table;
}

function crc64Nvme(): Digest {
  const table = nvmeTable();
  let high = 0xffffffff;
  let low = 0xffffffff;
  return {
    update(chunk) {
      for (let index = 0; index < chunk.length; index++) {
        const slot = (low ^ (chunk[index] ?? 0)) & 0xff;
        low = ((low >>> 8) | (high << 24)) ^ (table.low[slot] ?? 0);
        high = (high >>> 8) ^ (table.high[slot] ?? 0);
      }
    },
    digest: () => bigEndian([(high ^ 0xffffffff) >>> 0, (low ^ 0xffffffff) >>> 0]),
  };
}

function bigEndian(words: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(words.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [index, word] of words.entries()) view.setUint32(index * 4, word);
  return bytes;
}
