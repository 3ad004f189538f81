/** Between HTTP and the verbs: a request is read once, with a limit; an outcome becomes JSON or a problem document (RFC 9457). */
import { bytesToHex } from "#contract/bytes";
import { REFUSALS, type RefusalCode, refuse } from "#contract/errors";
import { BODY_READ_MAX_MS, INLINE_BODIES_AT_ONCE, INLINE_WAIT_MS, JSON_BODY_BYTES_MAX } from "#contract/limits";
import { normalisePath } from "#contract/proof";
import type { Call, Outcome, RefusedAnswer } from "./flow/call.ts";
import type { Head } from "./flow/inline.ts";

/** Nothing here may be cached by anybody: a paid answer is one payer's. */
const COMMON = { "cache-control": "private, no-store", "x-content-type-options": "nosniff" };

/** Everything of a call but its body. */
export function headOf(request: Request): Head {
  const url = new URL(request.url);
  return {
    method: request.method.toUpperCase(),
    path: normalisePath(url.pathname),
    query: url.search.slice(1),
    host: url.host,
    header: (name) => request.headers.get(name),
  };
}

export async function readCall(
  request: Request,
  bytesMax = JSON_BODY_BYTES_MAX,
): Promise<{ ok: true; call: Call } | RefusedAnswer> {
  const read = await readBody(request, bytesMax);
  if (!read.ok) return read;
  const { body } = read;
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", body));
  return { ok: true, call: { ...headOf(request), body, bodyHash: `0x${bytesToHex(hash)}` } };
}

/** Whether the request announces a body that only a route with room for it may read. A large body must say how large. */
export function isLarge(request: Request): boolean {
  return declaredLength(request) > JSON_BODY_BYTES_MAX;
}

function declaredLength(request: Request): number {
  return Number(request.headers.get("content-length") ?? 0);
}

/** What is over the limit is not read; what was announced is given its room once. */
async function readBody(
  request: Request,
  bytesMax: number,
): Promise<{ ok: true; body: Uint8Array<ArrayBuffer> } | RefusedAnswer> {
  const tooLarge = refuse(
    "body_too_large",
    `the body is larger than ${bytesMax} bytes; file bytes go to the upload URL`,
  );
  const declared = declaredLength(request);
  if (declared > bytesMax) return tooLarge;
  if (request.body === null) return { ok: true, body: new Uint8Array() };
  const reader = request.body.getReader();
  const late = Promise.withResolvers<"late">();
  const timer = setTimeout(late.resolve, BODY_READ_MAX_MS, "late");
  let body = new Uint8Array(declared > 0 ? declared : 1024);
  let length = 0;
  try {
    for (;;) {
      const next = await Promise.race([reader.read(), late.promise]);
      if (next === "late")
        return refuse("body_too_slow", `the body was not here after ${BODY_READ_MAX_MS / 1000} s`, { retryAfterS: 1 });
      if (next.done) return { ok: true, body: body.subarray(0, length) };
      const wanted = length + next.value.byteLength;
      if (wanted > bytesMax) return tooLarge;
      if (wanted > body.byteLength) body = grown(body, Math.min(bytesMax, 2 * wanted));
      body.set(next.value, length);
      length = wanted;
    }
  } finally {
    clearTimeout(timer);
    await reader.cancel().catch(() => {});
  }
}

function grown(bytes: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(length);
  larger.set(bytes);
  return larger;
}

let largeBodies = 0;

/** One of few at a time: each holds megabytes until it is answered. Asked for anew a few times a second, because a promise of one
 * request may not be resolved by another. */
export async function inTurn(request: Request, work: () => Promise<Response>): Promise<Response> {
  const pauseMs = 100;
  for (let waitedMs = 0; largeBodies >= INLINE_BODIES_AT_ONCE; waitedMs += pauseMs) {
    if (waitedMs >= INLINE_WAIT_MS)
      return refused(
        request,
        refuse("too_many_requests", "more large bodies came at once than are held in memory", { retryAfterS: 5 }),
      );
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  largeBodies++;
  try {
    return await work();
  } finally {
    largeBodies--;
  }
}

export function jsonReply(request: Request, outcome: Outcome): Response {
  if (!outcome.ok) return refused(request, outcome);
  const { status, text } = outcome;
  if (text !== undefined) return new Response(text, { status, headers: { ...COMMON, ...outcome.headers } });
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
