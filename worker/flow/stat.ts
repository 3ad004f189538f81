/** Looks at one object: its lease from the rows, its bytes from S3. */

import { type Refusal, refuse } from "#contract/errors";
import { LIST_KEYS_MAX } from "#contract/limits";
import { formatMicroUsdc } from "#contract/money";
import type { ListedObject, ListRequest, StatReply } from "#contract/objects";
import { formatSize } from "#contract/sizes";
import { s3Key } from "#contract/wallet";
import { endsAfterMs } from "#rules/calendar";
import { priceOfPeriod } from "#rules/pricing";
import type { ObjectPlace } from "../../durable/ports.ts";
import type { Leased, StoredContent } from "../../durable/reads.ts";
import { answer, type Outcome } from "./call.ts";
import type { Ports, WalletRemote } from "./ports.ts";
import { checksumOf } from "./presign.ts";
import { ratesFor } from "./price.ts";
import type { Who } from "./who.ts";

export async function stat(ports: Ports, who: Who, value: ListRequest, objectKey: string): Promise<Outcome> {
  if (value.agent_id === "*") return refuse("malformed", "agent_id: one object is one agent's; name the agent");
  const wallet = ports.wallet(who.wallet);
  const found = await wallet.stat(who.proof, value.agent_id, objectKey);
  if (!found.ok) return found;
  const seen = await look(ports, wallet, found);
  if (!seen.ok) return seen;
  if (!seen.lease) return refuse("object_not_found", `${JSON.stringify(objectKey)} was deleted just now`);
  if (seen.lease.content && !seen.bytes)
    return refuse("object_not_found", "the lease is there, the bytes are not; tell the operator");
  const reply: StatReply = {
    success: true,
    ...listed(seen.lease, seen.bytes, await nextAmounts(ports, seen.lease.order.region)),
  };
  return answer(reply);
}

/** What S3 says of an object. */
export interface Bytes {
  readonly sizeBytes: number;
  readonly lastModified: string | undefined;
}

type Seen = { readonly ok: true; readonly lease: Leased | undefined; readonly bytes: Bytes | undefined };

/**
 * Asks S3 about one lease's bytes. Where they are not, the lease is asked again: it may have been deleted, or its content replaced,
 * between the two questions. What is still leased and still not there is lost.
 */
export async function look(ports: Ports, wallet: WalletRemote, first: Leased): Promise<Seen | Refusal> {
  let lease = first;
  for (;;) {
    const { order, content } = lease;
    if (!content) return unconfirmed(ports, lease);
    const seen = await ports.store.look(placeOf(lease, content));
    if (seen.end === "unknown")
      return refuse("storage_unavailable", `S3 cannot be asked now (${seen.detail})`, { retryAfterS: 5 });
    if (seen.end === "found")
      return { ok: true, lease, bytes: { sizeBytes: seen.lengthBytes, lastModified: seen.lastModified } };
    const again = await wallet.stat(undefined, order.agentId, order.objectKey);
    if (!again.ok) return { ok: true, lease: undefined, bytes: undefined };
    if (again.content?.s3Key === content.s3Key) return { ok: true, lease, bytes: undefined };
    lease = again;
  }
}

/** Of an order that is paid and no more: bytes that were PUT and wait for a confirm. */
async function unconfirmed(ports: Ports, lease: Leased): Promise<Seen | Refusal> {
  const { store, region, bucket } = lease.order;
  if (bucket === undefined) return { ok: true, lease, bytes: undefined };
  const prefix = plansPrefix(lease);
  const page = await ports.store.list({ store, region, bucket, prefix, maxKeys: LIST_KEYS_MAX, startAfter: undefined });
  if (page.end !== "done")
    return refuse("storage_unavailable", `S3 cannot be asked now (${page.detail})`, { retryAfterS: 5 });
  return { ok: true, lease, bytes: page.entries.at(-1) };
}

/** What the keys of all contents of an order begin with; the number of the plan follows. */
export function plansPrefix({ order }: Leased): string {
  return s3Key(order.agentId, order.objectKey, order.orderId, 0).slice(0, -1);
}

export function placeOf({ order }: Leased, content: StoredContent): ObjectPlace {
  return { store: order.store, region: order.region, bucket: order.bucket ?? "", key: content.s3Key };
}

/** What another period of so many bytes costs now, micro-USDC; undefined where nobody can say. */
export type NextAmount = (sizeBytes: number) => string | undefined;

export async function nextAmounts(ports: Ports, region: string): Promise<NextAmount> {
  const by = await ratesFor(ports, region);
  const { markupPercent, priceMinimum: minimum } = ports.policy;
  return (sizeBytes) =>
    by.ok ? formatMicroUsdc(priceOfPeriod(BigInt(sizeBytes), by.rates, { markupPercent, minimum }).total) : undefined;
}

/** One line of a list. `bytes` is what S3 holds: of a stored object its content, of a paid one what nobody has confirmed yet. */
export function listed(lease: Leased, bytes: Bytes | undefined, nextAmount: NextAmount): ListedObject {
  const { order, content, allowance } = lease;
  const paidThroughMs = order.paidThroughMs ?? 0;
  const sizeBytes = bytes?.sizeBytes ?? 0;
  const awaiting = content ? (bytes ? undefined : "operator") : bytes ? "confirm" : "upload";
  // The next period is priced by the bytes that are there; where there are none yet, by the room.
  const next = nextAmount(sizeBytes === 0 ? order.sizeMax : sizeBytes);
  return {
    key: order.objectKey,
    size_bytes: sizeBytes,
    size: formatSize(sizeBytes),
    last_modified: bytes?.lastModified ?? new Date(order.paidMs ?? 0).toISOString(),
    agent_id: order.agentId,
    order_id: order.orderId,
    state: content ? "stored" : "paid",
    ...(awaiting === undefined ? {} : { awaiting }),
    region: order.region,
    bucket: order.bucket ?? "",
    content_sha256: content?.sha256 ?? "",
    ...(content ? { checksum: checksumOf(content) } : {}),
    ...(content?.wrappedDek === undefined ? {} : { wrapped_dek: content.wrappedDek }),
    size_bytes_max: order.sizeMax,
    paid_through: new Date(paidThroughMs).toISOString(),
    delete_after: new Date(endsAfterMs(order.state, paidThroughMs)).toISOString(),
    amount: order.amount,
    ...(next === undefined ? {} : { next_amount: next }),
    downloads_left: allowance.downloadsLeft,
    download_bytes_left: allowance.bytesLeft,
    trans_id: lease.txHash ?? "",
  };
}
