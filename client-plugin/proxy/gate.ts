/**
 * Who may speak to the proxy. A web page in a browser on this machine can reach a loopback port, so: only a Host that names this
 * machine (no DNS rebinding), no Origin at all (no page), JSON only (no form), and a bearer token that only the owner can read.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";

export interface Gate {
  readonly token: string;
  /** Port the proxy listens on; undefined on a socket, where the file's permissions say who comes in. */
  readonly port: number | undefined;
}

export interface Turned {
  readonly status: 400 | 401 | 403 | 415;
  readonly code: string;
  readonly message: string;
}

/** For any request. */
export function judgeCaller(request: IncomingMessage, gate: Gate): Turned | undefined {
  const { host, origin } = request.headers;
  if (gate.port !== undefined && !hostsOf(gate.port).includes((host ?? "").toLowerCase()))
    return { status: 403, code: "wrong_host", message: `Host ${JSON.stringify(host ?? "")} is not this proxy.` };
  // No page is a friend of this proxy: whatever comes with an Origin comes from one.
  if (origin !== undefined || request.headers["sec-fetch-site"] !== undefined)
    return { status: 403, code: "foreign_origin", message: "Web pages may not use this proxy." };
  return undefined;
}

/** For a request that does or tells something. */
export function judgeRequest(request: IncomingMessage, gate: Gate): Turned | undefined {
  const [scheme, given = ""] = (request.headers.authorization ?? "").split(" ");
  if (scheme?.toLowerCase() !== "bearer" || !sameSecret(given, gate.token))
    return { status: 401, code: "unauthorized", message: "Send Authorization: Bearer and the token of proxy.token." };
  if (request.method === "POST" && !isJson(request.headers["content-type"]))
    return { status: 415, code: "media_type", message: "Send content-type: application/json." };
  return undefined;
}

function hostsOf(port: number): string[] {
  return [`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`];
}

function isJson(type: string | undefined): boolean {
  return /^application\/json(?:\s*;.*)?$/i.test(type ?? "");
}

/** Of equal length whatever was sent, so the comparison tells nothing by its time. */
function sameSecret(given: string, wanted: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(wanted));
}
