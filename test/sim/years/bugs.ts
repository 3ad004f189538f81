/**
 * Known bugs of a billing calendar, put back one at a time, in the source itself; a judge that does not find them has gone blind. Each is
 * from somebody's housekeeper, or is a line of ours that a refactoring could lose. `seed` is a history that finds it.
 */
import type { Weather } from "./world.ts";

export interface Edit {
  readonly file: string;
  /** Stands there exactly once; a table that has gone stale says so. */
  readonly find: string;
  readonly put: string;
}

export interface Bug {
  readonly why: string;
  readonly edits: readonly Edit[];
  readonly seed: number;
  /** For the short tests; the others are found by the long ones. */
  readonly fast?: true;
  /** What has to happen more often for it to be seen soon. */
  readonly weather?: Weather;
}

export const WALLETS = 12;
export const DAYS = 400;

export const BUGS: Readonly<Record<string, Bug>> = {
  "no-heartbeat": {
    why: "lapses without reading the heartbeat: who could not pay for a month, because we were down, loses everything",
    seed: 1,
    weather: { haste: 10 },
    fast: true,
    edits: [
      {
        file: "durable/lapses.ts",
        find: `order.state === "paid" ? (order.paidThroughMs ?? 0) : deadlineMs(order.paidThroughMs ?? 0, now.pulse.gaps)`,
        put: `order.state === "paid" ? (order.paidThroughMs ?? 0) : deadlineMs(order.paidThroughMs ?? 0, [])`,
      },
      { file: "durable/lapses.ts", find: "if (!isAlive(now.pulse, tx.nowMs))", put: "if (false)" },
    ],
  },
  "no-grace": {
    why: "erases at paid_through instead of two days after it",
    seed: 1,
    fast: true,
    edits: [
      { file: "durable/orders.ts", find: "GRACE_DAYS * DAY_MS} END", put: "0} END" },
      { file: "durable/rules/pulse.ts", find: "let leftMs = GRACE_DAYS * DAY_MS;", put: "let leftMs = 0;" },
    ],
  },
  "one-clock": {
    why: "believes its own clock alone, which is a day ahead now and then",
    seed: 1,
    weather: { haste: 10 },
    edits: [{ file: "durable/lapses.ts", find: "if (now.chainMs <= endMs)", put: "if (false)" }],
  },
  "lapse-while-paying": {
    why: "erases while a payment is on its way whose outcome is not known",
    seed: 1,
    weather: { slow: 0.3 },
    edits: [{ file: "durable/lapses.ts", find: "if (hasOpenRenewal(tx, order.orderId))", put: "if (false)" }],
  },
  "credit-not-spent": {
    why: "erases what the wallet's own credit would have paid for",
    seed: 1,
    edits: [
      {
        file: "durable/lapses.ts",
        find: `seen.end !== "priced" || !renewed(tx, order, seen)`,
        put: `seen.end !== "priced" || seen.end === "priced"`,
      },
    ],
  },
  "second-month": {
    why: "a renewal whose reply was lost buys a second month when it is sent again",
    seed: 1,
    fast: true,
    edits: [
      {
        file: "durable/rules/renewal.ts",
        find: "renewedMs !== undefined && nowMs - renewedMs < RENEWAL_REPEAT_DAYS * DAY_MS",
        put: "false && nowMs > (renewedMs ?? 0) + RENEWAL_REPEAT_DAYS * DAY_MS",
      },
    ],
  },
  "statement-pays-twice": {
    why: "a statement grants a period that a renewal bought a moment ago",
    seed: 1,
    edits: [
      {
        file: "durable/schema.ts",
        find: "CREATE UNIQUE INDEX one_claim_a_period",
        put: "CREATE INDEX one_claim_a_period",
      },
      { file: "durable/statements.ts", find: `if (verdict.verdict === "settled") return "it is paid";`, put: "" },
      {
        file: "durable/statements.ts",
        find: `return renewalAt(tx, line.orderId, line.index) ? "another payment for it is open" : undefined;`,
        put: "return undefined;",
      },
    ],
  },
  "calendar-months": {
    why: "renews for a calendar month, so that February is short and an object stored on the 31st owes twice",
    seed: 1,
    edits: [
      {
        file: "durable/rules/calendar.ts",
        find: "return Math.max(paidThroughMs, paidAtMs) + PERIOD_MS;",
        put: "const at = new Date(Math.max(paidThroughMs, paidAtMs)); return at.setUTCMonth(at.getUTCMonth() + 1);",
      },
    ],
  },
  "early-is-lost": {
    why: "counts a renewal from its payment, so that who pays early loses the days that were left",
    seed: 1,
    edits: [
      {
        file: "durable/rules/calendar.ts",
        find: "return Math.max(paidThroughMs, paidAtMs) + PERIOD_MS;",
        put: "return paidAtMs + PERIOD_MS;",
      },
    ],
  },
  "mandate-early": {
    why: "sends a mandate before its day",
    seed: 1,
    fast: true,
    edits: [
      {
        file: "durable/mandates.ts",
        find: "Number(authorization.validAfterS) * 1000 + 1_000,",
        put: "Number(authorization.validAfterS) * 1000 - 86_400_000,",
      },
      { file: "durable/mandating.ts", find: "if (tx.nowMs < lease.paidThroughMs || ", put: "if (" },
    ],
  },
  "mandate-forgotten": {
    why: "nobody is woken on a mandate's day, and the object goes though its renewal was signed",
    seed: 1,
    edits: [
      { file: "durable/roll.ts", find: "  MANDATE_DUE,\n", put: "" },
      {
        file: "durable/mandating.ts",
        find: "return dueMandates(tx, atMost)",
        put: "return dueMandates(tx, 0 * atMost)",
      },
    ],
  },
  "mandate-kept": {
    why: "keeps the signature of a mandate that was taken back",
    seed: 1,
    edits: [
      {
        file: "durable/mandates.ts",
        find: "next_ms = NULL, authorization = NULL, signature = NULL, reason = ?",
        put: "next_ms = NULL, reason = ?",
      },
    ],
  },
  "mandate-not-revoked": {
    why: "settles a mandate that was taken back",
    seed: 1,
    edits: [
      {
        file: "durable/mandating.ts",
        find: `for (const mandate of waiting) endMandate(tx, mandate, "revoked");`,
        put: `for (const mandate of waiting) tx.record("mandate.revoked", { claim_key: mandate.claimKey });
          return { ok: true, step: "listed", mandates: listMandates(tx, agentId, objectKey).map((each) => ({ ...each, state: "revoked" as const })) };`,
      },
    ],
  },
  "alarm-lost": {
    why: "nobody sets an alarm again that the platform forgot",
    seed: 1,
    fast: true,
    weather: { forgets: 0.05 },
    edits: [
      {
        file: "durable/wallet.ts",
        find: "const lost = alarmMs === null || alarmMs < Date.now() - 60_000;",
        put: "const lost = false;",
      },
      { file: "durable/wallet.ts", find: "if ((await ctx.storage.getAlarm()) === null) this.#rearm();", put: "" },
    ],
  },
  "registry-not-told": {
    why: "the registry is told a due time once, and not that it became earlier",
    seed: 1,
    weather: { forgets: 0.05 },
    edits: [
      {
        file: "durable/roll.ts",
        find: "(roll.dueMs === null || dueMs < roll.dueMs)",
        put: "roll.seq === 0",
      },
    ],
  },
  "homeless-money": {
    why: "a payment that arrived after its object was deleted is kept without a word",
    seed: 1,
    weather: { slow: 0.3 },
    edits: [
      {
        file: "durable/renewals.ts",
        find: "changeCredit(tx, BigInt(renewal.amount), payment.claimKey);",
        put: "",
      },
    ],
  },
  "reorg-unseen": {
    why: "believes a payment for good at first sight, and keeps a month that a reorg took the money for",
    seed: 1,
    edits: [{ file: "durable/finality.ts", find: `if (recheck.end === "vanished") {`, put: "if (false) {" }],
  },
};
