/**
 * The published client's cron pays on the first of the month, a period has 30 days: five days and a quarter a year are not paid ahead
 * for. Ten years of it, alarms and leap days included; whenever the object was stored, however late in the day the cron runs.
 */
import { describe, expect, it } from "vitest";
import type { Wallet } from "#contract/wallet";
import {
  advance,
  authorizationOf,
  claimOf,
  freshHex,
  freshWallet,
  good,
  settledAt,
  sqlOf,
  store,
  walletAt,
} from "./fixture.ts";
import { clockOf, worldOf } from "./world.ts";

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const YEARS = 10;
const AMOUNT = "12345";

const proof = () => ({ nonce: `0x${freshHex()}`, request: "r", expiresMs: 2e13 });
const nowMs = (wallet: Wallet) => clockOf(wallet).nowMs();
const orderOf = async (wallet: Wallet) =>
  (await sqlOf<{ state: string; paid_through_ms: number }>(wallet, "SELECT state, paid_through_ms FROM orders"))[0];

/** Stored at this hour, in a world of its own. */
async function storedAt(atMs: number): Promise<Wallet> {
  const wallet = freshWallet();
  worldOf(wallet).aheadMs = atMs - Date.now();
  await store(wallet);
  return wallet;
}

/** As the client does it: no period, no key, whatever is next. */
async function renew(wallet: Wallet): Promise<void> {
  const wanted = { agentId: "main", objectKey: "letters.tar", index: undefined, key: undefined };
  const step = good(
    await walletAt(wallet).beginRenewal(proof(), { ...wanted, identifier: undefined, claimKey: undefined }),
  );
  if (step.step !== "price") throw new Error(`on ${new Date(nowMs(wallet)).toISOString()}: ${step.step}`);
  const renewal = { orderId: step.order.orderId, index: step.index, amount: AMOUNT, card: "a card", sizeBytes: 900 };
  await pay(wallet, AMOUNT, { renewal: { ...renewal, deadlineMs: step.deadlineMs } });
}

/** One statement of whatever is due; true when something was. */
async function payStatement(wallet: Wallet): Promise<boolean> {
  const begun = good(await walletAt(wallet).statement(proof(), { step: "begin", key: undefined, gaps: [] }));
  if (begun.step !== "weigh") throw new Error(begun.step);
  if (begun.due.length === 0) return false;
  const lines = begun.due.map((line) => ({ ...line, amount: AMOUNT, card: "a card", sizeBytes: 900 }));
  const weighing = {
    lines,
    amount: AMOUNT,
    basis: "card",
    card: "a card",
    minimumApplied: false,
    more: false,
  } as const;
  const keep = { step: "keep", key: undefined, weighing: { ...weighing, missing: 0 } } as const;
  const kept = good(await walletAt(wallet).statement(undefined, keep));
  if (kept.step !== "kept") throw new Error(kept.step);
  await pay(wallet, AMOUNT, { statementId: kept.statement.statementId });
  return true;
}

async function pay(
  wallet: Wallet,
  amount: string,
  purchase: Parameters<ReturnType<typeof walletAt>["beginPayment"]>[2],
) {
  const claim = claimOf(wallet, {}, authorizationOf(wallet, { value: BigInt(amount) }));
  expect(await walletAt(wallet).beginPayment(undefined, claim, purchase, undefined)).toMatchObject({ begun: "open" });
  const settled = settledAt(Math.floor(nowMs(wallet) / 1000) * 1000);
  expect(await walletAt(wallet).finishPayment(claim.claimKey, settled)).toMatchObject({ state: "settled" });
}

/** Every first of a month, at an hour that wanders over the day. */
async function monthly(wallet: Wallet, each: () => Promise<unknown>): Promise<void> {
  const begun = new Date(nowMs(wallet));
  for (let month = 1; month <= YEARS * 12; month++) {
    const first = Date.UTC(begun.getUTCFullYear(), begun.getUTCMonth() + month, 1) + ((month * 7) % 23) * HOUR_MS;
    await advance(wallet, first - nowMs(wallet));
    await each();
    expect(await orderOf(wallet)).toMatchObject({ state: "stored" });
  }
}

describe("an object whose owner pays on the first of every month", () => {
  it.each(["2027-01-01T00:00:01Z", "2027-01-15T12:00:00Z", "2028-01-31T23:59:59Z", "2027-02-28T10:00:00Z"])(
    "by the published client's renewals, stored at %s, is there after ten years, every month paid once",
    async (at) => {
      const wallet = await storedAt(Date.parse(at));
      await monthly(wallet, () => renew(wallet));
      const granted = await sqlOf(wallet, "SELECT period FROM renewals WHERE state = 'granted' ORDER BY period");
      expect(granted.map(({ period }) => period)).toEqual(Array.from({ length: YEARS * 12 }, (_, at) => at + 1));
      const order = await orderOf(wallet);
      expect((order?.paid_through_ms ?? 0) - nowMs(wallet)).toBeGreaterThan(28 * DAY_MS);
      // And is gone when they stop: not before its grace is over, and then at once.
      await advance(wallet, (order?.paid_through_ms ?? 0) + 2 * DAY_MS - nowMs(wallet) - HOUR_MS);
      expect(await orderOf(wallet)).toMatchObject({ state: "stored" });
      await advance(wallet, 2 * HOUR_MS);
      expect(await orderOf(wallet)).toMatchObject({ state: "ended" });
    },
    60_000,
  );

  it("by statements is there after ten years, and never more than two periods ahead", async () => {
    const wallet = await storedAt(Date.parse("2027-01-15T12:00:00Z"));
    let paid = 0;
    await monthly(wallet, async () => {
      if (await payStatement(wallet)) paid += 1;
      const { paid_through_ms: throughMs = 0 } = (await orderOf(wallet)) ?? {};
      expect(throughMs - nowMs(wallet)).toBeLessThanOrEqual(60 * DAY_MS);
    });
    expect(await sqlOf(wallet, "SELECT 1 FROM renewals WHERE state = 'granted'")).toHaveLength(paid);
    expect(paid).toBeGreaterThanOrEqual(YEARS * 12 - 2);
  }, 60_000);
});
