/**
 * The aws-chunked content encoding ("Signature calculations for the Authorization header: transferring payload in multiple
 * chunks" and "…with trailing headers"): chunks framed by a hex length, each signed over the one before, trailers last.
 * AWS SDKs use the unsigned form with a trailing checksum whenever a body is a stream.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { type Seal, sealScope } from "./authenticate.ts";
import { S3Error } from "./errors.ts";
import { hexHash, sameSignature, sign } from "./sigv4.ts";

/** Longest framing or trailer line taken; a checksum or signature line is under 200 bytes. */
const MAX_LINE = 1024;
/** "Each chunk, but the last, must be at least 8 KB" (signed form). */
const MIN_SIGNED_CHUNK = 8192;

export interface ChunkedForm {
  /** Undefined: the unsigned form. */
  readonly seal: Seal | undefined;
  /** Names announced by x-amz-trailer; each must come and no other may. */
  readonly trailers: readonly string[];
}

/** Yields content bytes as they come; `trailers` is filled once the end is reached. A caller must not use what was yielded before the end. */
export async function* decodeChunked(
  source: AsyncGenerator<Uint8Array>,
  form: ChunkedForm,
  trailers: Map<string, string>,
): AsyncGenerator<Uint8Array> {
  const input = new LineReader(source);
  const chain = form.seal === undefined ? undefined : new SignatureChain(form.seal);
  let short = false;
  for (;;) {
    const { size, signature } = readFrame(await input.line());
    if (size > 0 && short) throw new S3Error("InvalidChunkSizeError");
    short = chain !== undefined && size < MIN_SIGNED_CHUNK;
    const hash = chain === undefined ? undefined : sha256.create();
    for await (const bytes of input.take(size)) {
      hash?.update(bytes);
      yield bytes;
    }
    chain?.checkChunk(hash === undefined ? "" : bytesToHex(hash.digest()), signature);
    if (size === 0) break;
    if ((await input.line()) !== "") throw new S3Error("IncompleteBody");
  }
  await readTrailers(input, form, chain, trailers);
}

function readFrame(line: string): { size: number; signature: string | undefined } {
  const found = /^([0-9a-fA-F]{1,12})(?:;chunk-signature=([0-9a-f]{64}))?$/.exec(line);
  if (found === null) throw new S3Error("IncompleteBody", "The request body is not framed as aws-chunked.");
  return { size: Number.parseInt(found[1] ?? "", 16), signature: found[2] };
}

async function readTrailers(
  input: LineReader,
  form: ChunkedForm,
  chain: SignatureChain | undefined,
  trailers: Map<string, string>,
): Promise<void> {
  let signature: string | undefined;
  // Some clients leave out the last empty line when there are no trailers.
  for (let line = await input.lineOrEnd(); line !== undefined && line !== ""; line = await input.lineOrEnd()) {
    const at = line.indexOf(":");
    const name = line.slice(0, at).trim().toLowerCase();
    const value = line.slice(at + 1).trim();
    if (at < 1) throw new S3Error("MalformedTrailerError");
    if (name === "x-amz-trailer-signature") signature = value;
    else if (form.trailers.includes(name) && !trailers.has(name)) trailers.set(name, value);
    else throw new S3Error("MalformedTrailerError");
  }
  if (trailers.size !== form.trailers.length) throw new S3Error("MalformedTrailerError");
  if (chain !== undefined && form.trailers.length > 0) chain.checkTrailers(trailers, signature);
}

/** Each signature covers the one before it, so chunks cannot be dropped, repeated or reordered. */
class SignatureChain {
  readonly #seal: Seal;
  #previous: string;

  constructor(seal: Seal) {
    this.#seal = seal;
    this.#previous = seal.signature;
  }

  checkChunk(contentHash: string, signature: string | undefined): void {
    this.#check([...this.#head("AWS4-HMAC-SHA256-PAYLOAD"), hexHash(""), contentHash], signature);
  }

  checkTrailers(trailers: ReadonlyMap<string, string>, signature: string | undefined): void {
    const lines = [...trailers].sort().map(([name, value]) => `${name}:${value}\n`);
    this.#check([...this.#head("AWS4-HMAC-SHA256-TRAILER"), hexHash(lines.join(""))], signature);
  }

  #head(algorithm: string): string[] {
    return [algorithm, this.#seal.amzDate, sealScope(this.#seal), this.#previous];
  }

  #check(lines: readonly string[], signature: string | undefined): void {
    const expected = sign(this.#seal.key, lines.join("\n"));
    if (signature === undefined || !sameSignature(expected, signature)) throw new S3Error("SignatureDoesNotMatch");
    this.#previous = expected;
  }
}

/** Lines and counted runs of bytes out of arbitrarily cut chunks. */
class LineReader {
  readonly #source: AsyncGenerator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(source: AsyncGenerator<Uint8Array>) {
    this.#source = source;
  }

  async line(): Promise<string> {
    const line = await this.lineOrEnd();
    if (line === undefined) throw new S3Error("IncompleteBody");
    return line;
  }

  /** Undefined at a clean end; a line that breaks off is an incomplete body. */
  async lineOrEnd(): Promise<string | undefined> {
    let text = "";
    for (;;) {
      if (this.#rest.length === 0 && !(await this.#more())) {
        if (text === "") return undefined;
        throw new S3Error("IncompleteBody");
      }
      const end = this.#rest.indexOf(10);
      const taken = end < 0 ? this.#rest : this.#rest.subarray(0, end);
      if (text.length + taken.length > MAX_LINE) throw new S3Error("IncompleteBody", "A framing line is too long.");
      text += String.fromCharCode(...taken);
      this.#rest = end < 0 ? new Uint8Array(0) : this.#rest.subarray(end + 1);
      if (end >= 0) return text.replace(/\r$/, "");
    }
  }

  async *take(size: number): AsyncGenerator<Uint8Array> {
    let left = size;
    while (left > 0) {
      if (this.#rest.length === 0 && !(await this.#more())) throw new S3Error("IncompleteBody");
      const piece = this.#rest.subarray(0, left);
      this.#rest = this.#rest.subarray(piece.length);
      left -= piece.length;
      yield piece;
    }
  }

  async #more(): Promise<boolean> {
    const next = await this.#source.next();
    if (next.done) return false;
    this.#rest = next.value;
    return true;
  }
}
