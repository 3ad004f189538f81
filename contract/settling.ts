/** Request and reply of the routes that pay and that say how a payment stands; the other routes are in api.ts. */
import * as z from "zod";
import { AgentId, Id, ObjectKey, WalletAddress, WholeNumber } from "./fields.ts";
import { PAYMENT_HEADER_BYTES_MAX } from "./limits.ts";

const CarriedPayment = z.union([z.string().max(PAYMENT_HEADER_BYTES_MAX), z.record(z.string(), z.unknown())]);

/**
 * POST /payment/settle. With `quote_id`: pay a quote. With `renewal`: pay the next 30 days of a stored object. With `statement_id`: pay
 * the next 30 days of all objects of a statement (statements.ts).
 */
export const SettleRequest = z
  .strictObject({
    wallet_address: WalletAddress,
    quote_id: Id.optional(),
    statement_id: Id.optional(),
    renewal: z.boolean("must be true or omitted").optional(),
    object_key: ObjectKey.optional(),
    agent_id: AgentId.default("main"),
    /** Which period; 0 came with the upload. Without it the next one, or the last one if that was paid within 20 days. */
    period_index: WholeNumber(1, 100_000).optional(),
    /** Instead of a payment header, as the published API takes it: the header's text, or the object in it. */
    payment: CarriedPayment.optional(),
    payment_authorization: CarriedPayment.optional(),
  })
  .superRefine((request, context) => {
    const fault = (path: string, message: string) => context.addIssue({ code: "custom", path: [path], message });
    const { renewal, quote_id, statement_id, object_key, period_index, payment, payment_authorization } = request;
    if (payment !== undefined && payment_authorization !== undefined)
      fault("payment_authorization", "give payment or payment_authorization, not both");
    if (renewal && quote_id !== undefined) fault("quote_id", "must not be sent when renewal is true");
    if (renewal && object_key === undefined) fault("object_key", "a renewal names its object");
    if (statement_id !== undefined && (renewal || quote_id !== undefined))
      fault("statement_id", "give statement_id alone, or quote_id, or renewal and object_key");
    if (!renewal && quote_id === undefined && statement_id === undefined)
      fault("quote_id", "give quote_id, or renewal and object_key, or statement_id");
    if (!renewal && object_key !== undefined) fault("object_key", "only a renewal names an object");
    if (!renewal && period_index !== undefined) fault("period_index", "only a renewal has periods");
  });
export type SettleRequest = z.infer<typeof SettleRequest>;

export const SettleReply = z.object({
  quote_id: z.string(),
  order_id: z.string(),
  payment_id: z.string(),
  wallet_address: z.string(),
  trans_id: z.string(),
  network: z.string(),
  asset: z.string(),
  amount: z.string(),
  payment_status: z.literal("confirmed"),
  paid_through: z.string(),
  timestamp: z.string(),
  result: z.literal("already_settled").optional(),
  /** Of a renewal. `quote_id` is then the published API's name for it, `renewal#<month>#<object_key in base64url>`. */
  renewal: z.literal(true).optional(),
  object_key: z.string().optional(),
  agent_id: z.string().optional(),
  /** `YYYY-MM` (UTC) of the payment, for the published client; what counts is `period_index`. */
  billing_period: z.string().optional(),
  period_index: z.number().int().optional(),
});
export type SettleReply = z.infer<typeof SettleReply>;

/** 202: the payment is on its way and nobody may pay again. */
export const PendingReply = z.object({
  payment_state: z.literal("pending"),
  payment_id: z.string(),
  /** Absent, as the ticket, where the payment is for no order. */
  order_id: z.string().optional(),
  ticket: z.string().optional(),
  trans_id: z.string().optional(),
  /** Where to ask how it stands, by wallet proof, sign-in, session or this ticket. */
  status_url: z.string(),
  retry_after_s: z.number(),
  message: z.string(),
});
export type PendingReply = z.infer<typeof PendingReply>;

/** GET /payments/{id}. */
export const PaymentReply = z.object({
  payment_id: z.string(),
  /** `pending`: wait, do not pay again. `void`: did not pay so far, still watched. `credited`: paid for nothing, kept as credit. */
  payment_state: z.enum(["pending", "settled", "void", "dead", "credited", "withdrawn"]),
  amount: z.string(),
  network: z.string(),
  asset: z.string(),
  payer: z.string(),
  trans_id: z.string().optional(),
  block_number: z.string().optional(),
  reason: z.string().optional(),
  /** What it is for: `order` the first period of an object, `renewal` a later one, `statement` later ones of many, `pack` reads. */
  purpose: z.string(),
  period_index: z.number().int().optional(),
  /** Of a statement, and how many objects it pays for. */
  statement_id: z.string().optional(),
  objects: z.number().int().optional(),
  order_id: z.string().optional(),
  order_state: z.string().optional(),
  object_key: z.string().optional(),
  agent_id: z.string().optional(),
  paid_through: z.string().optional(),
  retry_after_s: z.number().optional(),
});
export type PaymentReply = z.infer<typeof PaymentReply>;
