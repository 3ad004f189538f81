/** What a host plugs into the dialect, and what one call carries through it. */
import type { Identity } from "./authenticate.ts";
import type { Credential } from "./credential.ts";
import type { S3Store } from "./store.ts";
import type { Target } from "./target.ts";

export interface S3Door {
  readonly store: S3Store;
  readonly credentials: (accessKeyId: string) => Credential | undefined;
  /** Regions this endpoint answers for; a bucket lives in one of them and is reached only by signatures scoped to it. */
  readonly regions: readonly string[];
  /** `localhost` makes `<bucket>.localhost` a virtual-hosted bucket; without it every request is path-style. */
  readonly hostSuffix?: string;
  /** Milliseconds since 1970; a seam, so that a test can let a signature expire. */
  readonly now: () => number;
  /** As AWS does in us-east-1 only: creating a bucket one already owns there answers 200 instead of 409. */
  readonly legacyUsEast1?: boolean;
  readonly log?: (entry: AccessLogEntry) => void;
}

export interface AccessLogEntry {
  readonly time: string;
  readonly requestId: string;
  readonly method: string;
  readonly bucket: string | undefined;
  readonly key: string | undefined;
  readonly operation: string;
  readonly status: number;
  readonly errorCode: string | undefined;
  /** Bytes of content taken in, after aws-chunked framing is taken off. */
  readonly requestBytes: number;
  readonly responseBytes: number | undefined;
  readonly userAgent: string | undefined;
  readonly requester: string | undefined;
}

/** One authenticated request on its way to an operation. */
export interface Call {
  readonly door: S3Door;
  readonly request: Request;
  readonly headers: Headers;
  readonly target: Target;
  readonly identity: Identity;
  readonly nowMs: number;
  /** Written by the body reader, read by the access log. */
  readonly meter: { requestBytes: number };
}
