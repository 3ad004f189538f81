/**
 * R2 as its documentation has it ("S3 API compatibility", "Error codes"), at its strictest: what is listed as not implemented, or
 * is not listed, is 501, be it an operation or a header. Behind it the embedded S3. No R2 is within reach of a test; this holds us to what R2 promises.
 */
import type { Between } from "../s3/node-server.ts";

const SUBRESOURCES = [
  "accelerate",
  "acl",
  "analytics",
  "intelligent-tiering",
  "inventory",
  "logging",
  "metrics",
  "notification",
  "object-lock",
  "ownershipControls",
  "policy",
  "publicAccessBlock",
  "replication",
  "requestPayment",
  "tagging",
  "versioning",
  "versions",
  "website",
];
const HEADERS =
  /^x-amz-(expected-bucket-owner|acl|grant-.*|object-ownership|bucket-object-lock-enabled|tagging|request-payer|website-.*|object-lock-.*|mp-object-size|(sdk-)?checksum-algorithm)$/;
/** With a part it takes CRCs and Content-MD5 alone. */
const PART_HEADERS = /^x-amz-checksum-sha(1|256)$/;

/** The door behind it must serve the region `auto`. */
export const r2Like: Between = async (request, server) => {
  const url = new URL(request.url);
  const refused = notImplemented(request, url);
  if (refused !== undefined) return errorOf(501, "NotImplemented", `${refused} not implemented`);
  if (url.pathname === "/") return paged(await server(request), url);
  const creates = request.method === "PUT" && /^\/[^/]+\/?$/.test(url.pathname) && url.search === "";
  if (!creates) return unsummed(request, await server(request));
  const answer = await server(await inAuto(request));
  if (answer.status !== 409) return answer;
  return errorOf(409, "BucketConflict", "The bucket name already exists.");
};

function notImplemented(request: Request, url: URL): string | undefined {
  const subresource = SUBRESOURCES.find((name) => url.searchParams.has(name));
  if (subresource !== undefined) return `?${subresource}`;
  const names = [...request.headers.keys(), ...[...url.searchParams.keys()].map((name) => name.toLowerCase())];
  const isPart = url.searchParams.has("partNumber");
  const header = names.find((name) => HEADERS.test(name) || (isPart && PART_HEADERS.test(name)));
  return header === undefined ? undefined : `Header '${header}'`;
}

/** R2's region is `auto`, and need not be named; the server behind wants to hear it. */
async function inAuto(request: Request): Promise<Request> {
  if ((await request.clone().text()) !== "") return request;
  const body =
    '<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LocationConstraint>auto</LocationConstraint></CreateBucketConfiguration>';
  const headers = new Headers(request.headers);
  headers.set("content-length", String(body.length));
  return new Request(request.url, { method: request.method, headers, body });
}

/** It does not promise to give a checksum back. */
function unsummed(request: Request, response: Response): Response {
  if (request.method === "HEAD") response.headers.delete("x-amz-checksum-sha256");
  return response;
}

/** "ListBuckets" pages by itself, in the words of ListObjectsV2. Two a page, so that a test need not make a thousand. */
async function paged(response: Response, url: URL): Promise<Response> {
  const text = await response.text();
  const all = text.match(/<Bucket>.*?<\/Bucket>/gs) ?? [];
  const from = Number(url.searchParams.get("continuation-token") ?? "0");
  const next = from + 2 < all.length ? `<NextContinuationToken>${from + 2}</NextContinuationToken>` : "";
  const body = `<?xml version="1.0" encoding="UTF-8"?><ListAllMyBucketsResult><Buckets>${all.slice(from, from + 2).join("")}</Buckets>${next}</ListAllMyBucketsResult>`;
  return new Response(body, { status: response.status });
}

function errorOf(status: number, code: string, message: string): Response {
  const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`;
  return new Response(body, { status, headers: { "content-type": "application/xml" } });
}
