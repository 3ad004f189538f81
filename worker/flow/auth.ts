/** `GET /auth/challenge` and `POST /auth/session`: one signature, then fifteen minutes of reading. */
import { type ChallengeReply, ChallengeRequest, type SessionReply, SessionRequest } from "#contract/api";
import { refuse } from "#contract/errors";
import { normalisePath } from "#contract/proof";
import { answer, type Call, type Outcome, readArguments } from "./call.ts";
import { identified } from "./identity.ts";
import type { Ports } from "./ports.ts";
import { issueSession } from "./session-token.ts";
import { admitsSignIn, challengeFor } from "./siwx.ts";

export async function challenge(ports: Ports, call: Call): Promise<Outcome> {
  const asked = readArguments(ChallengeRequest, call);
  if (!asked.ok) return asked;
  const { method } = asked.value;
  const path = normalisePath(asked.value.path);
  if (!admitsSignIn(method, path)) return refuse("malformed", `path: no sign-in opens ${method} ${path}`);
  const reply: ChallengeReply = { extensions: { "sign-in-with-x": challengeFor(ports, method, path) } };
  return answer(reply);
}

/** By a proof or a sign-in; a session opens no other, or it would never end. */
export async function session(ports: Ports, call: Call): Promise<Outcome> {
  const asked =
    call.body.length === 0
      ? { ok: true as const, value: {} as { wallet_address?: undefined } }
      : readArguments(SessionRequest, call);
  if (!asked.ok) return asked;
  const who = await identified(ports, call, asked.value.wallet_address, ["siwx"]);
  if (!who.ok) return who;
  const bound = who.proof && (await ports.wallet(who.wallet).prove(who.proof));
  if (bound && !bound.ok) return bound;
  const { token, expiresMs } = issueSession(ports, who.wallet);
  const reply: SessionReply = {
    token,
    token_type: "Bearer",
    scope: "read",
    wallet_address: who.wallet,
    expires_at: new Date(expiresMs).toISOString(),
  };
  return answer(reply);
}
