/** Carries out an upload plan: every target that is not there yet, from the sealed file on disk. */
import type { UploadReply } from "#contract/api";
import { putFile } from "../transfer.ts";

export interface Sending {
  readonly upload: UploadReply;
  /** The sealed file. */
  readonly path: string;
  readonly signal: AbortSignal;
  /** Told the bytes of the whole object sent so far. */
  readonly onProgress: (bytes: number) => void;
}

/** @returns the host the bytes went to; empty when nothing had to be sent. */
export async function sendPlan({ upload, path, signal, onProgress }: Sending): Promise<string> {
  if (upload.already_stored) return "";
  let host = "";
  for (const target of upload.plan.targets) {
    signal.throwIfAborted();
    const sent = await putFile(target, path, (bytes) => onProgress(target.offset + bytes));
    host = sent.host;
  }
  return host;
}
