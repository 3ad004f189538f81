/**
 * The textual header of an age file: version line, recipient stanzas, MAC (age-encryption.org/v1, "Header").
 * Kept apart from the payload so that a later key rotation can write a new header around the same file key.
 * The parser accepts only the canonical spelling: what it accepts, the encoder writes back byte for byte.
 */
import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import type { ByteReader } from "./reader.ts";
import { EnvelopeError } from "./refusal.ts";

/** age's first line, with its newline. Old-format objects do not begin with it. */
export const VERSION_LINE = "age-encryption.org/v1\n";

/** Bytes of an age file key: our data encryption key. */
export const FILE_KEY_BYTES = 16;

/** Our own header is under 300 bytes; a recovery of somebody's many-recipient file still fits. Not a limit of the spec. */
const MAX_HEADER_BYTES = 64 * 1024;

const BODY_LINE_BYTES = 48;
const MAC_BYTES = 32;
const ARGUMENT = /^[\x21-\x7e]+$/;

/** One recipient: its type, its arguments, and the file key wrapped for it. */
export interface Stanza {
  readonly type: string;
  readonly args: readonly string[];
  readonly body: Uint8Array;
}

export interface Header {
  readonly stanzas: readonly Stanza[];
  /** The whole header, `---` line and its newline included. */
  readonly bytes: Uint8Array;
  /** What the MAC covers: `bytes` up to and including `---`. */
  readonly covered: Uint8Array;
  /** HMAC-SHA256, 32 bytes. */
  readonly mac: Uint8Array;
}

/** Standard base64 without padding, as age writes it. */
export function encodeBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64").replace(/=+$/, "");
}

/** Undefined unless `text` is the canonical spelling: no padding, no whitespace, no stray bits. */
export function decodeBase64(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, "base64");
  return encodeBase64(bytes) === text ? bytes : undefined;
}

/** One stanza as it stands in the header. The body always ends with a short line, so a 48-byte body is followed by an empty one. */
export function encodeStanza(stanza: Stanza): string {
  const lines = [`-> ${[stanza.type, ...stanza.args].join(" ")}`];
  for (let at = 0; at <= stanza.body.length; at += BODY_LINE_BYTES) {
    lines.push(encodeBase64(stanza.body.subarray(at, at + BODY_LINE_BYTES)));
  }
  return `${lines.join("\n")}\n`;
}

/** A complete header: stanzas sealed together under the MAC of `fileKey` (16 bytes). */
export function encodeHeader(stanzas: readonly Stanza[], fileKey: Uint8Array): Uint8Array {
  const covered = `${VERSION_LINE}${stanzas.map(encodeStanza).join("")}---`;
  const mac = headerMac(fileKey, Buffer.from(covered, "latin1"));
  return Buffer.from(`${covered} ${encodeBase64(mac)}\n`, "latin1");
}

/**
 * Refuses a header that `fileKey` did not make, in constant time. Nothing of the payload may be released before.
 * @throws EnvelopeError `bad_header_mac`
 */
export function verifyHeader(header: Header, fileKey: Uint8Array): void {
  if (!timingSafeEqual(headerMac(fileKey, header.covered), header.mac)) {
    throw new EnvelopeError("bad_header_mac", "The object's header has been altered: its check value does not match.");
  }
}

/**
 * Reads one header and leaves the reader at the first byte after it.
 * @throws EnvelopeError `not_sealed` or `bad_header`
 */
export async function readHeader(reader: ByteReader): Promise<Header> {
  const first = await reader.block(VERSION_LINE.length);
  if (Buffer.from(first).toString("latin1") !== VERSION_LINE) {
    throw new EnvelopeError("not_sealed", "This object does not begin as an age file does (age-encryption.org/v1).");
  }
  const lines = new HeaderLines(reader, first);
  const stanzas: Stanza[] = [];
  for (;;) {
    const line = await lines.next();
    if (line.startsWith("-> ")) {
      stanzas.push(await readStanza(line, lines));
      continue;
    }
    const mac = line.startsWith("--- ") ? decodeBase64(line.slice(4)) : undefined;
    if (mac?.length !== MAC_BYTES || stanzas.length === 0) throw malformed("its last line is not a check value");
    const bytes = lines.seen();
    return { stanzas, mac, bytes, covered: bytes.subarray(0, bytes.length - line.length - 1 + 3) };
  }
}

/** The header's lines one by one, remembering every byte for the MAC and counting them against the ceiling. */
class HeaderLines {
  readonly #reader: ByteReader;
  readonly #seen: Uint8Array[];
  #left: number;

  constructor(reader: ByteReader, first: Uint8Array) {
    this.#reader = reader;
    this.#seen = [first];
    this.#left = MAX_HEADER_BYTES - first.length;
  }

  /** The next line without its newline, byte for byte (latin1). */
  async next(): Promise<string> {
    const line = await this.#reader.line(this.#left);
    this.#seen.push(line);
    this.#left -= line.length;
    return Buffer.from(line.subarray(0, line.length - 1)).toString("latin1");
  }

  seen(): Uint8Array {
    return Buffer.concat(this.#seen);
  }
}

async function readStanza(opening: string, lines: HeaderLines): Promise<Stanza> {
  const [type, ...args] = opening.slice(3).split(" ");
  if (type === undefined || ![type, ...args].every((word) => ARGUMENT.test(word))) {
    throw malformed("a recipient line is not canonical");
  }
  const body: Uint8Array[] = [];
  for (;;) {
    const part = decodeBase64(await lines.next());
    if (part === undefined || part.length > BODY_LINE_BYTES) throw malformed("a wrapped key is not canonical base64");
    body.push(part);
    if (part.length < BODY_LINE_BYTES) return { type, args, body: Buffer.concat(body) };
  }
}

function headerMac(fileKey: Uint8Array, covered: Uint8Array): Uint8Array {
  const key = new Uint8Array(hkdfSync("sha256", fileKey, new Uint8Array(0), "header", MAC_BYTES));
  return createHmac("sha256", key).update(covered).digest();
}

function malformed(why: string): EnvelopeError {
  return new EnvelopeError("bad_header", `The object's header is malformed: ${why}.`);
}
