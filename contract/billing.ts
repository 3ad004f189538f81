/** `GET /billing`: what is due when and what it will cost, what was paid, what is owed. `GET /events`: what happened, numbered. */
import * as z from "zod";
import { WholeNumber } from "./fields.ts";
import { BILLING_ROWS_MAX, EVENTS_MAX } from "./limits.ts";

const Cursor = z.string().max(256);

export const BillingRequest = z.strictObject({
  /** Where an earlier answer left off. */
  due_after: Cursor.optional(),
  payments_before: Cursor.optional(),
  max: WholeNumber(1, BILLING_ROWS_MAX).default(BILLING_ROWS_MAX),
});
export type BillingRequest = z.infer<typeof BillingRequest>;

export const DuePeriod = z.object({
  order_id: z.string(),
  object_key: z.string(),
  agent_id: z.string(),
  region: z.string(),
  state: z.enum(["paid", "stored"]),
  /** Bytes of the confirmed content; 0 while there is none. */
  size_bytes: z.number(),
  paid_through: z.string(),
  /** Erased after this, if nobody pays; outages of ours are added. */
  delete_after: z.string(),
  period_index: z.number().int(),
  next_period_index: z.number().int(),
  /** By today's card for the confirmed bytes; a renewal asks S3 anew. Absent where there is no card. */
  next_amount: z.string().optional(),
});
export type DuePeriod = z.infer<typeof DuePeriod>;

export const PaidItem = z.object({
  payment_id: z.string(),
  purpose: z.string(),
  /** `pending`, or what became of it. */
  payment_state: z.string(),
  amount: z.string(),
  /** Empty for what was bought with credit. */
  trans_id: z.string(),
  claimed_at: z.string(),
  order_id: z.string(),
  object_key: z.string().optional(),
  period_index: z.number().int().optional(),
});
export type PaidItem = z.infer<typeof PaidItem>;

export const BillingReply = z.object({
  wallet_address: z.string(),
  network: z.string(),
  asset: z.string(),
  /** Money that arrived without a home, micro-USDC; spent before any 402, and before anything lapses. */
  credit: z.string(),
  /** Soonest first. */
  due: z.array(DuePeriod),
  due_after: z.string().nullable(),
  /** Newest first. */
  payments: z.array(PaidItem),
  payments_before: z.string().nullable(),
});
export type BillingReply = z.infer<typeof BillingReply>;

export const EventsRequest = z.strictObject({
  after: WholeNumber(0, 999_999_999).default(0),
  max: WholeNumber(1, EVENTS_MAX).default(EVENTS_MAX),
});
export type EventsRequest = z.infer<typeof EventsRequest>;

export const WalletEvent = z.object({
  /** Rises with every event; numbers are left out. */
  number: z.number().int(),
  at: z.string(),
  kind: z.string(),
  data: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
});

export const EventsReply = z.object({
  events: z.array(WalletEvent),
  /** Ask again with `after` this. */
  last: z.number().int(),
  more: z.boolean(),
});
export type EventsReply = z.infer<typeof EventsReply>;
