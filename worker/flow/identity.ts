/**
 * Who asks, where more than a wallet proof is admitted: sign-in, read session, ticket. The strongest that came is judged and none
 * after it is tried, so a bad proof never falls back to a weaker word.
 */
import { refuse } from "#contract/errors";
import { PROOF_HEADER } from "#contract/proof";
import type { Wallet } from "#contract/wallet";
import type { Call, RefusedAnswer } from "./call.ts";
import type { Ports } from "./ports.ts";
import { inSession } from "./session-token.ts";
import { signedIn, signInExtension } from "./siwx.ts";
import { proven, provenOrTicketed, TICKET_HEADER, type Who } from "./who.ts";

export type Means = "siwx" | "session" | "ticket";

/** A list, a look, a download, the state of a payment: everything that may also be read in a session. */
export const READERS: readonly Means[] = ["siwx", "session"];

export async function identified(
  ports: Ports,
  call: Call,
  named: Wallet | undefined,
  admitted: readonly Means[],
): Promise<({ ok: true } & Who) | RefusedAnswer> {
  if (call.header(PROOF_HEADER) !== null) return proven(ports, call, named);
  const who =
    (admitted.includes("siwx") ? await signedIn(ports, call, named) : undefined) ??
    (admitted.includes("session") ? inSession(ports, call, named) : undefined);
  if (who) return who.ok ? who : { ...who, ...challenged(ports, call, admitted) };
  if (admitted.includes("ticket") && call.header(TICKET_HEADER) !== null) return provenOrTicketed(ports, call, named);
  return { ...missing(call), ...challenged(ports, call, admitted) };
}

function missing(call: Call): RefusedAnswer {
  return call.header("authorization") === null
    ? refuse("proof_missing", "this route needs a wallet proof in X-Wallet-Signature, or a sign-in in SIGN-IN-WITH-X")
    : refuse("proof_missing", "a session may read and nothing else; this route needs a wallet proof or a sign-in", {
        facts: { reason: "session_scope" },
      });
}

/** Whoever is turned away gets a fresh challenge along, in the place where a 402 has it. */
function challenged(ports: Ports, call: Call, admitted: readonly Means[]): { body?: object } {
  return admitted.includes("siwx") ? { body: { extensions: signInExtension(ports, call) } } : {};
}
