/** A client that signs with aws4fetch and speaks raw HTTP: what goes over the wire is exactly what a test wrote. */
import { createHash } from "node:crypto";
import { AwsV4Signer } from "aws4fetch";
import { expect } from "vitest";
import { check } from "./judge.ts";
import { type Account, alice, freshName, type Subject } from "./subject.ts";

export interface Ask {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Uint8Array;
  readonly account?: Account;
  readonly region?: string;
  /** Time of signing; default now. */
  readonly atMs?: number;
  /** Presign for so many seconds, and sign every header given. */
  readonly expires?: number;
}

export interface Signed {
  readonly url: string;
  readonly method: string;
  readonly headers: Record<string, string>;
}

/** `path` starts with "/" and is already encoded. */
export async function signAsk(subject: Subject, path: string, ask: Ask = {}): Promise<Signed> {
  const { method = "GET", account = alice, region = "us-east-1", expires } = ask;
  const url = new URL(subject.origin + path);
  const headers: Record<string, string> = { ...ask.headers };
  if (expires !== undefined) url.searchParams.set("X-Amz-Expires", String(expires));
  else headers["x-amz-content-sha256"] ??= sha256Hex(ask.body ?? "");
  const signer = new AwsV4Signer({
    method,
    url: url.href,
    headers,
    accessKeyId: account.accessKeyId,
    secretAccessKey: account.secretAccessKey,
    service: "s3",
    region,
    signQuery: expires !== undefined,
    allHeaders: true,
    ...(ask.atMs === undefined ? {} : { datetime: amzDate(ask.atMs) }),
  });
  const signed = await signer.sign();
  return { url: signed.url.href, method, headers: Object.fromEntries(signed.headers) };
}

export async function send(subject: Subject, path: string, ask: Ask = {}): Promise<Response> {
  const { url, method, headers } = await signAsk(subject, path, ask);
  return fetch(url, request(method, headers, ask.body));
}

/** A presigned URL plus the headers that were signed into it. */
export async function presign(subject: Subject, path: string, ask: Ask = {}): Promise<Signed> {
  return signAsk(subject, path, { expires: 900, ...ask });
}

export function request(method: string, headers: Record<string, string>, body?: string | Uint8Array): RequestInit {
  const sent = { ...headers };
  // fetch sets it from the body; a test that signed another length must not be stopped on the client's side.
  delete sent["content-length"];
  delete sent["host"];
  return {
    method,
    headers: sent,
    redirect: "manual",
    ...(body === undefined ? {} : { body: body as NonNullable<RequestInit["body"]> }),
  };
}

export function sha256Hex(body: string | Uint8Array): string {
  return createHash("sha256").update(body).digest("hex");
}

export function base64Hash(algorithm: "md5" | "sha256" | "sha1", body: string | Uint8Array): string {
  return createHash(algorithm).update(body).digest("base64");
}

export function amzDate(ms: number): string {
  return new Date(ms).toISOString().replace(/[-:]|\.\d{3}/g, "");
}

export async function makeBucket(subject: Subject, ask: Ask = {}): Promise<string> {
  const name = freshName();
  const region = ask.region ?? "us-east-1";
  const body = region === "us-east-1" ? undefined : locationDocument(region);
  const made = await send(subject, `/${name}`, { ...ask, method: "PUT", ...(body === undefined ? {} : { body }) });
  expect(made.status, await made.text()).toBe(200);
  return name;
}

export function locationDocument(region: string): string {
  return `<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LocationConstraint>${region}</LocationConstraint></CreateBucketConfiguration>`;
}

/** Status and code of a refusal, and that it is a proper error document. */
export async function expectRefusal(response: Response, status: number, code: string): Promise<string> {
  const text = await response.text();
  const came = `${response.status} ${/<Code>(.*?)<\/Code>/.exec(text)?.[1] ?? ""}`.trim();
  check(() => expect(came).toBe(`${status} ${code}`));
  if (response.ok) return text;
  check(() => expect(text).toMatch(/^<\?xml version="1.0" encoding="UTF-8"\?>\s*<Error>/));
  // What an id looks like is the server's own affair; that the document repeats the header is not.
  const requestId = response.headers.get("x-amz-request-id");
  check(() => expect(text).toContain(`<RequestId>${requestId}</RequestId>`));
  return text;
}

/** Drains the answer and checks only its status. */
export async function expectStatus(response: Response, status: number): Promise<Response> {
  const text = await response.text();
  const came = `${response.status} ${/<Code>(.*?)<\/Code>/.exec(text)?.[1] ?? ""}`.trim();
  check(() => expect(came).toBe(String(status)));
  return response;
}
