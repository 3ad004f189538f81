/** A delete, as far as rows decide it. Tombstone first: the name is free and nothing resurrects, whatever becomes of the erasing. */
import { type Refusal, refuse } from "#contract/errors";
import { retireMandates } from "./mandates.ts";
import { findLive, move, type Order } from "./orders.ts";
import { discard, placeOf, plansOf } from "./plans.ts";
import type { ObjectPlace } from "./ports.ts";
import type { Tx } from "./tx.ts";

export type Deleting = { readonly ok: true; readonly order: Order; readonly places: ObjectPlace[] } | Refusal;

/** The places whose bytes must go now; the alarm comes after, and once more when no URL can bring them back. */
export function beginDelete(tx: Tx, agentId: string, objectKey: string): Deleting {
  const order = findLive(tx, agentId, objectKey);
  if (!order) return refuse("object_not_found", `no object is named ${JSON.stringify(objectKey)} for agent ${agentId}`);
  const plans = plansOf(tx, order.orderId).filter((plan) => plan.state !== "gone");
  const moved = move(tx, order, "deleted", { ended: "deleted" });
  if (!moved.ok) return moved;
  for (const plan of plans) discard(tx, order, plan);
  retireMandates(tx, order.orderId, "the object was deleted");
  return { ok: true, order: moved.order, places: plans.flatMap((plan) => placeOf(order, plan) ?? []) };
}
