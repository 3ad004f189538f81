/** CORS over HTTP: the preflight answer, and the headers on every other answer to a browser. */

import { findBucket } from "./bucket-access.ts";
import { type CorsRule, corsRules, matchCors } from "./cors-rules.ts";
import type { S3Door } from "./door.ts";
import { S3Error } from "./errors.ts";
import type { Target } from "./target.ts";

const VARY = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method";

/** A preflight is never signed (the browser sends it); it is judged by the bucket's rules alone. */
export async function preflight(request: Request, target: Target, door: S3Door): Promise<Response> {
  const origin = request.headers.get("origin");
  const method = request.headers.get("access-control-request-method");
  if (origin === null) {
    throw new S3Error("BadRequest", "Insufficient information. Origin request header needed.");
  }
  if (method === null) {
    throw new S3Error("BadRequest", "Invalid Access-Control-Request-Method: null");
  }
  const rules = await rulesOf(target, door);
  if (rules.length === 0) throw forbidden("CORSResponse: CORS is not enabled for this bucket.", method);
  const asked = (request.headers.get("access-control-request-headers") ?? "")
    .split(",")
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== "");
  const rule = matchCors(rules, origin, method, asked);
  if (rule === undefined) throw forbidden(undefined, method);
  const headers = new Headers(allowance(rule, origin));
  if (asked.length > 0) headers.set("access-control-allow-headers", asked.join(", "));
  if (rule.maxAgeSeconds !== undefined) headers.set("access-control-max-age", rule.maxAgeSeconds);
  return new Response(null, { status: 200, headers });
}

/** What a browser needs to be allowed to read this answer; nothing when no rule matches. */
export async function corsHeaders(request: Request, target: Target, door: S3Door): Promise<Record<string, string>> {
  const origin = request.headers.get("origin");
  if (origin === null || target.bucket === undefined) return {};
  const rule = matchCors(await rulesOf(target, door), origin, request.method, []);
  return rule === undefined ? {} : allowance(rule, origin);
}

function allowance(rule: CorsRule, origin: string): Record<string, string> {
  const any = rule.origins.includes("*");
  return {
    "access-control-allow-origin": any ? "*" : origin,
    "access-control-allow-methods": rule.methods.join(", "),
    ...(rule.expose.length === 0 ? {} : { "access-control-expose-headers": rule.expose.join(", ") }),
    ...(any ? {} : { "access-control-allow-credentials": "true" }),
    vary: VARY,
  };
}

async function rulesOf(target: Target, door: S3Door): Promise<CorsRule[]> {
  const found = target.bucket === undefined ? undefined : await findBucket(door.store, target.bucket);
  return corsRules(found?.record.configs["cors"]);
}

function forbidden(message: string | undefined, method: string): S3Error {
  return new S3Error("AccessForbidden", message, { Method: method, ResourceType: "OBJECT" });
}
