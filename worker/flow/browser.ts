/**
 * The browser view, its server side: mint a code, trade it, then list and download as the session's wallet within its scope.
 * A session reads and nothing else; deleting and paying go by the ordinary routes with a proof or a payment of their own.
 */
import {
  type BrowserCodeReply,
  BrowserCodeRequest,
  BrowserDownloadRequest,
  BrowserListRequest,
  type BrowserRevokeReply,
  BrowserRevokeRequest,
  type BrowserSession,
  BrowserTradeRequest,
} from "#contract/browser";
import { sha256Hex, utf8ToBytes } from "#contract/bytes";
import { type Refusal, refuse } from "#contract/errors";
import { BROWSER_SESSION_TTL_S } from "#contract/limits";
import type { Wallet } from "#contract/wallet";
import type { Browsing } from "../../durable/browser.ts";
import { type BrowserToken, cookieOf, newToken, readToken, setCookie } from "./browser-token.ts";
import { answer, type Call, type Outcome, readArguments } from "./call.ts";
import { download } from "./download.ts";
import { list } from "./list.ts";
import type { Ports } from "./ports.ts";
import { issueSession } from "./session-token.ts";
import { proven } from "./who.ts";

/** `POST /storage/ls-web/session`. */
export async function mintCode(ports: Ports, call: Call): Promise<Outcome> {
  const asked = readArguments(BrowserCodeRequest, call);
  if (!asked.ok) return asked;
  const { value } = asked;
  const region = value.region ?? value.location;
  if (region !== undefined && !ports.policy.regions.includes(region))
    return refuse("region_unknown", `${region} is not sold here; sold are ${ports.policy.regions.join(", ")}`);
  const who = await proven(ports, call, value.wallet_address);
  if (!who.ok) return who;
  const code = newToken(ports, "mbc", who.wallet);
  const scope = { agentId: value.agent_id, prefix: value.prefix, region };
  const minted = await ports.wallet(who.wallet).browser(who.proof, { step: "mint", code: code.hash, scope });
  if (!minted.ok) return minted;
  const reply: BrowserCodeReply = {
    success: true,
    code: code.token,
    app: `${ports.publicUrl}/app#code=${code.token}`,
    expires_at: new Date(minted.expiresMs).toISOString(),
  };
  return answer(reply);
}

/** `POST /storage/ls-web/revoke`. */
export async function revokeBrowsers(ports: Ports, call: Call): Promise<Outcome> {
  const asked = readArguments(BrowserRevokeRequest, call);
  if (!asked.ok) return asked;
  const who = await proven(ports, call, asked.value.wallet_address);
  if (!who.ok) return who;
  const revoked = await ports.wallet(who.wallet).browser(who.proof, { step: "revoke" });
  if (!revoked.ok) return revoked;
  const reply: BrowserRevokeReply = { success: true, closed: revoked.closed };
  return answer(reply);
}

/** `POST /app/session`. */
export async function tradeCode(ports: Ports, call: Call): Promise<Outcome> {
  const foreign = foreignOrigin(ports, call);
  if (foreign) return foreign;
  const asked = readArguments(BrowserTradeRequest, call);
  if (!asked.ok) return asked;
  const code = readToken(ports, "mbc", asked.value.code);
  if (!code) return refuse("browser_code_invalid", "the code is not one of ours");
  const session = newToken(ports, "mbs", code.wallet);
  const step = { step: "trade", code: code.hash, session: session.hash } as const;
  const traded = await ports.wallet(code.wallet).browser(undefined, step);
  if (!traded.ok) return traded;
  return answer(sessionReply(ports, code.wallet, traded), {
    "set-cookie": setCookie(ports.publicUrl, session.token, BROWSER_SESSION_TTL_S),
  });
}

/** `POST /app/list`. */
export async function listInBrowser(ports: Ports, call: Call): Promise<Outcome> {
  const browsing = await inBrowser(ports, call);
  if (!browsing.ok) return browsing;
  const asked = readArguments(BrowserListRequest, call);
  if (!asked.ok) return asked;
  const { scope } = browsing;
  const listed = await list(
    ports,
    readAs(ports, call, "/storage/ls", {
      wallet_address: browsing.token.wallet,
      agent_id: scope.agentId,
      ...(scope.prefix === undefined ? {} : { prefix: scope.prefix }),
      ...(scope.region === undefined ? {} : { region: scope.region }),
      ...asked.value,
    }),
  );
  if (!listed.ok) return listed;
  return { ...listed, body: { ...listed.body, session: sessionReply(ports, browsing.token.wallet, browsing) } };
}

/** `POST /app/download`. */
export async function downloadInBrowser(ports: Ports, call: Call): Promise<Outcome> {
  const browsing = await inBrowser(ports, call);
  if (!browsing.ok) return browsing;
  const asked = readArguments(BrowserDownloadRequest, call);
  if (!asked.ok) return asked;
  const { scope, token } = browsing;
  const { object_key: key, agent_id: agent } = asked.value;
  if ((scope.agentId !== "*" && scope.agentId !== agent) || !key.startsWith(scope.prefix ?? ""))
    return refuse("outside_session", `the session does not reach ${JSON.stringify(key)} of agent ${agent}`);
  return download(ports, readAs(ports, call, "/storage/download", { wallet_address: token.wallet, ...asked.value }));
}

/** `POST /app/sign-out`. Ends the session wherever its cookie has got to. */
export async function signOut(ports: Ports, call: Call): Promise<Outcome> {
  const browsing = await inBrowser(ports, call, "leave");
  if (!browsing.ok) return browsing;
  return answer({ success: true }, { "set-cookie": setCookie(ports.publicUrl, "", 0) });
}

type InBrowser = Browsing & { readonly token: BrowserToken };

/** The session by its cookie. SameSite keeps other sites from sending it; that the request names our origin is asked as well. */
async function inBrowser(ports: Ports, call: Call, step: "look" | "leave" = "look"): Promise<InBrowser | Refusal> {
  const foreign = foreignOrigin(ports, call);
  if (foreign) return foreign;
  const cookie = cookieOf(ports.publicUrl, call.header("cookie"));
  const token = cookie === undefined ? undefined : readToken(ports, "mbs", cookie);
  if (!token) return refuse("browser_session_ended", "there is no session; open a link of ls-web");
  const browsing = await ports.wallet(token.wallet).browser(undefined, { step, session: token.hash });
  return browsing.ok ? { ...browsing, token } : browsing;
}

/** Browsers name the origin on every POST; who sends none is no browser and has no business here. */
function foreignOrigin(ports: Ports, call: Call): Refusal | undefined {
  const origin = call.header("origin");
  const ours = new URL(ports.publicUrl).origin;
  if (origin === ours) return undefined;
  return refuse("origin_foreign", `the request comes from ${origin ?? "no origin"}; the page is at ${ours}`);
}

/** The ordinary verb, called as the session's wallet: by a read session of its own, so that it can do no more than read. */
function readAs<T extends { readonly wallet_address: Wallet }>(ports: Ports, call: Call, path: string, body: T): Call {
  const { token } = issueSession(ports, body.wallet_address);
  const bytes = utf8ToBytes(JSON.stringify(body));
  const headers: Record<string, string> = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  return {
    method: "POST",
    path,
    query: "",
    host: call.host,
    body: bytes,
    bodyHash: `0x${sha256Hex(bytes)}`,
    header: (name) => headers[name.toLowerCase()] ?? null,
  };
}

function sessionReply(ports: Ports, wallet: Wallet, { scope, expiresMs }: Browsing): BrowserSession {
  return {
    wallet_address: wallet,
    chain_id: ports.network.chainId,
    agent_id: scope.agentId,
    ...(scope.prefix === undefined ? {} : { prefix: scope.prefix }),
    ...(scope.region === undefined ? {} : { region: scope.region }),
    expires_at: new Date(expiresMs).toISOString(),
  };
}
