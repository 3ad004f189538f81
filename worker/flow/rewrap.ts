/** The wallet's keys were rotated: another wrapped key for the same bytes, in the record that downloads answer from. */
import { refuse } from "#contract/errors";
import { type RewrapReply, RewrapRequest } from "#contract/objects";
import { answer, type Call, type Outcome, readArguments } from "./call.ts";
import type { Ports } from "./ports.ts";
import { proven } from "./who.ts";

export async function rewrap(ports: Ports, call: Call): Promise<Outcome> {
  const asked = readArguments(RewrapRequest, call);
  if (!asked.ok) return asked;
  const { value } = asked;
  const who = await proven(ports, call, value.wallet_address);
  if (!who.ok) return who;
  // Version 1 does not cover the body: whoever came by such a proof could put a wrapped key of his own in.
  if (who.version !== "2")
    return refuse("proof_invalid", "this route takes wallet proofs of version 2 only: they cover the body", {
      facts: { reason: "proof_version" },
    });
  const done = await ports.wallet(who.wallet).rewrap(who.proof, {
    agentId: value.agent_id,
    objectKey: value.object_key,
    replaces: value.replaces,
    wrappedDek: value.wrapped_dek,
  });
  if (!done.ok) return done;
  const { order, content } = done;
  const reply: RewrapReply = {
    success: true,
    object_key: order.objectKey,
    agent_id: order.agentId,
    order_id: order.orderId,
    content_sha256: content.sha256,
    wrapped_dek: value.wrapped_dek,
  };
  return answer(reply);
}
