/** `GET /payments/{id}`: how a payment stands, for its wallet or the holder of its order's ticket. Whose id it is, is nobody else's business. */

import { refuse } from "#contract/errors";
import type { PaymentReply } from "#contract/settling";
import { walletOfId } from "#contract/wallet";
import type { Order } from "../../durable/orders.ts";
import type { PaymentStatus } from "../../durable/status.ts";
import { answer, type Call, type Outcome } from "./call.ts";
import { identified } from "./identity.ts";
import type { Ports } from "./ports.ts";

const PENDING_RETRY_S = 3;

export async function payment(ports: Ports, call: Call): Promise<Outcome> {
  const who = await identified(ports, call, undefined, ["siwx", "session", "ticket"]);
  if (!who.ok) return who;
  const id = call.path.slice(call.path.lastIndexOf("/") + 1);
  if (walletOfId("pay", id) !== who.wallet) {
    // The nonce is spent all the same: a sign-in that was shown is used.
    const bound = who.proof && (await ports.wallet(who.wallet).prove(who.proof));
    return bound && !bound.ok ? bound : refuse("not_found", "no such payment of this wallet");
  }
  const found = await ports.wallet(who.wallet).readPayment(who.proof, id, who.ticketOrder);
  if (!found.ok) return found;
  return answer(replyOf(ports, found), isPending(found) ? { "retry-after": String(PENDING_RETRY_S) } : {});
}

/** Where a payment's state can be asked. */
export function statusUrl(ports: Ports, paymentId: string): string {
  return `${ports.publicUrl}/payments/${paymentId}`;
}

/** Open, or open again after a reorg: either way nobody may pay anew. */
function isPending({ payment: { state } }: PaymentStatus): boolean {
  return state === "open" || state === "reopened";
}

function orderFacts(order: Order) {
  return {
    order_id: order.orderId,
    order_state: order.state,
    object_key: order.objectKey,
    agent_id: order.agentId,
    ...(order.paidThroughMs === undefined ? {} : { paid_through: new Date(order.paidThroughMs).toISOString() }),
  };
}

function replyOf(ports: Ports, found: PaymentStatus): PaymentReply {
  const { payment, order, renewals, reason } = found;
  const { state } = payment;
  return {
    payment_id: payment.paymentId,
    payment_state: state === "open" || state === "reopened" ? "pending" : state,
    amount: payment.amount,
    network: ports.network.caip2,
    asset: ports.network.usdc,
    payer: payment.authorization.from,
    ...(payment.txHash === undefined ? {} : { trans_id: payment.txHash }),
    ...(payment.blockNumber === undefined ? {} : { block_number: payment.blockNumber }),
    ...(reason === undefined ? {} : { reason }),
    purpose: payment.purpose,
    ...(order === undefined ? {} : orderFacts(order)),
    ...(payment.purpose === "statement" ? { statement_id: payment.orderId, objects: renewals.length } : {}),
    ...(payment.purpose === "renewal" && renewals[0] ? { period_index: renewals[0].period } : {}),
    ...(isPending(found) ? { retry_after_s: PENDING_RETRY_S } : {}),
  };
}
