/** The monthly statement: the next 30 days of all objects that need them soon, at a frozen price, paid by one settlement. */
import * as z from "zod";
import { WalletAddress } from "./fields.ts";

/** POST /billing/statement. */
export const StatementRequest = z.strictObject({ wallet_address: WalletAddress });
export type StatementRequest = z.infer<typeof StatementRequest>;

export const StatementLine = z.object({
  order_id: z.string(),
  agent_id: z.string(),
  object_key: z.string(),
  period_index: z.number().int(),
  /** Begin and end of the period when it is paid before its begin; paid later, it begins with the payment's block. */
  from: z.string(),
  until: z.string(),
  /** As S3 lists it. */
  size_bytes: z.number().int(),
  /** Decimal micro-USDC; the lines add up to the statement's amount. */
  amount: z.string(),
});
export type StatementLine = z.infer<typeof StatementLine>;

export const StatementReply = z.object({
  /** To be paid by `POST /payment/settle`; absent where nothing is due within 30 days. */
  statement_id: z.string().optional(),
  wallet_address: z.string(),
  amount: z.string(),
  /** `forecast`: storage by AWS's own forecast of the wallet's cost, the rest by rate card. `card`: all by rate card. */
  basis: z.enum(["forecast", "card"]),
  card: z.string().optional(),
  minimum_applied: z.boolean(),
  expires_at: z.string().optional(),
  lines: z.array(StatementLine),
  /** There is more due than one statement holds: ask again when this one is paid. */
  more: z.boolean(),
  /** Objects that are due and that S3 does not list; they are no lines. */
  missing: z.number().int(),
});
export type StatementReply = z.infer<typeof StatementReply>;

/** POST /payment/settle with `statement_id`. */
export const StatementSettled = z.object({
  statement_id: z.string(),
  payment_id: z.string(),
  wallet_address: z.string(),
  /** Empty where the wallet's credit paid. */
  trans_id: z.string(),
  network: z.string(),
  asset: z.string(),
  amount: z.string(),
  payment_status: z.literal("confirmed"),
  timestamp: z.string(),
  result: z.literal("already_settled").optional(),
  lines: z.array(
    z.object({
      order_id: z.string(),
      period_index: z.number().int(),
      amount: z.string(),
      /** `homeless`: the object was gone when the money came; `credited`: that share is wallet credit. `reversed`: a reorg took it. */
      state: z.enum(["granted", "homeless", "credited", "reversed"]),
      /** Of this period. */
      paid_through: z.string().optional(),
    }),
  ),
});
export type StatementSettled = z.infer<typeof StatementSettled>;
