/** `GET /billing/journal`: every payment of a wallet that moved money, as a book-keeper wants it: by month, as JSON or CSV. */
import * as z from "zod";
import { WalletAddress } from "./fields.ts";

export const LedgerRequest = z.strictObject({
  /** Another wallet than the one that asks: for the operator's (OPERATORS). */
  wallet_address: WalletAddress.optional(),
  /** By block time, UTC; of what credit paid, by the time it was spent. Without it everything. */
  month: z
    .string()
    .regex(/^20\d\d-(?:0[1-9]|1[0-2])$/, "wanted a month such as 2026-11")
    .optional(),
  format: z.enum(["json", "csv"]).default("json"),
  /** Where an earlier answer left off. */
  after: z.string().max(256).optional(),
});
export type LedgerRequest = z.infer<typeof LedgerRequest>;

export const LedgerRow = z.object({
  payment_id: z.string(),
  /** Block time; of what credit paid, when. */
  at: z.string(),
  /** `chain`: a USDC transfer to `pay_to`. `credit`: money of earlier such transfers. */
  source: z.enum(["chain", "credit"]),
  /** `reopened`: a reorg took its block and it has not landed again so far. `credited`: paid for nothing, all of it is credit. */
  state: z.enum(["settled", "reopened", "credited"]),
  purpose: z.string(),
  /** Of the order, or the statement. */
  subject_id: z.string(),
  /** Decimal micro-USDC, as `credited`: how much of it became wallet credit. */
  amount: z.string(),
  credited: z.string(),
  payer: z.string(),
  pay_to: z.string(),
  tx_hash: z.string(),
  block_number: z.string(),
  /** EIP-3009 nonce. */
  nonce: z.string(),
});
export type LedgerRow = z.infer<typeof LedgerRow>;

export const LedgerReply = z.object({
  wallet_address: z.string(),
  month: z.string().optional(),
  network: z.string(),
  asset: z.string(),
  rows: z.array(LedgerRow),
  next_after: z.string().nullable(),
  /** Of the whole month (or of everything), not of this page alone. */
  totals: z.object({
    payments: z.number().int(),
    /** By transfers on chain. */
    received: z.string(),
    credited: z.string(),
    spent_from_credit: z.string(),
  }),
  /** Now. Without a month it is `credited` less `spent_from_credit`. */
  credit: z.string(),
  /** The head of the wallet's hash-chained journal: whoever keeps it can tell later whether an earlier line was altered. */
  journal: z.object({ number: z.number().int(), hash: z.string() }),
});
export type LedgerReply = z.infer<typeof LedgerReply>;

export const LEDGER_COLUMNS = Object.keys(LedgerRow.shape) as readonly (keyof LedgerRow)[];
