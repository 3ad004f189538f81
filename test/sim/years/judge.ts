/** What must hold through the years, told from the chain's transfers and from what was off when; the objects' own clocks are not asked. */
import { formatMicroUsdc } from "#contract/money";
import { Broken } from "../edge.ts";
import { wrongClock } from "./moments.ts";
import type { Years } from "./world.ts";

const DAY_MS = 86_400_000;
const PERIOD_MS = 30 * DAY_MS;
/** An alarm may be two hours late, be forgotten and be found by the hourly cron; a sweep takes minutes. */
const SWEEP_MS = 6 * 3_600_000;

type Row = Record<string, string | number | null>;

export interface Books {
  revenue: bigint;
  granted: bigint;
  credit: bigint;
  /** Bought with credit: granted, and paid for before. */
  fromCredit: bigint;
  periods: number;
  /** Payments for everything that was due. */
  statements: number;
  /** Renewals signed beforehand: handed over, settled on their day, taken back. */
  mandates: number;
  byMandate: number;
  revoked: number;
  orders: number;
  lapsed: number;
  stored: number;
}

export function judge(world: Years, atRest: boolean): Books {
  if (world.fault !== undefined) throw world.fault;
  const books: Books = {
    revenue: 0n,
    granted: 0n,
    credit: 0n,
    fromCredit: 0n,
    periods: 0,
    statements: 0,
    mandates: 0,
    byMandate: 0,
    revoked: 0,
    orders: 0,
    lapsed: 0,
    stored: 0,
  };
  for (const [wallet, shelf] of world.wallets) {
    const rows = (query: string) => shelf.database.all(query, []) as Row[];
    const payments = new Map(
      rows("SELECT claim_key, order_id, state, purpose, amount FROM payments").map((row) => [
        String(row["claim_key"]),
        row,
      ]),
    );
    const renewals = Map.groupBy(
      rows("SELECT claim_key, order_id, period, amount, state, paid_ms, through_ms FROM renewals"),
      (row) => String(row["order_id"]),
    );
    // All of it, whether or not a ledger knows.
    const sent = world.ledger.sentBy(wallet);
    // Of a statement that granted the others: lines whose object was gone.
    const shares = sumOf(
      [...renewals.values()]
        .flat()
        .filter(
          (row) => row["state"] === "credited" && payments.get(String(row["claim_key"]))?.["state"] === "settled",
        ),
    );
    const settled = sumOf([...payments.values()].filter((row) => onChain(row) && row["state"] === "settled"));
    const granted = settled - shares;
    const credited =
      shares + sumOf([...payments.values()].filter((row) => onChain(row) && row["state"] === "credited"));
    const spent = sumOf([...payments.values()].filter((row) => !onChain(row) && row["state"] === "settled"));
    const credit = BigInt(String(rows("SELECT value FROM meta WHERE key = 'credit'")[0]?.["value"] ?? "0"));
    if (atRest && sent !== granted + credited)
      throw new Broken(`${wallet} sent ${sent}; granted ${granted}, credited ${credited}`);
    if (credit !== credited - spent)
      throw new Broken(`${wallet} has credit ${credit}; ${credited} came, ${spent} went`);
    const mandates = rows("SELECT claim_key, order_id, period, state, authorization, signature FROM mandates");
    judgeMandates(world, mandates, rows, atRest);
    const signed = new Set(mandates.map((row) => String(row["claim_key"])));
    for (const order of rows("SELECT order_id, state, claim_key, paid_ms, paid_through_ms, ended FROM orders")) {
      const own = renewals.get(String(order["order_id"])) ?? [];
      judgeOrder(world, order, payments, own, atRest);
      judgeRepeats(String(order["order_id"]), payments, own, signed);
      books.orders += 1;
      books.lapsed += order["ended"] === "unpaid" ? 1 : 0;
      books.stored += order["state"] === "stored" ? 1 : 0;
      books.periods += own.filter((row) => row["state"] === "granted").length + (order["paid_ms"] === null ? 0 : 1);
    }
    books.revenue += sent;
    for (const row of payments.values())
      books.statements += row["purpose"] === "statement" && row["state"] === "settled" ? 1 : 0;
    for (const row of mandates) {
      books.mandates += 1;
      books.byMandate += row["state"] === "settled" ? 1 : 0;
      books.revoked += row["state"] === "revoked" ? 1 : 0;
    }
    books.granted += granted;
    books.credit += credit;
    books.fromCredit += spent;
  }
  if (atRest && books.revenue !== books.granted + books.credit + books.fromCredit)
    throw new Broken(
      `${formatMicroUsdc(books.revenue)} came in; ${books.granted} granted, ${books.credit} is owed, ${books.fromCredit} was owed and spent`,
    );
  return books;
}

/** Its end by the chain: the first payment's block, and each later one's, in their order. */
function judgeOrder(world: Years, order: Row, payments: Map<string, Row>, renewals: Row[], atRest: boolean): void {
  const id = String(order["order_id"]);
  const known = payments.get(String(order["claim_key"]));
  // A claim that was given back unsent may be claimed anew, and is then another order's.
  const first = known?.["order_id"] === id ? known : undefined;
  const settled = (row: Row | undefined) =>
    row !== undefined && (row["state"] === "settled" || row["state"] === "reopened");
  // A reorg that took a payment for good takes its days, and leaves two: another sum, judged in the object's own tests.
  const whole = settled(first) && renewals.every((row) => row["state"] !== "reversed");
  const periods = renewals
    .filter((row) => row["state"] === "granted")
    .sort((a, b) => Number(a["period"]) - Number(b["period"]));
  for (const [index, row] of periods.entries()) {
    if (whole && Number(row["period"]) !== index + 1) throw new Broken(`${id} skips period ${index + 1}`);
    if (!settled(payments.get(String(row["claim_key"]))))
      throw new Broken(`${id} has period ${row["period"]} and nobody paid it`);
  }
  let throughMs = Number(order["paid_through_ms"] ?? 0);
  if (whole) {
    const start = Number(order["paid_ms"]);
    throughMs = periods.reduce((endMs, row) => Math.max(endMs, Number(row["paid_ms"])) + PERIOD_MS, start + PERIOD_MS);
    if (throughMs !== Number(order["paid_through_ms"]))
      throw new Broken(`${id} says paid through ${order["paid_through_ms"]}; its payments say ${throughMs}`);
  }
  const deadlineMs = graceEnd(world, throughMs);
  if (order["ended"] === "unpaid" && !world.judged.has(id)) {
    world.judged.add(id);
    const endedMs = world.lapses.get(id) ?? Number.NaN;
    if (!(endedMs > deadlineMs))
      throw new Broken(`${id} was paid or in grace until ${deadlineMs} and lapsed at ${endedMs}`);
    // Longer than a sweep only for a payment whose outcome was open, or an outage on the way.
    const excused =
      world.outages.some(({ fromMs, toMs }) => fromMs < endedMs && toMs > deadlineMs - SWEEP_MS) ||
      wrongClock(world, deadlineMs - 2 * DAY_MS, endedMs);
    if (endedMs > deadlineMs + SWEEP_MS && !excused)
      throw new Broken(`${id} should have gone at ${deadlineMs} and lapsed at ${endedMs}`);
    if (renewals.some((row) => row["state"] === "granted" && Number(row["through_ms"]) > endedMs))
      throw new Broken(`${id} lapsed with a period still to run`);
  }
  const open = renewals.some((row) => row["state"] === "open");
  if (atRest && open) throw new Broken(`${id} has an open renewal at rest`);
  if (renewals.some((row) => row["state"] === "homeless") && atRest)
    throw new Broken(`${id} has homeless money at rest`);
  const lateMs = world.off || world.ledger.down ? Number.POSITIVE_INFINITY : SWEEP_MS;
  if (order["state"] === "stored" && !open && world.time.nowMs > deadlineMs + lateMs && quietFor(world, lateMs))
    throw new Broken(
      `${id} is unpaid since ${throughMs}, should have gone at ${deadlineMs}, and is kept at ${world.time.nowMs}`,
    );
}

/** What waits no more keeps nothing that could be sent; what was taken back is nowhere. */
function judgeMandates(world: Years, mandates: Row[], rows: (query: string) => Row[], atRest: boolean): void {
  for (const { claim_key, state, authorization, signature } of mandates) {
    const live = state === "waiting" || state === "settling";
    if (!live && (authorization !== null || signature !== null))
      throw new Broken(`mandate ${claim_key} is ${state}, and what was signed is still there`);
    if (atRest && state === "settling") throw new Broken(`mandate ${claim_key} is settling at rest`);
  }
  const taken = atRest ? mandates.filter(({ claim_key }) => world.revoked.has(String(claim_key))) : [];
  // Tried before it was taken back, it is in the ledger as any claim that was tried.
  const claimed = new Set(rows("SELECT claim_key FROM payments").map((row) => row["claim_key"]));
  const secrets = taken.filter(({ claim_key }) => !claimed.has(claim_key));
  if (secrets.length === 0) return;
  const tables = rows("SELECT name FROM sqlite_master WHERE type = 'table'");
  const text = tables.map(({ name }) => JSON.stringify(rows(`SELECT * FROM ${name}`))).join("");
  for (const { claim_key } of secrets)
    if (text.includes(world.revoked.get(String(claim_key)) ?? ""))
      throw new Broken(`mandate ${claim_key} was taken back, and its signature is still kept`);
}

/** A lost reply never buys a second month: who names no period is not charged again within 20 days. */
function judgeRepeats(id: string, payments: Map<string, Row>, renewals: Row[], signed: Set<string>): void {
  const granted = renewals
    .filter((row) => row["state"] === "granted")
    .sort((a, b) => Number(a["period"]) - Number(b["period"]));
  for (const [index, row] of granted.entries()) {
    const claim = String(row["claim_key"]);
    const before = granted[index - 1];
    const sooner = before && Number(row["paid_ms"]) - Number(before["paid_ms"]) < 20 * DAY_MS - 3_600_000;
    if (sooner && !signed.has(claim) && onChain({ claim_key: claim }) && payments.get(claim)?.["purpose"] === "renewal")
      throw new Broken(`${id} was charged for period ${row["period"]} so soon after the one before`);
  }
}

/** Nothing was off within this time: a sweep had its chance. */
function quietFor(world: Years, ms: number): boolean {
  const { nowMs } = world.time;
  return world.outages.every(({ toMs }) => nowMs - toMs > ms) && !wrongClock(world, nowMs - 2 * DAY_MS, nowMs);
}

/** Two days in which one could have paid. An outage of ten minutes or less is none. */
function graceEnd(world: Years, throughMs: number): number {
  let [atMs, leftMs] = [throughMs, 2 * DAY_MS];
  for (const { fromMs, toMs } of world.outages) {
    if (toMs <= atMs) continue;
    const freeMs = Math.max(0, fromMs - atMs);
    if (freeMs >= leftMs) break;
    leftMs -= freeMs;
    atMs = toMs;
  }
  return atMs + leftMs;
}

function onChain(row: Row): boolean {
  return String(row["claim_key"]).startsWith("eip155");
}

function sumOf(rows: readonly Row[]): bigint {
  return rows.reduce((total, row) => total + BigInt(String(row["amount"])), 0n);
}
