/** What whoever paid is told: the same for a quote and for a renewal, in the old client's words with ours beside them. */
import type { SettleReply } from "#contract/settling";
import type { Wallet } from "#contract/wallet";
import type { PaymentRecord } from "../../durable/ledger.ts";
import type { Order } from "../../durable/orders.ts";
import type { Ports } from "./ports.ts";

export interface Settled {
  readonly order: Order;
  readonly payment: PaymentRecord;
  /** Paid by this very request. */
  readonly fresh: boolean;
}

export function settledReply(
  ports: Ports,
  wallet: Wallet,
  quoteId: string,
  { order, payment, fresh }: Settled,
): SettleReply {
  return {
    quote_id: quoteId,
    order_id: order.orderId,
    payment_id: payment.paymentId,
    wallet_address: wallet,
    trans_id: payment.txHash ?? "",
    network: ports.network.caip2,
    asset: ports.network.usdc,
    amount: payment.amount,
    payment_status: "confirmed",
    paid_through: new Date(order.paidThroughMs ?? 0).toISOString(),
    timestamp: new Date(ports.clock.nowMs()).toISOString(),
    ...(fresh ? {} : { result: "already_settled" as const }),
  };
}
