/**
 * Read sessions: a bearer token of fifteen minutes for one wallet, so that an agent that lists and looks does not sign each time.
 * Stateless (wallet, end and a MAC) and therefore not revocable: it may read what its wallet may read, and nothing else.
 */
import { type Refusal, refuse } from "#contract/errors";
import { SESSION_TTL_S } from "#contract/limits";
import { parseWallet, type Wallet } from "#contract/wallet";
import type { Call } from "./call.ts";
import type { Ports } from "./ports.ts";
import type { Who } from "./who.ts";

const TOKEN = /^Bearer +(mss_([0-9a-f]{40})_([0-9]{1,12}))_([0-9a-f]{40})$/i;

export function issueSession(ports: Ports, wallet: Wallet): { token: string; expiresMs: number } {
  const endS = Math.floor(ports.clock.nowMs() / 1000) + SESSION_TTL_S;
  const text = `mss_${wallet.slice(2)}_${endS}`;
  return { token: `${text}_${ports.seals.seal("session", text, 40)}`, expiresMs: endS * 1000 };
}

/** The wallet by its session; undefined when no Authorization came. */
export function inSession(
  ports: Ports,
  call: Call,
  named: Wallet | undefined,
): ({ readonly ok: true } & Who) | Refusal | undefined {
  const header = call.header("authorization");
  if (header === null) return undefined;
  const [, text, address, endS, mac] = TOKEN.exec(header) ?? [];
  const wallet = parseWallet(`0x${address}`);
  if (!wallet || text === undefined || mac === undefined || !ports.seals.holds("session", text, mac))
    return refuse("proof_invalid", "Authorization is not a session of ours", why("invalid_session"));
  if (Number(endS) * 1000 <= ports.clock.nowMs())
    return refuse("proof_invalid", "the session has ended; open another", why("expired_session"));
  if (named !== undefined && named !== wallet)
    return refuse("wallet_mismatch", `the session is of ${wallet}; the request names ${named}`, why("wallet_mismatch"));
  return { ok: true, wallet, proof: undefined, ticketOrder: undefined, version: undefined, by: "session" };
}

function why(reason: string) {
  return { facts: { reason } };
}
