/** The next step towards an upload: make the bucket, open an upload for parts, or send. */
import { type Refusal, refuse } from "#contract/errors";
import { findPayment } from "./ledger.ts";
import type { Order } from "./orders.ts";
import { pinsOf } from "./pins.ts";
import { type Asker, type BucketTry, beginPlan, bucketFor, type Content, extend, type Plan, placeOf } from "./plans.ts";
import type { ObjectPlace, Policy } from "./ports.ts";
import type { Tx } from "./tx.ts";
import { markUnserved } from "./unserved.ts";

export interface Sending {
  readonly order: Order;
  readonly plan: Plan;
  readonly place: ObjectPlace;
  readonly txHash: string | undefined;
  /** Hashes of the announced parts, "" for the others; empty for one PUT. */
  readonly pins: readonly string[];
}

export type Planned =
  | { readonly ok: true; readonly step: "bucket"; readonly bucket: BucketTry }
  /** The plan is written down and has parts, but no upload for them is known: the intent of opening one. */
  | {
      readonly ok: true;
      readonly step: "open";
      readonly order: Order;
      readonly plan: Plan;
      readonly place: ObjectPlace;
    }
  | ({ readonly ok: true; readonly step: "put" } & Sending)
  | Refusal;

export function planFor(tx: Tx, order: Order, content: Content, asker: Asker, policy: Policy): Planned {
  const planned = beginPlan(tx, order, content, asker);
  if (!planned.ok) return planned;
  let { plan } = planned;
  let { store, bucket: name } = order;
  if (name === undefined) {
    const bucket = bucketFor(tx, order.region, policy);
    if (!bucket?.ready) {
      markUnserved(tx, order);
      if (!bucket)
        return refuse(
          "storage_unavailable",
          `${order.region} is not served now; unless it is again, the amount becomes credit`,
          {
            retryAfterS: 3_600,
          },
        );
      if (bucket.leaving)
        return refuse("storage_unavailable", "the emptied bucket is being removed; it is made again in a moment", {
          retryAfterS: 2,
        });
      return { ok: true, step: "bucket", bucket };
    }
    ({ store, name } = bucket);
    // Recorded, so that no later call computes it and no later configuration moves it.
    tx.run(
      "UPDATE orders SET store = ?, bucket = ?, unserved_ms = NULL WHERE order_id = ?",
      store,
      name,
      order.orderId,
    );
    plan = extend(tx, { ...order, store, bucket: name }, plan);
  }
  const placed = { ...order, store, bucket: name };
  const place = placeOf(placed, plan);
  if (!place) throw new Error("invariant: a plan without a bucket");
  if (plan.partBytes !== undefined && plan.uploadId === undefined && plan.state === "open")
    return { ok: true, step: "open", order: placed, plan, place };
  const txHash = findPayment(tx, order.claimKey ?? "")?.txHash;
  return { ok: true, step: "put", order: placed, plan, place, txHash, pins: pinsOf(tx, order.orderId, plan) };
}
