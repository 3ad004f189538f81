/** What only an operator may ask: an address of the setting OPERATORS, by its wallet proof. No session and no sign-in does it. */
import { refuse } from "#contract/errors";
import type { Wallet } from "#contract/wallet";
import type { Call, RefusedAnswer } from "./call.ts";
import type { Ports } from "./ports.ts";
import { proven, type Who } from "./who.ts";

export async function asOperator(ports: Ports, call: Call): Promise<{ ok: true; wallet: Wallet } | RefusedAnswer> {
  const who = await proven(ports, call, undefined);
  return who.ok ? admitted(ports, who) : who;
}

/** Who is known already. Their proof is bound: it serves for this request and no other. */
export async function admitted(ports: Ports, who: Who): Promise<{ ok: true; wallet: Wallet } | RefusedAnswer> {
  if (who.by !== "proof" || !who.proof || !ports.operators.includes(who.wallet))
    return refuse("operator_only", `${who.wallet} is not an operator of this service`);
  const bound = await ports.wallet(who.wallet).prove(who.proof);
  return bound.ok ? { ok: true, wallet: who.wallet } : bound;
}
