/**
 * The body of a request, taken in as a stream and judged while it passes: length, x-amz-content-sha256, Content-MD5,
 * x-amz-checksum-*, aws-chunked framing. The verdict falls at the end of the stream, which then errors instead of closing;
 * store.ts promises that a blob whose stream errored does not exist.
 */
import { md5 } from "@noble/hashes/legacy.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { type DeclaredChecksum, declaredChecksum } from "./checksum.ts";
import { decodeChunked } from "./chunked.ts";
import { base64Length, type ChecksumName, type Digest, isChecksumValue, newDigest, toBase64 } from "./digest.ts";
import type { Call } from "./door.ts";
import { S3Error } from "./errors.ts";
import { UNSIGNED_PAYLOAD } from "./sigv4.ts";
import { chunksOf, concat, streamOf } from "./stream.ts";

/** "The maximum size of a single PUT or part is 5 GiB" (Amazon S3 multipart upload limits). */
export const MAX_PUT_BYTES = 5 * 1024 ** 3;

export interface Intake {
  readonly sizeBytes: number;
  readonly stream: ReadableStream<Uint8Array>;
  /** The client's checksum, once the stream has ended well. */
  checksum(): { readonly algorithm: ChecksumName; readonly value: string } | undefined;
  /** Why the stream failed, in S3's words; whatever the store said about it is a consequence. */
  refusal(): S3Error | undefined;
}

interface Plan {
  readonly sizeBytes: number;
  readonly sha256Hex: string | undefined;
  readonly contentMd5: string | undefined;
  readonly declared: DeclaredChecksum | undefined;
}

export function openBody(call: Call, maxBytes = MAX_PUT_BYTES): Intake {
  const { payload } = call.identity;
  const chunked = payload.startsWith("STREAMING-");
  const declared = declaredChecksum(call.headers);
  const plan: Plan = {
    sizeBytes: announcedSize(call.headers, chunked, maxBytes),
    sha256Hex: chunked ? undefined : payloadHash(payload),
    contentMd5: contentMd5(call.headers),
    declared,
  };
  const trailers = new Map<string, string>();
  const raw = chunksOf(call.request.body);
  const content = chunked ? decodeChunked(raw, chunkedForm(call), trailers) : raw;
  let refusal: S3Error | undefined;
  let checksum: { algorithm: ChecksumName; value: string } | undefined;

  async function* judged(): AsyncGenerator<Uint8Array> {
    try {
      checksum = yield* verified(content, plan, trailers, call.meter);
    } catch (reason) {
      // A connection that broke off shows as some runtime's own error.
      refusal = reason instanceof S3Error ? reason : new S3Error("IncompleteBody");
      throw refusal;
    }
  }
  return { sizeBytes: plan.sizeBytes, stream: streamOf(judged()), checksum: () => checksum, refusal: () => refusal };
}

/** A small document (a configuration, a list of keys), verified whole before anybody reads it. */
export async function readDocument(call: Call, maxBytes: number): Promise<string> {
  if (call.request.body === null && !call.headers.has("content-length")) return "";
  const intake = openBody(call, Number.POSITIVE_INFINITY);
  if (intake.sizeBytes > maxBytes) throw new S3Error("MaxMessageLengthExceeded");
  const chunks: Uint8Array[] = [];
  for await (const chunk of chunksOf(intake.stream)) chunks.push(chunk);
  return new TextDecoder().decode(concat(chunks));
}

async function* verified(
  content: AsyncGenerator<Uint8Array>,
  plan: Plan,
  trailers: ReadonlyMap<string, string>,
  meter: Call["meter"],
): AsyncGenerator<Uint8Array, { algorithm: ChecksumName; value: string } | undefined> {
  const hash = plan.sha256Hex === undefined ? undefined : sha256.create();
  const sum = plan.contentMd5 === undefined ? undefined : md5.create();
  const check = plan.declared === undefined ? undefined : newDigest(plan.declared.algorithm);
  const digests = [hash, sum, check].filter((digest): digest is Digest & typeof digest => digest !== undefined);
  let seen = 0;
  for await (const chunk of content) {
    seen += chunk.length;
    meter.requestBytes = seen;
    if (seen > plan.sizeBytes) throw new S3Error("IncompleteBody");
    for (const digest of digests) digest.update(chunk);
    if (chunk.length > 0) yield chunk;
  }
  if (seen !== plan.sizeBytes) {
    throw new S3Error("IncompleteBody", undefined, {
      NumberBytesExpected: String(plan.sizeBytes),
      NumberBytesProvided: String(seen),
    });
  }
  if (hash !== undefined) checkPayloadHash(plan.sha256Hex ?? "", bytesToHex(hash.digest()));
  if (sum !== undefined) checkMd5(plan.contentMd5 ?? "", toBase64(sum.digest()));
  if (check === undefined || plan.declared === undefined) return undefined;
  return checkChecksum(plan.declared, trailers, toBase64(check.digest()));
}

function checkPayloadHash(given: string, computed: string): void {
  if (given === computed) return;
  throw new S3Error("XAmzContentSHA256Mismatch", undefined, {
    ClientComputedContentSHA256: given,
    S3ComputedContentSHA256: computed,
  });
}

function checkMd5(given: string, computed: string): void {
  if (given === computed) return;
  throw new S3Error("BadDigest", undefined, { ExpectedDigest: given, CalculatedDigest: computed });
}

function checkChecksum(
  declared: DeclaredChecksum,
  trailers: ReadonlyMap<string, string>,
  computed: string,
): { algorithm: ChecksumName; value: string } {
  const { algorithm } = declared;
  const given = declared.value ?? trailers.get(`x-amz-checksum-${algorithm}`) ?? "";
  if (!isChecksumValue(algorithm, given)) {
    throw new S3Error("InvalidRequest", `Value for x-amz-checksum-${algorithm} trailing header is invalid.`);
  }
  if (given !== computed) {
    const name = algorithm.toUpperCase();
    throw new S3Error("BadDigest", `The ${name} you specified did not match the calculated checksum.`);
  }
  return { algorithm, value: computed };
}

/** S3 needs the length before the body: a chunked transfer without one is answered 411. */
function announcedSize(headers: Headers, chunked: boolean, maxBytes: number): number {
  const text = headers.get(chunked ? "x-amz-decoded-content-length" : "content-length");
  if (text === null) throw new S3Error("MissingContentLength");
  if (!/^\d{1,15}$/.test(text)) throw new S3Error("InvalidArgument", "The content length is not a number.");
  const size = Number(text);
  if (size > maxBytes) {
    throw new S3Error("EntityTooLarge", undefined, { ProposedSize: text, MaxSizeAllowed: String(maxBytes) });
  }
  return size;
}

function payloadHash(payload: string): string | undefined {
  if (payload === UNSIGNED_PAYLOAD) return undefined;
  if (/^[0-9a-f]{64}$/.test(payload)) return payload;
  throw new S3Error(
    "InvalidArgument",
    "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, or a valid sha256 value.",
    { ArgumentName: "x-amz-content-sha256", ArgumentValue: payload },
  );
}

function contentMd5(headers: Headers): string | undefined {
  const text = headers.get("content-md5");
  if (text === null) return undefined;
  if (base64Length(text) !== 16) throw new S3Error("InvalidDigest", undefined, { "Content-MD5": text });
  return text;
}

function chunkedForm(call: Call) {
  const { payload, seal } = call.identity;
  const trailers = (call.headers.get("x-amz-trailer") ?? "")
    .split(",")
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== "");
  switch (payload) {
    case "STREAMING-UNSIGNED-PAYLOAD-TRAILER":
      return { seal: undefined, trailers };
    case "STREAMING-AWS4-HMAC-SHA256-PAYLOAD":
    case "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER":
      if (payload.endsWith("-TRAILER") !== trailers.length > 0) {
        throw new S3Error("InvalidRequest", "x-amz-trailer and x-amz-content-sha256 contradict each other.");
      }
      return { seal, trailers };
    default:
      throw new S3Error("NotImplemented", `${payload} is not implemented.`);
  }
}
