/**
 * Deletes an object. `delete` is a word of the language. The name is free at once; the bytes go now, and once more when no URL can
 * bring them back.
 */
import { type DeleteReply, DeleteRequest } from "#contract/objects";
import { bucketName } from "#contract/wallet";
import { answer, type Call, type Outcome, readArguments } from "./call.ts";
import type { Ports } from "./ports.ts";
import { proven } from "./who.ts";

export async function remove(ports: Ports, call: Call): Promise<Outcome> {
  const asked = readArguments(DeleteRequest, call);
  if (!asked.ok) return asked;
  const { value } = asked;
  const who = await proven(ports, call, value.wallet_address);
  if (!who.ok) return who;
  const wallet = ports.wallet(who.wallet);
  const begun = await wallet.beginDelete(who.proof, value.agent_id, value.object_key);
  if (!begun.ok) return begun;
  // A store that does not answer costs nothing here: the tombstone is written and the alarm erases.
  for (const place of begun.places)
    await wallet.finishErase(place.key, (await ports.store.erase(place)).end === "done");
  const { order } = begun;
  const reply: DeleteReply = {
    success: true,
    key: order.objectKey,
    bucket: order.bucket ?? bucketName(who.wallet, order.region, ports.policy.defaultRegion),
    bucket_deleted: false,
    order_id: order.orderId,
  };
  return answer(reply);
}
