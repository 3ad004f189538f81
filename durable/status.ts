/** How a payment stands, for whoever may ask: its wallet, or the holder of its order's ticket. Reads only. */
import { type Refusal, refuse } from "#contract/errors";
import { findPayment, type PaymentRecord } from "./ledger.ts";
import { findOrder, type Order } from "./orders.ts";
import { type Renewal, renewalsOf } from "./renewals.ts";
import type { Tx } from "./tx.ts";

export interface PaymentStatus {
  readonly payment: PaymentRecord;
  /** Absent where the payment is for no order. */
  readonly order: Order | undefined;
  /** The periods it pays for, where it is no first one. */
  readonly renewals: readonly Renewal[];
  /** Why it did not pay, where it did not. */
  readonly reason: string | undefined;
}

/** `ofOrder`: the one order a ticket opens; another order's payment reads as absent. */
export function paymentStatus(
  tx: Tx,
  paymentId: string,
  ofOrder: string | undefined,
): ({ ok: true } & PaymentStatus) | Refusal {
  const row = tx.first<{ claim_key: string; reason: string | null }>(
    "SELECT claim_key, reason FROM payments WHERE payment_id = ?",
    paymentId,
  );
  const payment = row && findPayment(tx, row.claim_key);
  if (!row || !payment || payment.state === "withdrawn" || (ofOrder !== undefined && payment.orderId !== ofOrder))
    return refuse("not_found", "no such payment of this wallet; one that never left us is forgotten");
  const [order, renewals] = [findOrder(tx, payment.orderId), renewalsOf(tx, payment.claimKey)];
  return { ok: true, payment, order, renewals, reason: row.reason ?? undefined };
}
