/**
 * S3 requests, signed by aws4fetch with every option written out. Its defaults are sharp: a presigned PUT leaves content-length
 * unsigned unless `allHeaders`, an URL without X-Amz-Expires lives a day, and its own fetch retries ten times.
 */
import { AwsV4Signer } from "aws4fetch";
import { bytesToBase64 } from "#contract/base64";
import { hexToBytes } from "#contract/bytes";

/** What is known of a store beforehand; the rest is found out (settings.ts). */
export type StoreKind = "aws" | "r2" | "other";

export interface S3Config {
  readonly kind: StoreKind;
  /** Named as the expected owner in every request; absent where the store has no such notion. */
  readonly accountId: string | undefined;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Origin of an S3-compatible server; absent for AWS. */
  readonly endpoint: string | undefined;
  /** How an endpoint is told the bucket: `path` in the path, `virtual` in the host. AWS is always reached by host. */
  readonly style: "path" | "virtual";
  /** Region of every signature, whatever region is sold (R2: `auto`); absent where the two are the same. */
  readonly signingRegion: string | undefined;
}

export interface S3Request {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  readonly region: string;
  /** Absent only for what is asked of the whole account. */
  readonly bucket?: string;
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
        ...(expiresInS === undefined && request.bucket !== undefined ? ownerHeader(this.config) : {}),
        ...request.headers,
      },
      ...(request.body === undefined ? {} : { body: request.body }),
      accessKeyId: this.config.accessKeyId,
      secretAccessKey: this.config.secretAccessKey,
      service: "s3",
      region: this.config.signingRegion ?? request.region,
      signQuery: expiresInS !== undefined,
      allHeaders: true,
      singleEncode: false,
      appendSessionToken: false,
    });
    return signer.sign();
  }

  #url(request: S3Request, expiresInS: number | undefined): string {
    const url = new URL(this.#base(request) + encodeKey(request.key ?? ""));
    for (const [name, value] of Object.entries(request.query ?? {})) url.searchParams.set(name, value);
    if (expiresInS !== undefined) url.searchParams.set("X-Amz-Expires", String(expiresInS));
    return spaced(url.href);
  }

  #base({ region, bucket, key }: S3Request): string {
    const { endpoint, style } = this.config;
    const origin = endpoint?.replace(/\/$/, "") ?? `https://s3.${region}.amazonaws.com`;
    if (bucket === undefined) return `${origin}/`;
    if (endpoint === undefined || style === "virtual") return `${origin.replace("://", `://${bucket}.`)}/`;
    return `${origin}/${bucket}${key === undefined ? "" : "/"}`;
  }
}

/** Empty where the store has no such notion. */
export function ownerHeader({ accountId }: S3Config): Record<string, string> {
  return accountId === undefined ? {} : { "x-amz-expected-bucket-owner": accountId };
}

/**
 * The headers that, once signed, bind a PUT to its content. R2 takes no SHA-256 with a part (501), and some S3-compatible servers keep
 * x-amz-checksum-sha256 without looking at it (radosgw 16); both verify a signed x-amz-content-sha256. AWS verifies the checksum and
 * gives it back to confirm; of the other it says nothing for URLs, so there it is left out.
 */
export function contentHeaders({ kind }: S3Config, what: "object" | "part", sha256Hex: string): Record<string, string> {
  const checksum = { "x-amz-checksum-sha256": bytesToBase64(hexToBytes(sha256Hex)) };
  const payload = { "x-amz-content-sha256": sha256Hex };
  if (kind === "aws") return checksum;
  if (kind === "r2") return what === "part" ? payload : checksum;
  return { ...checksum, ...payload };
}

/** URLSearchParams writes a space as "+", which S3 reads as a plus; a plus of ours is "%2B" by now. */
function spaced(href: string): string {
  return href.replaceAll("+", "%20");
}

/** Segments are encoded, slashes are not; dot segments never get here (contract/wallet.ts refuses them). */
function encodeKey(key: string): string {
  return key.split("/").map(encodeURIComponent).join("/");
}
