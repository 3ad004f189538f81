/**
 * Sends a sealed file by its plan, whole or in parts, in constant memory. What has to be remembered to go on after a crash is the
 * order's id and the sealed file, nothing else: the plan of the same content is the same plan, and which parts are there S3 says.
 *
 * The sealed file is kept until confirmed, not made again: sealing anew under the kept file key and nonce would give the same bytes
 * only if the source had not changed by a bit meanwhile, and where it had, one key stream over two plaintexts would reveal both.
 */
import { createHash } from "node:crypto";
import type { UploadReply } from "#contract/api";
import { partSpan } from "#contract/parts";
import type { PartsPlan, PartsReply, UploadTarget } from "#contract/upload";
import { ApiError } from "./api.ts";
import { type Patience, patiently } from "./patience.ts";
import { piecesOf, put, TransferError } from "./transfer.ts";

/** From here on a file goes up in parts: less is sent again as a whole in the time it takes to ask. */
export const PARTS_FROM_BYTES = 64 * 1024 ** 2;

/** The sealed bytes on the disk. */
export interface SealedSource {
  readonly path: string;
  readonly sealedBytes: number;
}

/** What the service is asked on the way; each may be asked again at any time. */
export interface UploadAsks {
  /** The plan of this very content: the same one as long as its bytes may be sent. */
  plan(): Promise<UploadReply>;
  parts(plan: number, parts: readonly { part: number; sha256: string }[]): Promise<PartsReply>;
}

export interface UploadJob extends Patience {
  readonly source: SealedSource;
  readonly asks: UploadAsks;
  /** A plan that was just asked for. */
  readonly upload?: UploadReply | undefined;
  /** Told the bytes S3 has of the whole, those of parts under way included. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
  /** Parts under way at once. */
  readonly parallel?: number | undefined;
}

export interface Uploaded {
  readonly plan: number;
  /** Host the bytes went to; empty when none had to be sent. */
  readonly host: string;
  readonly sentBytes: number;
  /** Bytes S3 had before. */
  readonly skippedBytes: number;
}

const PARALLEL = 4;
/** Parts asked for together: their URLs must not die while they wait for their turn. */
const BATCH = 8;
/** Uploads that vanish one after the other are somebody's doing. */
const PLANS_MAX = 4;
/** A URL that fails so often may be the reason; asking for another costs little. */
const FAILURES_OF_A_URL = 3;

/** Everything is in S3 when this returns; what remains is to confirm it. */
export async function upload(job: UploadJob): Promise<Uploaded> {
  let known = job.upload;
  for (let plans = 1; ; plans++) {
    const plan = known ?? (await patiently(job, () => job.asks.plan()));
    known = undefined;
    const { sealedBytes } = job.source;
    if (plan.already_stored) return { plan: plan.plan.plan, host: "", sentBytes: 0, skippedBytes: sealedBytes };
    try {
      return plan.plan.multipart ? await sendParts(job, plan, plan.plan.multipart) : await sendWhole(job, plan);
    } catch (error) {
      if (!isLost(error) || plans >= PLANS_MAX) throw error;
      job.onNotice?.("the upload is not open any more; asking what became of it");
    }
  }
}

/** Put together by somebody else, given up, or aborted: the next plan tells which. */
function isLost(error: unknown): boolean {
  if (error instanceof ApiError) return error.problem.code === "plan_gone";
  return error instanceof TransferError && error.cure === "lost";
}

async function sendWhole(job: UploadJob, first: UploadReply): Promise<Uploaded> {
  const { source, signal, onProgress } = job;
  let plan = first;
  const sent = await patiently(job, async (failures) => {
    // Another URL for the same bytes under the same key: the one before may have expired.
    if (failures > 0) plan = await job.asks.plan();
    const [target] = plan.plan.targets;
    if (plan.already_stored || !target) return { host: "", already: true };
    return put(target, source.path, { signal, onProgress });
  });
  const sentBytes = sent.already ? 0 : source.sealedBytes;
  return { plan: plan.plan.plan, host: sent.host, sentBytes, skippedBytes: source.sealedBytes - sentBytes };
}

async function sendParts(job: UploadJob, { plan: { plan } }: UploadReply, parts: PartsPlan): Promise<Uploaded> {
  const { source } = job;
  const stored = new Set(parts.stored);
  const spans = Array.from({ length: parts.parts }, (_, at) => spanOf(source, parts, at + 1));
  const todo = spans.filter(({ part }) => !stored.has(part));
  const skippedBytes = spans.reduce((sum, { part, lengthBytes }) => sum + (stored.has(part) ? lengthBytes : 0), 0);
  if (stored.size > 0) job.onNotice?.(`S3 has ${stored.size} of ${parts.parts} parts; they are not sent again`);
  const bytesOf = new Map<number, number>();
  const tell = (part: number, bytes: number) => {
    bytesOf.set(part, bytes);
    let sum = skippedBytes;
    for (const each of bytesOf.values()) sum += each;
    job.onProgress?.(sum);
  };
  // One worker that fails for good stops the others.
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, ...(job.signal === undefined ? [] : [job.signal])]);
  const patience = { ...job, signal };
  const next = targetsOf(patience, job.asks, plan, source.path, todo);
  let host = "";
  const work = async () => {
    for (let target = await next(); target; target = await next()) {
      const sent = await sendPart(patience, plan, target, (bytes) => tell(target?.part ?? 0, bytes));
      host = sent.host;
    }
  };
  const workers = Array.from({ length: Math.min(job.parallel ?? PARALLEL, todo.length) }, () =>
    work().catch((error: unknown) => {
      if (!stop.signal.aborted) stop.abort(error);
      throw error;
    }),
  );
  const ends = await Promise.allSettled(workers);
  job.signal?.throwIfAborted();
  if (ends.some((end) => end.status === "rejected")) throw stop.signal.reason;
  return { plan, host, sentBytes: source.sealedBytes - skippedBytes, skippedBytes };
}

async function sendPart(
  job: Patience & { readonly asks: UploadAsks; readonly source: SealedSource },
  plan: number,
  first: UploadTarget,
  onProgress: (bytes: number) => void,
) {
  let target = first;
  let renew = false;
  return patiently(job, async (failures) => {
    if (renew || (failures > 0 && failures % FAILURES_OF_A_URL === 0)) {
      target = await ask(job.asks, plan, job.source.path, target);
      renew = false;
    }
    try {
      return await put(target, job.source.path, { signal: job.signal, onProgress });
    } catch (error) {
      onProgress(0);
      renew = error instanceof TransferError && error.cure === "renew";
      throw error;
    }
  });
}

async function ask(asks: UploadAsks, plan: number, path: string, { part, offset, length }: UploadTarget) {
  const pin = { part, sha256: await hashOf(path, offset, length) };
  const [target] = (await asks.parts(plan, [pin])).targets;
  if (!target) throw new Error("invariant: a part that was asked for has a target");
  return target;
}

interface Span {
  readonly part: number;
  readonly offset: number;
  readonly lengthBytes: number;
}

/** Hands out targets one by one and asks for the next few when they run out, while others are still being sent. */
function targetsOf(patience: Patience, asks: UploadAsks, plan: number, path: string, todo: readonly Span[]) {
  let at = 0;
  let ready: UploadTarget[] = [];
  let refilling: Promise<void> | undefined;
  const refill = async () => {
    const batch = todo.slice(at, at + BATCH);
    at += batch.length;
    const pins: { part: number; sha256: string }[] = [];
    for (const { part, offset, lengthBytes } of batch) {
      patience.signal?.throwIfAborted();
      pins.push({ part, sha256: await hashOf(path, offset, lengthBytes) });
    }
    ready = [...(await patiently(patience, () => asks.parts(plan, pins))).targets];
  };
  return async (): Promise<UploadTarget | undefined> => {
    for (;;) {
      const target = ready.shift();
      if (target) return target;
      if (refilling === undefined && at >= todo.length) return undefined;
      refilling ??= refill().finally(() => {
        refilling = undefined;
      });
      await refilling;
    }
  };
}

async function hashOf(path: string, offset: number, length: number): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of piecesOf(path, offset, length)) hash.update(piece);
  return hash.digest("hex");
}

function spanOf({ sealedBytes }: SealedSource, { part_bytes }: PartsPlan, part: number): Span {
  const span = partSpan(sealedBytes, part_bytes, part);
  if (!span) throw new TransferError(`The plan has a part ${part} that the sealed file has not`, "never");
  return span;
}
