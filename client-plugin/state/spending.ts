/**
 * The ledger of what this client has signed. A row is written before a signature exists and says what may be charged; it stops
 * counting only when it can no longer be charged. Judging and writing are one transaction, so two processes cannot both spend
 * the last dollar of a cap.
 */
import { type MicroUsdc, parseMicroUsdc } from "#contract/money";
import type { Wallet } from "#contract/wallet";
import type { Authorization } from "#contract/x402";
import type { Caps } from "../config.ts";
import { PaymentRefused, type SpendLedger } from "../pay.ts";
import { judgeSpend, type SpendAsk, type Spent } from "../policy.ts";
import type { Database } from "./database.ts";

const DAY_MS = 86_400_000;
/** Long enough to seal a large folder between the approval and the payment. */
const APPROVAL_TTL_MS = 3_600_000;

export interface PaymentRow {
  readonly nonce: string;
  readonly purchase: string;
  readonly amount: string;
  readonly payee: string;
  readonly state: "signed" | "settled" | "dead";
  readonly authorisedBy: string;
  readonly transId: string | undefined;
  readonly createdMs: number;
}

export interface Spending extends SpendLedger {
  spent(nowMs: number): Spent;
  /** A person's yes to one purchase: exactly this amount to this payee. */
  approve(purchase: string, ask: SpendAsk, by: string, nowMs: number): void;
  approved(purchase: string, nowMs: number): SpendAsk | undefined;
  /** The approval of a quote becomes that of the operation which uses it. */
  moveApproval(from: string, to: string): void;
  settled(purchase: string, transId: string): void;
  history(limit: number): PaymentRow[];
}

export interface SpendingOptions {
  readonly wallet: Wallet;
  readonly network: string;
  readonly caps: Caps;
  readonly payees: () => readonly Wallet[];
}

export function openSpending(db: Database, options: SpendingOptions): Spending {
  const { wallet, network, caps } = options;
  // Two wallets may buy under one name.
  const own = (purchase: string) => `${wallet} ${purchase}`;

  const spentSince = (sinceMs: number): MicroUsdc =>
    db.sql
      .prepare("SELECT amount FROM payments WHERE wallet = ? AND counted_ms > ? AND state <> 'dead'")
      .all(wallet, sinceMs)
      .reduce((sum, row) => sum + BigInt(String(row["amount"])), 0n);
  const spent = (nowMs: number): Spent => ({ day: spentSince(nowMs - DAY_MS), month: spentSince(nowMs - 30 * DAY_MS) });

  const approvalOf = (purchase: string, nowMs: number): SpendAsk | undefined => {
    const row = db.sql
      .prepare("SELECT * FROM approvals WHERE purchase = ? AND expires_ms > ?")
      .get(own(purchase), nowMs);
    const amount = row === undefined ? undefined : parseMicroUsdc(String(row["amount"]));
    return row === undefined || amount === undefined ? undefined : { amount, payee: String(row["payee"]) as Wallet };
  };

  return {
    spent,

    live(purchase) {
      const row = db.sql.prepare("SELECT * FROM payments WHERE purchase = ? AND state = 'signed'").get(own(purchase));
      return row === undefined ? undefined : authorizationOf(row);
    },

    over(nonce, charged) {
      db.sql
        .prepare("UPDATE payments SET state = ? WHERE nonce = ? AND state = 'signed'")
        .run(charged ? "settled" : "dead", nonce);
    },

    reserve(purchase, authorization, nowMs) {
      db.transaction(() => {
        const ask = { amount: authorization.value, payee: authorization.to };
        const approval = approvalOf(purchase, nowMs);
        const verdict = judgeSpend(ask, caps, spent(nowMs), options.payees(), approval);
        if (!verdict.ok) throw new PaymentRefused(verdict.code, `${verdict.message} Nothing was signed.`);
        db.sql
          .prepare(
            `INSERT INTO payments (nonce, purchase, wallet, payee, network, amount, valid_after_s, valid_before_s, state,
               authorised_by, counted_ms, created_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'signed', ?, ?, ?)`,
          )
          .run(
            authorization.nonce,
            own(purchase),
            wallet,
            authorization.to,
            network,
            authorization.value.toString(),
            Number(authorization.validAfterS),
            Number(authorization.validBeforeS),
            verdict.by,
            nowMs,
            nowMs,
          );
      });
    },

    approve(purchase, ask, by, nowMs) {
      db.sql
        .prepare(
          "INSERT OR REPLACE INTO approvals (purchase, amount, payee, approved_by, expires_ms) VALUES (?, ?, ?, ?, ?)",
        )
        .run(own(purchase), ask.amount.toString(), ask.payee, by, nowMs + APPROVAL_TTL_MS);
    },

    approved: approvalOf,

    moveApproval(from, to) {
      db.sql.prepare("UPDATE OR REPLACE approvals SET purchase = ? WHERE purchase = ?").run(own(to), own(from));
    },

    settled(purchase, transId) {
      // A yes is for one payment.
      db.sql.prepare("DELETE FROM approvals WHERE purchase = ?").run(own(purchase));
      db.sql
        .prepare("UPDATE payments SET state = 'settled', trans_id = ? WHERE purchase = ? AND state = 'signed'")
        .run(transId, own(purchase));
    },

    history(limit) {
      return db.sql
        .prepare("SELECT * FROM payments WHERE wallet = ? ORDER BY created_ms DESC LIMIT ?")
        .all(wallet, limit)
        .map((row) => ({
          nonce: String(row["nonce"]),
          purchase: String(row["purchase"]).slice(wallet.length + 1),
          amount: String(row["amount"]),
          payee: String(row["payee"]),
          state: String(row["state"]) as PaymentRow["state"],
          authorisedBy: String(row["authorised_by"]),
          transId: row["trans_id"] === null ? undefined : String(row["trans_id"]),
          createdMs: Number(row["created_ms"]),
        }));
    },
  };
}

function authorizationOf(row: Record<string, unknown>): Authorization {
  return {
    from: String(row["wallet"]) as Wallet,
    to: String(row["payee"]) as Wallet,
    value: BigInt(String(row["amount"])),
    validAfterS: BigInt(Number(row["valid_after_s"])),
    validBeforeS: BigInt(Number(row["valid_before_s"])),
    nonce: String(row["nonce"]) as `0x${string}`,
  };
}
