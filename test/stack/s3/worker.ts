/** The local S3 as a Worker: plugs an R2 binding, accounts and the clock into the dialect, and prints one line a request. */
import type { Credential } from "../../../worker/s3-door/credential.ts";
import type { S3Door } from "../../../worker/s3-door/door.ts";
import { handleS3 } from "../../../worker/s3-door/handle.ts";
import { r2Store } from "../../../worker/s3-door/r2-store.ts";

interface Env {
  readonly DATA: R2Bucket;
  readonly S3_CREDENTIALS: string;
  readonly S3_REGIONS: string;
  readonly S3_HOST_SUFFIX?: string;
  /** Added to the clock, so that a test can let signatures expire or be early. */
  readonly S3_CLOCK_OFFSET_MS?: string;
  /** "1": re-creating one's own bucket in us-east-1 answers 200, as on AWS. */
  readonly S3_LEGACY_US_EAST_1?: string;
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    if (new URL(request.url).pathname === "/-/healthz") return Response.json({ ok: true });
    return untouched(request, await handleS3(asSent(request), doorOf(env)));
  },
};

/**
 * The dev front plays Cloudflare's edge: it replaces Accept-Encoding on the way in and compresses text on the way out, which
 * drops Content-Length. S3 does neither, and a client may have signed the header. The original is kept in `cf`.
 */
function asSent(request: Request): Request {
  const accepts = clientAcceptEncoding(request);
  if (accepts === undefined || accepts === (request.headers.get("accept-encoding") ?? "")) return request;
  const headers = new Headers(request.headers);
  if (accepts === "") headers.delete("accept-encoding");
  else headers.set("accept-encoding", accepts);
  return new Request(request, { headers });
}

/** The front leaves alone what names an encoding other than gzip and br; "identity" says nothing but the truth. */
function untouched(request: Request, response: Response): Response {
  const compresses = /gzip|br|\*/.test(clientAcceptEncoding(request) ?? "");
  if (compresses && !response.headers.has("content-encoding")) response.headers.set("content-encoding", "identity");
  return response;
}

function clientAcceptEncoding(request: Request): string | undefined {
  const value = request.cf?.["clientAcceptEncoding"];
  return typeof value === "string" ? value : undefined;
}

function doorOf(env: Env): S3Door {
  const accounts: Record<string, Credential> = JSON.parse(env.S3_CREDENTIALS);
  const offsetMs = Number(env.S3_CLOCK_OFFSET_MS ?? "0");
  return {
    store: r2Store(env.DATA),
    credentials: (accessKeyId) => (Object.hasOwn(accounts, accessKeyId) ? accounts[accessKeyId] : undefined),
    regions: env.S3_REGIONS.split(",").map((region) => region.trim()),
    ...(env.S3_HOST_SUFFIX ? { hostSuffix: env.S3_HOST_SUFFIX } : {}),
    legacyUsEast1: env.S3_LEGACY_US_EAST_1 === "1",
    now: () => Date.now() + offsetMs,
    log: (entry) => console.log(JSON.stringify(entry)),
  };
}
