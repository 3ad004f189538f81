/** Between HTTP and the verbs: a request is read once, with a limit; an outcome becomes JSON or a problem document (RFC 9457). */
import { sha256Hex } from "#contract/bytes";
import { REFUSALS, type RefusalCode, refuse } from "#contract/errors";
import { JSON_BODY_BYTES_MAX } from "#contract/limits";
import { normalisePath } from "#contract/proof";
import type { Call, Outcome, RefusedAnswer } from "./flow/call.ts";

/** Nothing here may be cached by anybody: a paid answer is one payer's. */
const COMMON = { "cache-control": "private, no-store", "x-content-type-options": "nosniff" };

export async function readCall(request: Request): Promise<{ ok: true; call: Call } | RefusedAnswer> {
  const url = new URL(request.url);
  const body = await readBody(request);
  if (body === undefined)
    return refuse(
      "body_too_large",
      `the body is larger than ${JSON_BODY_BYTES_MAX} bytes; file bytes go to the upload URL, not here`,
    );
  return {
    ok: true,
    call: {
      method: request.method.toUpperCase(),
      path: normalisePath(url.pathname),
      query: url.search.slice(1),
      host: url.host,
      body,
      bodyHash: `0x${sha256Hex(body)}`,
      header: (name) => request.headers.get(name),
    },
  };
}

/** Undefined when there is more than the limit; what is over it is not read. */
async function readBody(request: Request): Promise<Uint8Array | undefined> {
  if (Number(request.headers.get("content-length") ?? 0) > JSON_BODY_BYTES_MAX) return undefined;
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request.body ?? []) {
    length += chunk.byteLength;
    if (length > JSON_BODY_BYTES_MAX) return undefined;
    chunks.push(chunk);
  }
  const body = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    body.set(chunk, at);
    at += chunk.byteLength;
  }
  return body;
}

export function jsonReply(request: Request, outcome: Outcome): Response {
  if (!outcome.ok) return refused(request, outcome);
  return Response.json(outcome.body, { status: outcome.status, headers: { ...COMMON, ...outcome.headers } });
}

export function problem(request: Request, code: RefusalCode, detail: string): Response {
  return refused(request, refuse(code, detail));
}

/** IETF RateLimit header fields beside Retry-After: how long to stay away. */
export function tooMany(request: Request): Response {
  const waitS = 60;
  const refusal = refuse("too_many_requests", `more requests came from your address than are served in ${waitS} s`, {
    retryAfterS: waitS,
  });
  return refused(request, { ...refusal, headers: { ratelimit: `"address";r=0;t=${waitS}` } });
}

function refused(request: Request, refusal: RefusedAnswer): Response {
  const row = REFUSALS[refusal.code];
  const requestId = request.headers.get("cf-ray") ?? crypto.randomUUID();
  const document = {
    type: `https://mnemospark.ai/problems/${refusal.code}`,
    title: row.title,
    status: row.status,
    detail: refusal.detail,
    instance: new URL(request.url).pathname,
    error: row.error,
    message: refusal.detail,
    code: refusal.code,
    retryable: row.retryable,
    next_action: row.next,
    request_id: requestId,
    ...refusal.facts,
    ...(refusal.facts === undefined ? {} : { details: refusal.facts }),
    ...refusal.body,
  };
  return new Response(JSON.stringify(document), {
    status: row.status,
    headers: {
      ...COMMON,
      "content-type": "application/problem+json",
      "x-request-id": requestId,
      ...(refusal.retryAfterS === undefined ? {} : { "retry-after": String(refusal.retryAfterS) }),
      ...refusal.headers,
    },
  });
}
