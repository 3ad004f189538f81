/**
 * The S3 dialect's front door: one Request in, one Response out, whatever runtime it is in. It knows the order of things
 * (where to, who, what, what came of it) and nothing of the operations. Being a plain function, it can be wrapped by a host
 * that wants to inject faults.
 */
import { authenticate, type Identity } from "./authenticate.ts";
import { corsHeaders, preflight } from "./cors.ts";
import type { Call, S3Door } from "./door.ts";
import { errorResponse, S3Error } from "./errors.ts";
import { type Operation, route } from "./route.ts";
import { readTarget, type Target } from "./target.ts";

/** What is known so far, for the log and for the error document. */
interface Progress {
  readonly requestId: string;
  readonly meter: Call["meter"];
  target?: Target;
  operation?: string;
  identity?: Identity;
  errorCode?: string;
}

export async function handleS3(request: Request, door: S3Door): Promise<Response> {
  const progress: Progress = { requestId: newRequestId(), meter: { requestBytes: 0 } };
  const time = new Date(door.now()).toISOString();
  const outcome = await attempt(request, door, progress);
  const response = new Response(outcome.body, { status: outcome.status, headers: outcome.headers, ...manual(outcome) });
  response.headers.set("x-amz-request-id", progress.requestId);
  response.headers.set("date", new Date(door.now()).toUTCString());
  door.log?.({
    time,
    requestId: progress.requestId,
    method: request.method,
    bucket: progress.target?.bucket,
    key: progress.target?.key,
    operation: progress.operation ?? "Unknown",
    status: response.status,
    errorCode: progress.errorCode,
    requestBytes: progress.meter.requestBytes,
    responseBytes: responseBytes(request, response),
    userAgent: request.headers.get("user-agent") ?? undefined,
    requester: progress.identity?.accountId,
  });
  return response;
}

async function attempt(request: Request, door: S3Door, progress: Progress): Promise<Response> {
  let response: Response;
  try {
    response = await perform(request, door, progress);
  } catch (reason) {
    const error = reason instanceof S3Error ? reason : internal(reason);
    progress.errorCode = error.code;
    await letGo(request);
    const resource = progress.target?.path ?? "/";
    response = errorResponse(error, resource, progress.requestId, request.method === "HEAD");
  }
  if (progress.target === undefined || request.method === "OPTIONS") return response;
  const cors = await corsHeaders(request, progress.target, door);
  for (const [name, value] of Object.entries(cors)) response.headers.set(name, value);
  return response;
}

async function perform(request: Request, door: S3Door, progress: Progress): Promise<Response> {
  const target = readTarget(request, door.hostSuffix);
  progress.target = target;
  if (request.method === "OPTIONS") {
    progress.operation = "Preflight";
    return preflight(request, target, door);
  }
  const operation: Operation = route(request, target);
  progress.operation = operation.name;
  const identity = authenticate(request, target, door);
  progress.identity = identity;
  const { meter } = progress;
  return operation.run({ door, request, headers: request.headers, target, identity, nowMs: door.now(), meter });
}

function internal(reason: unknown): S3Error {
  console.error("s3-door:", reason);
  return new S3Error("InternalError");
}

/** A small refused body is read to its end, so that the connection stays usable; a large one is cut off, as S3 does. */
async function letGo(request: Request): Promise<void> {
  if (request.body === null || request.bodyUsed || request.body.locked) return;
  const size = Number(request.headers.get("content-length") ?? Number.NaN);
  try {
    if (size <= 1024 * 1024) await request.arrayBuffer();
    else request.body.cancel().catch(() => undefined);
  } catch {
    // The client is gone already.
  }
}

function responseBytes(request: Request, response: Response): number | undefined {
  if (request.method === "HEAD" || response.body === null) return 0;
  const length = response.headers.get("content-length");
  return length === null ? undefined : Number(length);
}

/** Carried over by hand: `encodeBody` is no property of a Response (see get-object.ts). */
function manual(response: Response): object {
  return response.headers.has("content-encoding") ? { encodeBody: "manual" } : {};
}

/** Sixteen characters, as S3's are. */
function newRequestId(): string {
  return crypto.randomUUID().replaceAll("-", "").slice(0, 16).toUpperCase();
}
