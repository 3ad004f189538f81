/** `cloud billing`: what is due when and what it will cost, what was paid and by which transaction, credit, mandates. */
import type { BillingReply, DuePeriod } from "#contract/billing";
import { explain } from "../faults.ts";
import type { MandateView } from "../operations/mandate.ts";
import type { Session } from "../session.ts";
import type { PaymentRow } from "../state/spending.ts";
import type { Command, Context } from "./command.ts";
import { day, dollars, fenced, table } from "./words.ts";

const DUE_IN_CHAT = 10;
const PAID_SHOWN = 10;
/** 200 objects each. */
const PAGES_MAX = 50;

interface Told {
  readonly credit: string;
  readonly due: readonly DuePeriod[];
  readonly payments: BillingReply["payments"];
  readonly mandates: readonly MandateView[];
}

const billing: Command = {
  name: "billing",
  summary: "what is due when, what it costs, what was paid",
  words: [],
  flags: {},
  examples: ["cloud billing", "cloud billing --json"],
  async run(context) {
    const session = await context.core.session();
    const told = await ask(session).catch((error: unknown) => explain(error));
    const payments = session.spending.history(1_000);
    const spent = session.spending.spent(Date.now());
    const text = [
      ...("code" in told ? [`⚠️ The service cannot be asked: ${told.message}`] : toldText(context, told)),
      ...(payments.length === 0 ? ["Nothing was paid yet."] : [ledgerText(payments)]),
      `${dollars(spent.day)} in the last 24 hours, ${dollars(spent.month)} in the last 30 days.`,
    ].join("\n");
    const data = {
      payments,
      spentMicroUsdc: { day: spent.day.toString(), month: spent.month.toString() },
      service: "code" in told ? null : told,
    };
    return { text, data };
  },
};

async function ask({ api, spending }: Session): Promise<Told> {
  const first = await api.billing();
  const due = [...first.due];
  let next = first.due_after;
  for (let page = 1; next !== null && page < PAGES_MAX; page++) {
    const more = await api.billing({ dueAfter: next });
    due.push(...more.due);
    next = more.due_after;
  }
  const { mandates } = await api.mandates();
  for (const { nonce, state } of mandates) if (state === "settled") spending.over(nonce, true);
  return { credit: first.credit, due, payments: first.payments, mandates };
}

function toldText({ call, isChat }: Context, { credit, due, mandates }: Told): string[] {
  const waits = (each: DuePeriod) =>
    mandates.filter(
      ({ order_id, state }) => order_id === each.order_id && (state === "waiting" || state === "settling"),
    );
  const shown = isChat ? due.slice(0, DUE_IN_CHAT) : due;
  const rows = shown.map((each) => [
    day(each.paid_through),
    day(each.delete_after),
    each.next_amount === undefined ? "?" : dollars(each.next_amount),
    String(waits(each).length || "-"),
    each.object_key,
  ]);
  const left = due.length - shown.length;
  const costs = due
    .filter((each) => each.state === "stored")
    .reduce((sum, each) => sum + BigInt(each.next_amount ?? "0"), 0n);
  if (due.length === 0) return ["Nothing is stored, nothing is due.", ...creditText(credit)];
  return [
    table(["PAID UNTIL", "DELETED AFTER", "NEXT 30 DAYS", "MANDATES", "NAME"], rows),
    ...(left > 0 ? [`… and ${left} more (--json has all)`] : []),
    `The next 30 days of all of it cost about ${dollars(costs)}.`,
    ...creditText(credit),
    "What is due within 30 days, as one payment:",
    fenced(call("cloud renew")),
  ];
}

function creditText(credit: string): string[] {
  return credit === "0" ? [] : [`Wallet credit: ${dollars(credit)}; it is spent first.`];
}

/** Mandates are listed by their day; what is not charged yet is no payment. */
function ledgerText(payments: readonly PaymentRow[]): string {
  const now = Date.now();
  const past = payments.filter(({ countedMs }) => countedMs <= now);
  const ahead = payments.filter(({ countedMs, state }) => countedMs > now && state !== "dead");
  const rows = past
    .slice(0, PAID_SHOWN)
    .map((each) => [
      new Date(each.createdMs).toISOString().slice(0, 16).replace("T", " "),
      dollars(each.amount),
      each.state === "dead" ? "not charged" : each.state === "settled" ? "paid" : "open",
      each.purchase,
      each.transId ?? "",
    ]);
  const promised = ahead.reduce((sum, { amount }) => sum + BigInt(amount), 0n);
  return [
    ...(rows.length === 0 ? [] : [table(["WHEN", "AMOUNT", "STATE", "FOR", "TRANSACTION"], rows)]),
    ...(ahead.length === 0 ? [] : [`Signed for later days: ${ahead.length} mandates, ${dollars(promised)}.`]),
  ].join("\n");
}

export const billingCommands: readonly Command[] = [billing];
