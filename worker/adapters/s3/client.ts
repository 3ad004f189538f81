/**
 * S3 requests, signed by aws4fetch with every option written out. Its defaults are sharp: a presigned PUT leaves content-length
 * unsigned unless `allHeaders`, an URL without X-Amz-Expires lives a day, and its own fetch retries ten times.
 */
import { AwsV4Signer } from "aws4fetch";

export interface S3Config {
  readonly accountId: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Path-style endpoint of an S3-compatible server; absent for AWS, which is reached virtual-host style. */
  readonly endpoint: string | undefined;
}

export interface S3Request {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  readonly region: string;
  readonly bucket: string;
  readonly key?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  /** Milliseconds; what S3 may need to answer, if that is longer than usual. */
  readonly timeoutMs?: number;
}

export type S3Answer =
  | { readonly ok: true; readonly headers: Headers; readonly body: string }
  /** S3 answered with an error: its status and code. */
  | { readonly ok: false; readonly status: number; readonly code: string }
  /** Nobody answered, or with 5xx: not known what happened. */
  | { readonly ok: undefined; readonly detail: string };

const TIMEOUT_MS = 10_000;
const ATTEMPT_PAUSES_MS = [0, 150, 600];

export class S3Client {
  readonly config: S3Config;

  constructor(config: S3Config) {
    this.config = config;
  }

  /** Sends a request that may safely be sent twice. */
  async send(request: S3Request): Promise<S3Answer> {
    let last: S3Answer = { ok: undefined, detail: "not sent" };
    for (const pauseMs of ATTEMPT_PAUSES_MS) {
      if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
      last = await this.sendOnce(request);
      if (last.ok !== undefined) return last;
    }
    return last;
  }

  /** Sends a request of which a second one would be something else. */
  async sendOnce(request: S3Request): Promise<S3Answer> {
    try {
      const signed = await this.#sign(request, undefined);
      const response = await fetch(signed.url, {
        method: request.method,
        headers: signed.headers,
        ...(request.body === undefined ? {} : { body: request.body }),
        redirect: "manual",
        signal: AbortSignal.timeout(request.timeoutMs ?? TIMEOUT_MS),
      });
      const body = request.method === "HEAD" ? "" : await response.text();
      if (response.ok) return { ok: true, headers: response.headers, body };
      const code = /<Code>([^<]{1,100})<\/Code>/.exec(body)?.[1] ?? "";
      if (response.status >= 500 && response.status !== 501)
        return { ok: undefined, detail: `S3 answered ${response.status} ${code}` };
      return { ok: false, status: response.status, code };
    } catch (error) {
      return { ok: undefined, detail: `S3 did not answer: ${String(error)}` };
    }
  }

  /** A URL that carries its own signature; the request must send exactly `headers`. Lives `expiresInS` seconds. */
  async presign(request: S3Request, expiresInS: number): Promise<string> {
    return spaced((await this.#sign(request, expiresInS)).url.href);
  }

  async #sign(request: S3Request, expiresInS: number | undefined) {
    const signer = new AwsV4Signer({
      method: request.method,
      url: this.#url(request, expiresInS),
      headers: {
        ...(expiresInS === undefined ? { "x-amz-expected-bucket-owner": this.config.accountId } : {}),
        ...request.headers,
      },
      ...(request.body === undefined ? {} : { body: request.body }),
      accessKeyId: this.config.accessKeyId,
      secretAccessKey: this.config.secretAccessKey,
      service: "s3",
      region: request.region,
      signQuery: expiresInS !== undefined,
      allHeaders: true,
      singleEncode: false,
      appendSessionToken: false,
    });
    return signer.sign();
  }

  #url(request: S3Request, expiresInS: number | undefined): string {
    const { endpoint } = this.config;
    const base =
      endpoint === undefined
        ? `https://${request.bucket}.s3.${request.region}.amazonaws.com/`
        : `${endpoint.replace(/\/$/, "")}/${request.bucket}${request.key === undefined ? "" : "/"}`;
    const url = new URL(base + encodeKey(request.key ?? ""));
    for (const [name, value] of Object.entries(request.query ?? {})) url.searchParams.set(name, value);
    if (expiresInS !== undefined) url.searchParams.set("X-Amz-Expires", String(expiresInS));
    return spaced(url.href);
  }
}

/** URLSearchParams writes a space as "+", which S3 reads as a plus; a plus of ours is "%2B" by now. */
function spaced(href: string): string {
  return href.replaceAll("+", "%20");
}

/** The hosts that presigned URLs lead to, as Content-Security-Policy spells them: buckets of AWS are subdomains. */
export function browserOrigins(endpoint: string | undefined, regions: readonly string[]): string[] {
  if (endpoint !== undefined) return [new URL(endpoint).origin];
  return regions.map((region) => `https://*.s3.${region}.amazonaws.com`);
}

/** Segments are encoded, slashes are not; dot segments never get here (contract/wallet.ts refuses them). */
function encodeKey(key: string): string {
  return key.split("/").map(encodeURIComponent).join("/");
}
