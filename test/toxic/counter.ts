/**
 * What the client asks the service for on the way, answered without chain and Worker: the product's own S3 adapter signs, against
 * the product's own strict S3 in this process. Only the wallet's memory is a test's: one plan at a time, and its parts.
 */
import { createHash } from "node:crypto";
import type { UploadReply } from "#contract/api";
import { bytesToBase64 } from "#contract/base64";
import { hexToBytes } from "#contract/bytes";
import type { DownloadReply } from "#contract/objects";
import { partCount, partSpan } from "#contract/parts";
import type { PartsReply, UploadTarget } from "#contract/upload";
import type { Assembled } from "../../durable/ports.ts";
import { S3Client } from "../../worker/adapters/s3/client.ts";
import { look } from "../../worker/adapters/s3/look.ts";
import { abortParts, assemble, beginParts, listParts, signPart } from "../../worker/adapters/s3/parts.ts";
import { alice, freshName, regions } from "../s3/subject.ts";

const REGION = regions[0] ?? "";

export interface Counter {
  readonly place: { readonly store: string; readonly region: string; readonly bucket: string; key: string };
  /** Seconds that URLs live. */
  ttlS: number;
  plan(content: Content): Promise<UploadReply>;
  parts(plan: number, parts: readonly { part: number; sha256: string }[]): Promise<PartsReply>;
  /** Looks, and puts parts together first. */
  confirm(): Promise<Assembled>;
  /** The upload for parts goes, as when a store's own lifecycle ends it. */
  abort(): Promise<void>;
  download(content: Content, range: string): Promise<DownloadReply>;
  /** How often each was asked. */
  readonly asked: { plan: number; parts: number; download: number };
}

export interface Content {
  readonly sealedBytes: number;
  readonly sha256: string;
  /** Undefined: one PUT. */
  readonly partBytes?: number;
}

export function openCounter(endpoint: string): Counter {
  const { accessKeyId, secretAccessKey, accountId } = alice;
  const s3 = new S3Client({
    kind: "other",
    style: "path",
    signingRegion: undefined,
    accountId,
    accessKeyId,
    secretAccessKey,
    endpoint,
  });
  const place = { store: "s3", region: REGION, bucket: freshName("toxic"), key: "agent=main/object/order.1" };
  let content: Content | undefined;
  let uploadId: string | undefined;
  const pins = new Map<number, string>();
  const counter: Counter = {
    place,
    ttlS: 900,
    asked: { plan: 0, parts: 0, download: 0 },
    async plan(asked) {
      counter.asked.plan += 1;
      content = asked;
      // In us-east-1 one's own bucket may be made twice.
      await s3.send({ method: "PUT", region: REGION, bucket: place.bucket });
      const { partBytes, sealedBytes: lengthBytes, sha256: sha256Hex } = asked;
      const seen = await look(s3, place);
      const facts = { plan: 1, s3_key: place.key, expires_at: new Date(Date.now() + 900_000).toISOString() };
      if (partBytes === undefined) {
        const headers = {
          "content-length": String(lengthBytes),
          "if-none-match": "*",
          "x-amz-checksum-sha256": bytesToBase64(hexToBytes(sha256Hex)),
        };
        const url = await s3.presign({ method: "PUT", ...place, headers }, counter.ttlS);
        const put: UploadTarget = { part: 1, method: "PUT", url, headers, offset: 0, length: lengthBytes };
        return reply({ already_stored: seen.end === "found", plan: { ...facts, targets: [put] } });
      }
      const opened = await beginParts(s3, { ...place, wrappedDek: undefined });
      if (opened.end !== "done") throw new Error(opened.detail);
      uploadId = opened.uploadId;
      const listed = await listParts(s3, { ...place, uploadId });
      const stored = listed.end === "done" ? listed.parts.map(({ part }) => part) : [];
      const multipart = { part_bytes: partBytes, parts: partCount(lengthBytes, partBytes), stored };
      return reply({ already_stored: seen.end === "found", plan: { ...facts, targets: [], multipart } });
    },
    async parts(plan, asked) {
      counter.asked.parts += 1;
      const targets: UploadTarget[] = [];
      for (const { part, sha256 } of asked) {
        pins.set(part, sha256);
        const span = partSpan(content?.sealedBytes ?? 0, content?.partBytes ?? 1, part);
        if (!span || uploadId === undefined) throw new Error(`no part ${part}`);
        const { url, headers } = await signPart(s3, {
          ...place,
          uploadId,
          part,
          lengthBytes: span.lengthBytes,
          sha256Hex: sha256,
          expiresInS: counter.ttlS,
        });
        targets.push({ part, method: "PUT", url, headers, offset: span.offset, length: span.lengthBytes });
      }
      return { order_id: "order", plan, expires_at: "", targets };
    },
    confirm() {
      if (uploadId === undefined) return look(s3, place);
      const parts = [...pins]
        .sort(([a], [b]) => a - b)
        .map(([part, sha256Hex]) => {
          const span = partSpan(content?.sealedBytes ?? 0, content?.partBytes ?? 1, part);
          return { part, lengthBytes: span?.lengthBytes ?? 0, sha256Hex };
        });
      return assemble(s3, { ...place, uploadId }, parts);
    },
    async abort() {
      if (uploadId !== undefined) await abortParts(s3, { ...place, uploadId });
    },
    async download({ sealedBytes, sha256 }, range) {
      counter.asked.download += 1;
      const [, first, end] = /^bytes=(\d+)-(\d+)$/.exec(range) ?? [];
      const span = { first: Number(first), last: Math.min(Number(end), sealedBytes - 1) };
      const headers = { range: `bytes=${span.first}-${span.last}` };
      const url = await s3.presign({ method: "GET", ...place, headers }, counter.ttlS);
      return {
        download_url: url,
        download_headers: headers,
        expires_in_seconds: counter.ttlS,
        size_bytes: sealedBytes,
        content_sha256: sha256,
        range: span,
        paid_through: "",
        downloads_left: 2,
        download_bytes_left: 2 * sealedBytes,
      } as Partial<DownloadReply> as DownloadReply;
    },
  };
  return counter;
}

/** What the uploading client does not read is left out. */
function reply(of: object): UploadReply {
  return of as UploadReply;
}

export function hashOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
