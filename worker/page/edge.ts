/** The page's side of `/app/…`: JSON there and back, the session in a cookie the page cannot read. */
import type { Problem } from "#contract/api";
import type { BrowserListReply, BrowserSession } from "#contract/browser";
import type { DownloadReply } from "#contract/objects";

/** A refusal of the service, in its own words. */
export class Refused extends Error {
  readonly code: string;

  constructor(problem: Pick<Problem, "code" | "title" | "detail">) {
    super(`${problem.title}: ${problem.detail}.`);
    this.name = "Refused";
    this.code = problem.code;
  }
}

/** One POST, whatever it is answered. @throws Refused when there is no answer */
export async function send(path: string, body: object, headers: Record<string, string> = {}) {
  const response = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
    credentials: "same-origin",
    cache: "no-store",
    redirect: "error",
  }).catch(() => {
    throw new Refused({ code: "unreachable", title: "No answer", detail: "the service cannot be reached now" });
  });
  const json: unknown = await response.json().catch(() => undefined);
  return { response, json };
}

/** The replies are taken as the contract writes them: page and service are one deployment. */
export async function post<T>(path: string, body: object, headers: Record<string, string> = {}): Promise<T> {
  const { response, json } = await send(path, body, headers);
  if (response.ok) return json as T;
  throw new Refused(problemOf(json, response.status));
}

export function problemOf(json: unknown, status: number): Pick<Problem, "code" | "title" | "detail"> {
  const { code, title, detail } = (json ?? {}) as Partial<Problem>;
  if (code !== undefined && title !== undefined && detail !== undefined) return { code, title, detail };
  return { code: "unknown", title: "Refused", detail: `the service answered ${status}` };
}

export function enter(code: string): Promise<BrowserSession> {
  return post("/app/session", { code });
}

export function listPage(token: string | undefined): Promise<BrowserListReply> {
  return post("/app/list", token === undefined ? {} : { continuation_token: token });
}

export function download(agent: string, key: string): Promise<DownloadReply> {
  return post("/app/download", { agent_id: agent, object_key: key });
}

export function signOut(): Promise<unknown> {
  return post("/app/sign-out", {});
}
