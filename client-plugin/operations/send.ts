/** Carries out the upload step of a store: everything that is not in S3 yet, from the sealed file on disk. */
import type { UploadReply, UploadRequest } from "#contract/api";
import type { Session } from "../session.ts";
import { PARTS_FROM_BYTES, type Uploaded, upload } from "../upload.ts";

/** What is uploaded, as the service is told: the same words each time, so that it answers the same plan. */
export type ContentAsk = Pick<UploadRequest, "wrapped_dek" | "object_key"> & {
  readonly agent_id: string;
  readonly content_length_bytes: number;
  readonly content_sha256: string;
};

export interface Sending {
  readonly session: Session;
  readonly orderId: string;
  readonly content: ContentAsk;
  /** The plan that was just asked for. */
  readonly upload: UploadReply;
  /** The sealed file. */
  readonly path: string;
  readonly signal: AbortSignal;
  /** Told the bytes of the whole object sent so far. */
  readonly onProgress: (bytes: number) => void;
}

/** Large files go up in parts; a small one is one PUT. */
export function shapeOf(sealedBytes: number): { mode?: "multipart" } {
  return sealedBytes >= PARTS_FROM_BYTES ? { mode: "multipart" } : {};
}

export function send(sending: Sending): Promise<Uploaded> {
  const { session, orderId, content, path, signal, onProgress } = sending;
  const asked = { order_id: orderId, ...content, ...shapeOf(content.content_length_bytes) };
  return upload({
    source: { path, sealedBytes: content.content_length_bytes },
    asks: {
      plan: () => session.api.upload(asked, { signal }),
      parts: (plan, parts) => session.api.parts({ order_id: orderId, plan, parts: [...parts] }, { signal }),
    },
    upload: sending.upload,
    signal,
    onProgress,
    onNotice: (text) => session.log.activity("upload.notice", { order: orderId, notice: text }),
  });
}
