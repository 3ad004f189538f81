/** What is judged in the moment it happens: a payment handed to the chain, a lapse, an erasure. */
import type { Wallet } from "#contract/wallet";
import type { SettlementJob } from "../../../durable/ports.ts";
import { Broken } from "../edge.ts";
import type { Years } from "./world.ts";

type Row = Record<string, string | number | null>;

/** A wrong clock may begin too soon, and the simulation before a broadcast stops that; with a right one it is a fault. */
export function judgeSend(world: Years, { claimKey, authorization }: SettlementJob): void {
  const { nowMs } = world.time;
  if (Number(authorization.validAfterS) * 1000 >= nowMs && !wrongClock(world, nowMs - 2 * 86_400_000, nowMs))
    world.fault ??= new Broken(`${claimKey} was to be sent before ${authorization.validAfterS}`);
  if (world.revoked.has(claimKey)) world.fault ??= new Broken(`${claimKey} was taken back, and was to be sent`);
}

export function judgeErase(world: Years, wallet: Wallet, key: string): void {
  const live = world.wallets
    .get(wallet)
    ?.database.all(
      "SELECT orders.order_id FROM plans JOIN orders ON orders.order_id = plans.order_id AND orders.stored_plan = plans.plan WHERE plans.s3_key = ? AND orders.state = 'stored'",
      [key],
    );
  if ((live?.length ?? 0) > 0) world.fault ??= new Broken(`${key} is stored and paid for, and was erased`);
}

/** After an order was looked at: if it lapsed, was there nothing left that would have paid for it? */
export function judgeLapse(world: Years, wallet: Wallet, orderId: string): void {
  if (world.lapses.has(orderId)) return;
  const { database } = world.wallets.get(wallet) ?? {};
  const first = (query: string) => database?.all(query, [orderId])[0] as Row | undefined;
  const order = first("SELECT ended, amount, paid_through_ms FROM orders WHERE order_id = ?");
  if (order?.["ended"] !== "unpaid") return;
  world.lapses.set(orderId, world.time.nowMs);
  if (first("SELECT 1 AS yes FROM renewals WHERE order_id = ? AND state = 'open'"))
    world.fault ??= new Broken(`${orderId} lapsed while a payment for it was open`);
  const credit = database?.all("SELECT value FROM meta WHERE key = 'credit'", [])[0] as Row | undefined;
  if (BigInt(credit?.["value"] ?? 0) >= BigInt(String(order["amount"])))
    world.fault ??= new Broken(`${orderId} lapsed, and its wallet was owed ${credit?.["value"]}`);
  const mandate = first(
    `SELECT claim_key, valid_after_ms FROM mandates WHERE order_id = ?1 AND state = 'retired' AND attempts = 0
       AND period = 1 + (SELECT coalesce(max(period), 0) FROM renewals WHERE order_id = ?1 AND state = 'granted')`,
  );
  const nonce = String(mandate?.["claim_key"]).split("|").at(-1) ?? "";
  const dueMs = Number(mandate?.["valid_after_ms"]);
  // Not where a reorg took days away, and the authorization is good only later than the end.
  const inTime = mandate !== undefined && dueMs <= Number(order["paid_through_ms"]) + 60_000;
  if (
    inTime &&
    !wrongClock(world, dueMs, world.time.nowMs) &&
    world.ledger.wouldPay(wallet, nonce, dueMs, world.time.nowMs)
  )
    world.fault ??= new Broken(`${orderId} lapsed, and its mandate ${nonce} was never tried`);
}

export function wrongClock(world: Years, fromMs: number, toMs: number): boolean {
  return world.wrongClocks.some((each) => each.fromMs <= toMs && each.toMs >= fromMs);
}
