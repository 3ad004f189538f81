/**
 * A stored content's key under another key of the wallet's: the record is changed, the bytes are not touched. The service cannot read
 * either wrapped key; it only sees to it that nobody replaces one they did not know (compare and set).
 *
 * What the bytes came with stays in `plans.wrapped_dek`: it is signed into the plan's URL and S3 keeps it beside the bytes, and the
 * same content asked for again is known by it.
 */
import { type Refusal, refuse } from "#contract/errors";
import { REWRAPS_PER_CONTENT_MAX } from "#contract/limits";
import { type Leased, type StoredContent, statObject } from "./reads.ts";
import type { Tx } from "./tx.ts";

export interface Rewrap {
  readonly agentId: string;
  readonly objectKey: string;
  /** The wrapped key that the caller has opened. */
  readonly replaces: string;
  readonly wrappedDek: string;
}

export type Rewrapped = ({ readonly ok: true } & Leased & { content: StoredContent }) | Refusal;

export function rewrap(tx: Tx, { agentId, objectKey, replaces, wrappedDek }: Rewrap): Rewrapped {
  const found = statObject(tx, agentId, objectKey);
  if (!found.ok) return found;
  const { order, content } = found;
  if (!content) return refuse("object_not_found", `${JSON.stringify(objectKey)} is paid for and not uploaded yet`);
  // The reply was lost.
  if (content.wrappedDek === wrappedDek) return { ...found, content };
  if (content.wrappedDek !== replaces)
    return refuse(
      "wrapped_dek_changed",
      `the wrapped key of ${JSON.stringify(objectKey)} is not the one you name: its content or its key was replaced meanwhile`,
      { facts: { order_id: order.orderId, content_sha256: content.sha256 } },
    );
  const counted = tx.first<{ rewraps: number }>(
    "UPDATE plans SET rewrapped_dek = ?, rewraps = rewraps + 1 WHERE order_id = ? AND plan = ? AND rewraps < ? RETURNING rewraps",
    wrappedDek,
    order.orderId,
    content.plan,
    REWRAPS_PER_CONTENT_MAX,
  );
  if (!counted)
    return refuse("rewraps_used", `the key of this content was replaced ${REWRAPS_PER_CONTENT_MAX} times already`);
  tx.record("key.rewrapped", { order_id: order.orderId, plan: content.plan, rewraps: counted.rewraps });
  return { ...found, content: { ...content, wrappedDek } };
}
