/** A request and its answer as the verbs see them: no framework, no streams, nothing parsed twice. */
import type * as z from "zod";
import { type Refusal, refuse } from "#contract/errors";
import { firstIssue } from "#contract/x402";

export interface Call {
  readonly method: string;
  /** Normalised, without query. */
  readonly path: string;
  /** Raw query without "?"; empty when there is none. */
  readonly query: string;
  readonly host: string;
  readonly body: Uint8Array;
  /** SHA-256 of the body bytes, `0x` hex. */
  readonly bodyHash: `0x${string}`;
  header(name: string): string | null;
}

export interface Answer {
  readonly ok: true;
  readonly status: 200 | 202 | 207;
  readonly body: object;
  readonly headers: Readonly<Record<string, string>>;
  /** Sent instead of the body, in the content type that the headers name. */
  readonly text?: string;
}

/** A refusal with headers of its own: a 402 says in its headers what to pay. */
export interface RefusedAnswer extends Refusal {
  readonly headers?: Readonly<Record<string, string>>;
  /** Merged into the problem document: the v1 mirror of a 402. */
  readonly body?: object;
}

export type Outcome = Answer | RefusedAnswer;

export function answer(body: object, headers: Record<string, string> = {}, status: Answer["status"] = 200): Answer {
  return { ok: true, status, body, headers };
}

/** The arguments: a JSON object in the body; on GET and DELETE query parameters, over which a body wins. */
export function readArguments<T>(schema: z.ZodType<T>, call: Call): { ok: true; value: T } | Refusal {
  const raw = rawArguments(call);
  if (!raw.ok) return raw;
  const parsed = schema.safeParse(raw.value);
  return parsed.success ? { ok: true, value: parsed.data } : refuse("malformed", firstIssue(parsed.error));
}

function rawArguments(call: Call): { ok: true; value: unknown } | Refusal {
  const fromQuery = call.method === "GET" || call.method === "DELETE";
  const query = fromQuery ? queryArguments(call.query) : { ok: true as const, value: {} };
  if (!query.ok) return query;
  if (call.body.length === 0) return fromQuery ? query : refuse("malformed", "the body is empty; wanted a JSON object");
  const type = call.header("content-type") ?? "";
  if (!/^application\/(?:[a-z0-9.+-]+\+)?json\b/i.test(type))
    return refuse("media_type", `content-type is ${JSON.stringify(type.slice(0, 80))}; wanted application/json`);
  const json = parseJson(call.body);
  if (json === undefined) return refuse("malformed", "the body is not JSON in UTF-8");
  if (typeof json !== "object" || json === null || Array.isArray(json))
    return refuse("malformed", "the body is JSON, but not an object");
  return { ok: true, value: { ...query.value, ...json } };
}

function queryArguments(query: string): { ok: true; value: Record<string, string> } | Refusal {
  const value: Record<string, string> = {};
  for (const [name, text] of new URLSearchParams(query)) {
    if (Object.hasOwn(value, name)) return refuse("malformed", `${name}: given twice in the query`);
    value[name] = text;
  }
  return { ok: true, value };
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body)) as unknown;
  } catch {
    return undefined;
  }
}
