/**
 * AWS's JSON protocols (1.0 and 1.1): one POST, the operation in a header, signed by aws4fetch with every option written out.
 * An answer has three ends: AWS did it, AWS said no (its code), or nobody knows.
 */
import { AwsV4Signer } from "aws4fetch";

export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface AwsJsonService {
  readonly endpoint: string;
  /** Region and service of the signature. */
  readonly region: string;
  readonly service: string;
  /** What stands before the operation in `X-Amz-Target`. */
  readonly target: string;
  readonly version: "1.0" | "1.1";
  readonly credentials: AwsCredentials;
}

export type AwsAnswer =
  | { readonly ok: true; readonly value: unknown }
  /** `code` as AWS names it, without namespace. Throttling is such an answer, and may say how long to wait. */
  | {
      readonly ok: false;
      readonly status: number;
      readonly code: string;
      readonly message: string;
      readonly retryAfterS: number | undefined;
    }
  | { readonly ok: undefined; readonly detail: string };

const TIMEOUT_MS = 10_000;

export async function callAws(service: AwsJsonService, operation: string, input: object): Promise<AwsAnswer> {
  try {
    const body = JSON.stringify(input);
    const signed = await sign(service, operation, body);
    const response = await fetch(signed.url, {
      method: "POST",
      headers: signed.headers,
      body,
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const text = await response.text();
    if (response.ok) return succeeded(operation, text);
    const error = errorIn(response.headers.get("x-amzn-errortype"), text);
    if (response.status >= 500 || error.code === "")
      return { ok: undefined, detail: `${operation} answered ${response.status} ${error.code}` };
    return { ok: false, status: response.status, ...error };
  } catch (error) {
    return { ok: undefined, detail: `${operation}: ${String(error)}` };
  }
}

/** What an error of the parser quotes may be a secret: it is not passed on. */
function succeeded(operation: string, text: string): AwsAnswer {
  try {
    return { ok: true, value: text === "" ? {} : (JSON.parse(text) as unknown) };
  } catch {
    return { ok: undefined, detail: `${operation} answered something that is not JSON` };
  }
}

function sign(
  { endpoint, region, service, target, version, credentials }: AwsJsonService,
  operation: string,
  body: string,
) {
  const signer = new AwsV4Signer({
    method: "POST",
    url: new URL("/", endpoint).href,
    headers: { "content-type": `application/x-amz-json-${version}`, "x-amz-target": `${target}.${operation}` },
    body,
    accessKeyId: credentials.accessKeyId,
    secretAccessKey: credentials.secretAccessKey,
    service,
    region,
    signQuery: false,
    allHeaders: true,
  });
  return signer.sign();
}

/** The code stands in a header or in `__type`, perhaps with a namespace before it or a URL behind it. */
function errorIn(header: string | null, text: string) {
  const body = fieldsOf(text);
  const raw = header ?? textOf(body["__type"]) ?? textOf(body["code"]) ?? "";
  const code = /([A-Za-z0-9_]+)(?::.*)?$/.exec(raw.split("#").at(-1) ?? "")?.[1] ?? "";
  const message = (textOf(body["message"]) ?? textOf(body["Message"]) ?? "").slice(0, 300);
  const wait = body["retryAfterSeconds"];
  return { code, message, retryAfterS: typeof wait === "number" && wait >= 0 ? wait : undefined };
}

function fieldsOf(text: string): Record<string, unknown> {
  try {
    const json: unknown = JSON.parse(text);
    return typeof json === "object" && json !== null ? (json as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

const textOf = (value: unknown) => (typeof value === "string" ? value : undefined);
