/** `GET /billing` and `GET /events`: what is due, what was paid, what happened; for the wallet, or whoever reads in its name. */
import { type BillingReply, BillingRequest, type DuePeriod, type EventsReply, EventsRequest } from "#contract/billing";
import { refuse } from "#contract/errors";
import { formatMicroUsdc } from "#contract/money";
import { endsAfterMs } from "#rules/calendar";
import type { DueRow, Mark, PaidRow } from "../../durable/billing.ts";
import { answer, type Call, type Outcome, readArguments } from "./call.ts";
import { identified, READERS } from "./identity.ts";
import type { Ports } from "./ports.ts";
import { priceNow } from "./price.ts";

export async function billing(ports: Ports, call: Call): Promise<Outcome> {
  const asked = readArguments(BillingRequest, call);
  if (!asked.ok) return asked;
  const { due_after, payments_before, max } = asked.value;
  const [after, before] = [markOf(due_after), markOf(payments_before)];
  if (after === "bad") return refuse("malformed", "due_after: not one of ours");
  if (before === "bad") return refuse("malformed", "payments_before: not one of ours");
  const who = await identified(ports, call, undefined, READERS);
  if (!who.ok) return who;
  const found = await ports.wallet(who.wallet).billing(who.proof, max, after, before);
  if (!found.ok) return found;
  const lastDue = found.due.at(-1);
  const lastPaid = found.payments.at(-1);
  const reply: BillingReply = {
    wallet_address: who.wallet,
    network: ports.network.caip2,
    asset: ports.network.usdc,
    credit: found.credit,
    due: await Promise.all(found.due.map((row) => duePeriod(ports, row))),
    due_after:
      found.due.length < max || !lastDue ? null : `${lastDue.order.paidThroughMs ?? 0}.${lastDue.order.orderId}`,
    payments: found.payments.map(paidItem),
    payments_before: found.payments.length < max || !lastPaid ? null : `${lastPaid.claimedMs}.${lastPaid.paymentId}`,
  };
  return answer(reply);
}

function markOf(text: string | undefined): Mark | undefined | "bad" {
  if (text === undefined) return undefined;
  const match = /^(\d{1,15})\.([\w]{1,200})$/.exec(text);
  return match ? { ms: Number(match[1]), id: match[2] ?? "" } : "bad";
}

async function duePeriod(ports: Ports, { order, lengthBytes, lastIndex }: DueRow): Promise<DuePeriod> {
  const priced = await priceNow(ports, order.region, lengthBytes === 0 ? order.sizeMax : lengthBytes);
  const paidThroughMs = order.paidThroughMs ?? 0;
  return {
    order_id: order.orderId,
    object_key: order.objectKey,
    agent_id: order.agentId,
    region: order.region,
    state: order.state === "paid" ? "paid" : "stored",
    size_bytes: lengthBytes,
    paid_through: new Date(paidThroughMs).toISOString(),
    delete_after: new Date(endsAfterMs(order.state, paidThroughMs)).toISOString(),
    period_index: lastIndex,
    next_period_index: lastIndex + 1,
    ...(priced.ok ? { next_amount: formatMicroUsdc(priced.price.total) } : {}),
  };
}

function paidItem(row: PaidRow) {
  return {
    payment_id: row.paymentId,
    purpose: row.purpose,
    payment_state: row.state === "open" || row.state === "reopened" ? "pending" : row.state,
    amount: row.amount,
    trans_id: row.txHash ?? "",
    claimed_at: new Date(row.claimedMs).toISOString(),
    order_id: row.orderId,
    ...(row.objectKey === undefined ? {} : { object_key: row.objectKey }),
    ...(row.period === undefined ? {} : { period_index: row.period }),
  };
}

export async function events(ports: Ports, call: Call): Promise<Outcome> {
  const asked = readArguments(EventsRequest, call);
  if (!asked.ok) return asked;
  const { after, max } = asked.value;
  const who = await identified(ports, call, undefined, READERS);
  if (!who.ok) return who;
  const found = await ports.wallet(who.wallet).events(who.proof, after, max);
  if (!found.ok) return found;
  const reply: EventsReply = {
    events: found.events.map(({ seq, atMs, kind, data }) => ({
      number: seq,
      at: new Date(atMs).toISOString(),
      kind,
      data: { ...data },
    })),
    last: found.events.at(-1)?.seq ?? after,
    more: found.more,
  };
  return answer(reply);
}
