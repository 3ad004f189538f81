/** `POST /storage/upload/parts`: URLs for parts, each for exactly the bytes announced. What is announced stays announced. */

import { refuse } from "#contract/errors";
import { UPLOAD_URL_TTL_S } from "#contract/limits";
import { partSpan } from "#contract/parts";
import type { UploadTarget } from "#contract/upload";
import { type PartsReply, PartsRequest } from "#contract/upload";
import { walletOfId } from "#contract/wallet";
import type { Pinned } from "../../durable/parts.ts";
import type { Pin } from "../../durable/pins.ts";
import { answer, type Call, type Outcome, readArguments } from "./call.ts";
import { identified } from "./identity.ts";
import type { Ports } from "./ports.ts";

export async function parts(ports: Ports, call: Call): Promise<Outcome> {
  const asked = readArguments(PartsRequest, call);
  if (!asked.ok) return asked;
  const { value } = asked;
  const who = await identified(ports, call, value.wallet_address, ["siwx", "ticket"]);
  if (!who.ok) return who;
  const { order_id: orderId } = value;
  if (walletOfId("order", orderId) !== who.wallet || (who.ticketOrder ?? orderId) !== orderId)
    return refuse("not_found", "no such order of this wallet");
  const asker = who.by === "proof" ? "wallet" : "holder";
  const pinned = await ports.wallet(who.wallet).pinParts(who.proof, orderId, value.plan, value.parts, asker);
  if (!pinned.ok) return pinned;
  const reply: PartsReply = {
    order_id: orderId,
    plan: pinned.plan.plan,
    expires_at: new Date(pinned.plan.urlUntilMs).toISOString(),
    targets: await Promise.all(value.parts.map((pin) => targetOf(ports, pinned, pin, pin.md5))),
  };
  return answer(reply);
}

async function targetOf(
  ports: Ports,
  { plan, upload }: Pinned,
  { part, sha256 }: Pin,
  md5Base64: string | undefined,
): Promise<UploadTarget> {
  const span = partSpan(plan.lengthBytes, plan.partBytes ?? plan.lengthBytes, part);
  if (!span) throw new Error("invariant: a pinned part is one of the plan's");
  const { offset, lengthBytes } = span;
  const { url, headers } = await ports.store.signPart({
    ...upload,
    part,
    lengthBytes,
    sha256Hex: sha256,
    md5Base64,
    expiresInS: UPLOAD_URL_TTL_S,
  });
  return { part, method: "PUT", url, headers, offset, length: lengthBytes };
}
