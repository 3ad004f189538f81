/** The books' proof finds what it is for: a payment booked twice, a transfer nobody booked, a ledger that does not add up. */
import { describe, expect, test } from "vitest";
import type { LedgerReply, LedgerRow } from "#contract/ledger";
import { type Moved, prove } from "../books/proving.ts";

const WALLET = `0x${"ab".repeat(20)}`;
const row = (over: Partial<LedgerRow> = {}): LedgerRow => ({
  payment_id: "pay",
  at: "2026-11-01T00:00:00.000Z",
  source: "chain",
  state: "settled",
  purpose: "order",
  subject_id: "order",
  amount: "20000",
  credited: "0",
  payer: WALLET,
  pay_to: "0x",
  tx_hash: "0x01",
  block_number: "1",
  nonce: "0x",
  ...over,
});
const ledger = (rows: LedgerRow[], totals: Partial<LedgerReply["totals"]> = {}, credit = "0") => ({
  wallet: WALLET,
  whole: true,
  pages: [
    {
      wallet_address: WALLET,
      network: "",
      asset: "",
      rows,
      next_after: null,
      totals: { payments: rows.length, received: "20000", credited: "0", spent_from_credit: "0", ...totals },
      credit,
      journal: { number: 1, hash: "" },
    },
  ],
});
const moved: Moved = { from: WALLET, txHash: "0x01", amount: 20_000n };

describe("the books", () => {
  test("are proven when every payment is a transfer and every transfer a payment", () => {
    expect(prove([ledger([row()])], [moved])).toMatchObject({ payments: 1, booked: 20_000n, faults: [] });
  });

  test("tell a transfer nobody booked, a payment nobody made, and one booked twice", () => {
    expect(prove([ledger([row()])], [moved, moved]).faults).toEqual([
      expect.stringContaining("on chain, but not booked: 20000"),
      expect.stringContaining("the sums differ"),
    ]);
    expect(prove([ledger([row({ tx_hash: "0x02" })])], [moved]).faults).toEqual([
      expect.stringContaining("booked, but not on chain"),
      expect.stringContaining("on chain, but not booked"),
    ]);
    expect(prove([ledger([row(), row()], { received: "40000" })], [moved]).faults[0]).toContain("booked, but not on");
  });

  test("tell totals that are not their rows', and credit that came from nowhere", () => {
    expect(prove([ledger([row()], { received: "20001" })], [moved]).faults).toHaveLength(1);
    expect(prove([ledger([row()], { payments: 2 })], [moved]).faults).toHaveLength(1);
    expect(prove([ledger([row()], {}, "1")], [moved]).faults).toHaveLength(1);
    const credited = row({ state: "credited", credited: "20000" });
    const spent = row({ source: "credit", amount: "15000", tx_hash: "", payment_id: "pay2" });
    const totals = { credited: "20000", spent_from_credit: "15000" };
    expect(prove([ledger([credited, spent], totals, "5000")], [moved]).faults).toEqual([]);
  });
});
