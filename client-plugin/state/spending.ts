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
const MONTH_MS = 30 * DAY_MS;
/** Long enough to seal a large folder between the approval and the payment. */
const APPROVAL_TTL_MS = 3_600_000;

export interface PaymentRow {
  readonly nonce: string;
  readonly purchase: string;
  readonly amount: string;
  readonly payee: string;
  /** `revoked`: a mandate that was taken back at the service and is still valid on the chain. */
  readonly state: "signed" | "settled" | "dead" | "revoked";
  readonly authorisedBy: string;
  readonly transId: string | undefined;
  readonly createdMs: number;
  /** When it counts: a mandate on the day it falls due. */
  readonly countedMs: number;
}

export interface Spending extends SpendLedger {
  /** What counts in the day and in the 30 days that end now. */
  spent(nowMs: number): Spent;
  /**
   * The fullest day and the fullest 30 days that a payment at this time would be part of. Renewals signed for later days count on
   * those days, so what is paid now may not take the room they were given.
   */
  crowded(atMs: number): Spent;
  /** A person's yes to one purchase: exactly this amount to this payee. */
  approve(purchase: string, ask: SpendAsk, by: string, nowMs: number): void;
  approved(purchase: string, nowMs: number): SpendAsk | undefined;
  /** The approval of a quote becomes that of the operation which uses it. */
  moveApproval(from: string, to: string): void;
  settled(purchase: string, transId: string): void;
  history(limit: number): PaymentRow[];
  /** What was signed under names that begin so and may have been, or may still be, charged. */
  liveUnder(prefix: string): readonly (readonly [purchase: string, authorization: Authorization])[];
  /**
   * Renewals signed for later days, each counted on the day it falls due. All are judged and written, or none; what was written
   * for the same period and is the same is used again. @throws PaymentRefused `cap`, `payee`
   */
  promise(purchase: string, wanted: readonly Promised[], nowMs: number): readonly Promised[];
  /** Those that can still be charged: also what was taken back, until its time is over or it was cancelled on chain. */
  promised(purchase: string, nowMs: number): PromisedRow[];
  /** Taken back at the service. What was signed stays valid on the chain, so it goes on counting. */
  takenBack(purchase: string, period: number | undefined): void;
  /** Cancelled on the chain: it can never be charged. */
  cancelled(nonce: string): void;
}

export interface Promised {
  readonly period: number;
  readonly authorization: Authorization;
}

export interface PromisedRow extends Promised {
  readonly state: "signed" | "revoked";
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

  /** What counts strictly between two times, earliest first. */
  const counted = (afterMs: number, beforeMs: number) =>
    db.sql
      .prepare(
        `SELECT counted_ms, amount FROM payments WHERE wallet = ? AND counted_ms > ? AND counted_ms < ? AND state <> 'dead'
           ORDER BY counted_ms`,
      )
      .all(wallet, afterMs, beforeMs)
      .map((row) => ({ atMs: Number(row["counted_ms"]), amount: BigInt(String(row["amount"])) }));
  const spentIn = (windowMs: number, nowMs: number): MicroUsdc =>
    counted(nowMs - windowMs, nowMs + 1).reduce((sum, { amount }) => sum + amount, 0n);
  const spent = (nowMs: number): Spent => ({ day: spentIn(DAY_MS, nowMs), month: spentIn(MONTH_MS, nowMs) });
  const crowdedIn = (windowMs: number, atMs: number): MicroUsdc =>
    fullest(counted(atMs - windowMs, atMs + windowMs), windowMs, atMs);
  const crowded = (atMs: number): Spent => ({ day: crowdedIn(DAY_MS, atMs), month: crowdedIn(MONTH_MS, atMs) });

  const approvalOf = (purchase: string, nowMs: number): SpendAsk | undefined => {
    const row = db.sql
      .prepare("SELECT * FROM approvals WHERE purchase = ? AND expires_ms > ?")
      .get(own(purchase), nowMs);
    const amount = row === undefined ? undefined : parseMicroUsdc(String(row["amount"]));
    return row === undefined || amount === undefined ? undefined : { amount, payee: String(row["payee"]) as Wallet };
  };

  const insert = (purchase: string, authorization: Authorization, by: string, countedMs: number, nowMs: number) =>
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
        by,
        countedMs,
        nowMs,
      );

  const promisedRows = (purchase: string) =>
    db.sql
      .prepare(
        `SELECT * FROM payments WHERE wallet = ? AND instr(purchase, ?) = 1 AND state IN ('signed', 'revoked')
           ORDER BY valid_after_s`,
      )
      .all(wallet, `${own(purchase)}#`)
      .filter((row) => /^\d+$/.test(String(row["purchase"]).slice(own(purchase).length + 1)));
  const periodOf = (row: Record<string, unknown>) => Number(String(row["purchase"]).split("#").at(-1));
  const revoke = (nonce: string) =>
    db.sql.prepare("UPDATE payments SET state = 'revoked' WHERE nonce = ? AND state = 'signed'").run(nonce);

  const promiseOne = (
    purchase: string,
    wanted: Promised,
    total: MicroUsdc,
    approval: SpendAsk | undefined,
    nowMs: number,
  ): Promised => {
    const { period, authorization } = wanted;
    for (const row of promisedRows(purchase)) {
      const earlier = authorizationOf(row);
      if (row["state"] !== "signed") continue;
      const sameWindow = earlier.validAfterS === authorization.validAfterS;
      if (periodOf(row) !== period && sameWindow)
        throw new PaymentRefused(
          "pending",
          `Period ${periodOf(row)} was signed for the same days as period ${period} is now. Revoke it first. Nothing was signed.`,
        );
      if (periodOf(row) !== period) continue;
      const same = sameWindow && earlier.validBeforeS === authorization.validBeforeS;
      if (same && earlier.value === authorization.value && earlier.to === authorization.to)
        return { period, authorization: earlier };
      // Other terms than those it was signed for: it is handed over no more, but it can still be charged, and counts.
      revoke(earlier.nonce);
    }
    const dueMs = Number(authorization.validAfterS) * 1000;
    const ask = { amount: authorization.value, payee: authorization.to };
    // The yes was for all of them together.
    const agreed = approval !== undefined && approval.payee === ask.payee && total <= approval.amount;
    const verdict = judgeSpend(ask, caps, crowded(dueMs), options.payees(), agreed ? ask : undefined);
    if (!verdict.ok)
      throw new PaymentRefused(
        verdict.code,
        `Period ${period}, due ${new Date(dueMs).toISOString().slice(0, 10)}: ${verdict.message} Nothing was signed.`,
      );
    insert(`${purchase}#${period}`, authorization, verdict.by, dueMs, nowMs);
    return wanted;
  };

  return {
    spent,
    crowded,

    live(purchase) {
      const row = db.sql.prepare("SELECT * FROM payments WHERE purchase = ? AND state = 'signed'").get(own(purchase));
      return row === undefined ? undefined : authorizationOf(row);
    },

    liveUnder(prefix) {
      return db.sql
        .prepare("SELECT * FROM payments WHERE wallet = ? AND instr(purchase, ?) = 1 AND state = 'signed'")
        .all(wallet, own(prefix))
        .map((row) => [String(row["purchase"]).slice(wallet.length + 1), authorizationOf(row)] as const);
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
        const verdict = judgeSpend(ask, caps, crowded(nowMs), options.payees(), approval);
        if (!verdict.ok) throw new PaymentRefused(verdict.code, `${verdict.message} Nothing was signed.`);
        insert(purchase, authorization, verdict.by, nowMs, nowMs);
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
          countedMs: Number(row["counted_ms"]),
        }));
    },

    promise(purchase, wanted, nowMs) {
      const total = wanted.reduce((sum, { authorization }) => sum + authorization.value, 0n);
      return db.transaction(() => {
        const approval = approvalOf(purchase, nowMs);
        const written = wanted.map((each) => promiseOne(purchase, each, total, approval, nowMs));
        // A yes is for one hand-over.
        db.sql.prepare("DELETE FROM approvals WHERE purchase = ?").run(own(purchase));
        return written;
      });
    },

    promised(purchase, nowMs) {
      return promisedRows(purchase)
        .filter((row) => Number(row["valid_before_s"]) * 1000 > nowMs)
        .map((row) => ({
          period: periodOf(row),
          authorization: authorizationOf(row),
          state: row["state"] === "revoked" ? "revoked" : "signed",
        }));
    },

    takenBack(purchase, period) {
      for (const row of promisedRows(purchase))
        if (row["state"] === "signed" && (period === undefined || periodOf(row) === period))
          revoke(String(row["nonce"]));
    },

    cancelled(nonce) {
      db.sql.prepare("UPDATE payments SET state = 'dead' WHERE nonce = ? AND state <> 'settled'").run(nonce);
    },
  };
}

/** The largest sum of a window of this length that ends at `atMs` or at one of the rows after it. `rows`: earliest first. */
function fullest(rows: readonly { atMs: number; amount: MicroUsdc }[], windowMs: number, atMs: number): MicroUsdc {
  let [sum, most, oldest] = [0n, 0n, 0];
  for (const [at, row] of rows.entries()) {
    sum += row.amount;
    while ((rows[oldest]?.atMs ?? row.atMs) <= row.atMs - windowMs) sum -= rows[oldest++]?.amount ?? 0n;
    // A window that ends before `atMs` does not hold it; the last of those has what ends at `atMs` itself.
    const isLastBefore = row.atMs <= atMs && (rows[at + 1]?.atMs ?? Infinity) > atMs;
    if ((row.atMs > atMs || isLastBefore) && sum > most) most = sum;
  }
  return most;
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
