/**
 * What a payment is for. The ledger (payments.ts, finality.ts) knows claims, their ends and what a reorg does to them; what is granted,
 * freed or taken back is the purpose's. A purpose has two halves: an offer, which is asked before anything is claimed, and rules,
 * which are told how the claim ended. Both run inside the ledger's own transaction.
 *
 *   order      room for one object for its first period (buying.ts)
 *   renewal    the next period of a stored object (renewals.ts)
 *   statement  the next period of many objects at once (statements.ts): one claim, a renewal for each line
 *   pack       reads beyond the allowance, for a day (packs.ts)
 *
 * A mandate is a renewal whose authorization was handed over before: the alarm calls `beginPayment` with it and the index it is for.
 */
import type { Refusal } from "#contract/errors";
import type { PaymentRecord, Subject } from "./ledger.ts";
import type { Order } from "./orders.ts";
import type { ClaimKey, SettlementJob } from "./ports.ts";
import type { Tx } from "./tx.ts";

export type Begun =
  /** Hand `job` to the chain: it is either new or still open. */
  | {
      readonly ok: true;
      readonly begun: "open";
      readonly job: SettlementJob;
      readonly payment: PaymentRecord;
      /** Absent where the payment is for no order. */
      readonly order: Order | undefined;
    }
  /** Paid already; nothing may be broadcast. `sameClaim` tells whether by this very authorization. */
  | {
      readonly ok: true;
      readonly begun: "bought";
      readonly sameClaim: boolean;
      readonly payment: PaymentRecord;
      readonly order: Order | undefined;
    }
  | Refusal;

/** A purchase, looked up: what it costs, how it stands, and how its claim is written down. */
export interface Offer {
  readonly ok: true;
  /** Decimal micro-USDC. */
  readonly amount: string;
  /** Undefined when it can be bought now; else it was bought already, is being paid, or is not for sale. */
  standing(): Begun | undefined;
  open(claimKey: ClaimKey): Subject;
}

export interface PurposeRules {
  /** The money is there since `paidMs` (block time): grant. What can be granted no more is remembered as homeless. */
  settled(tx: Tx, payment: PaymentRecord, paidMs: number): void;
  /** It did not pay: what was held for it is free again. */
  refused(tx: Tx, payment: PaymentRecord): void;
  /** It had paid, and a reorg took that for good: what it granted is taken back. */
  reversed(tx: Tx, payment: PaymentRecord): void;
  /** Its block can no longer go away: what is homeless becomes credit, and what stood by in case goes. */
  final(tx: Tx, payment: PaymentRecord): void;
  /** It paid and granted nothing. */
  homeless(tx: Tx, payment: PaymentRecord): boolean;
}
