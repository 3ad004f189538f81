/** What must hold after every step, and what must hold when everything has come to rest. */
import { isInTime, useKey } from "./chain.ts";
import { Broken } from "./edge.ts";
import { PAY_TO, type World } from "./world.ts";

interface PaymentRow {
  claim_key: string;
  order_id: string;
  amount: string;
  state: string;
  tx_hash: string | null;
  authorization: string;
  purchase: string;
}
interface RenewalRow {
  claim_key: string;
  order_id: string;
  period: number;
  state: string;
  amount: string;
}
interface OrderRow {
  order_id: string;
  agent_id: string;
  object_key: string;
  state: string;
  claim_key: string;
  stored_plan: number | null;
  ended: string | null;
}

/** Hooks that watch effects as they happen. */
export function watch(world: World, found: (fault: Broken) => void): void {
  world.chain.onSend = (hash, intent) => {
    const lane = world.laneHosts.get(intent.from as never);
    const written = lane?.database.all("SELECT hash FROM txs WHERE hash = ?", [hash]) ?? [];
    if (written.length === 0) found(new Broken(`${hash} was sent and never written down`));
    const dearest = world.chain.highestFee * 4n;
    if (intent.maxFee > dearest)
      found(new Broken(`${hash} offers ${intent.maxFee} wei; the market never asked a quarter of it`));
    for (const authorization of intent.transfers) {
      checkPromises(world, intent.from, authorization.from, found);
      const host = world.wallets.get(authorization.from);
      const row =
        host?.used &&
        host.database.all("SELECT state FROM payments WHERE claim_key LIKE ?", [`%|${useKey(authorization)}`])[0];
      if (row && row["state"] === "withdrawn")
        found(new Broken(`${useKey(authorization)} was refused to its payer, and is sent`));
    }
  };
  world.s3.onErase = (key) => {
    for (const host of world.wallets.values()) {
      if (!host.used) continue;
      const live = host.database.all(
        "SELECT orders.order_id FROM plans JOIN orders ON orders.order_id = plans.order_id AND orders.stored_plan = plans.plan WHERE plans.s3_key = ? AND orders.state = 'stored'",
        [key],
      );
      if (live.length > 0) found(new Broken(`${key} is stored and paid for, and was erased`));
    }
  };
}

/** What a lane has under way for a payer is never more than the payer has: what reverts, reverts at our cost. */
function checkPromises(world: World, lane: string, payer: string, found: (fault: Broken) => void): void {
  // A reorg gives back what was spent, for a while; then two may honestly be under way for the same money. Two lanes may, in a small
  // window, each be unaware of the other's.
  if (world.chain.drained.has(payer) || world.chain.reorgs > 0 || world.lanes.length > 1) return;
  const rows =
    world.laneHosts
      .get(lane as never)
      ?.database.all("SELECT authorization FROM jobs WHERE state = 'sent' AND payer = ?", [payer]) ?? [];
  const open = rows
    .map((row) => JSON.parse(String(row["authorization"])) as { from: string; nonce: string; value: string })
    .filter((authorization) => !world.chain.isUsed(`${authorization.from}|${authorization.nonce}`));
  const promised = open.reduce((total, authorization) => total + BigInt(authorization.value), 0n);
  const has = world.chain.balance(payer);
  if (promised > has) found(new Broken(`${payer} has ${has}, and ${promised} of it are under way`));
}

/** Entitlements follow transfers, always: no order is paid whose payment is not settled, and each payment buys one order. */
export function checkStep(world: World): void {
  for (const [wallet, host] of world.wallets) {
    if (!host.used) continue;
    const orders = host.database.all("SELECT * FROM orders", []) as unknown as OrderRow[];
    const payments = host.database.all("SELECT * FROM payments", []) as unknown as PaymentRow[];
    const byClaim = new Map(payments.map((payment) => [payment.claim_key, payment]));
    const held = new Set<string>();
    for (const order of orders) {
      if (order.state === "ended") continue;
      const name = `${order.agent_id}/${order.object_key}`;
      if (held.has(name)) throw new Broken(`${wallet} has two orders under ${name}`);
      held.add(name);
      const payment = byClaim.get(order.claim_key);
      const paid = order.state === "paid" || order.state === "stored";
      // A payment a reorg took for good leaves what is stored alone until its shortened time is over.
      if (
        paid &&
        !["settled", "reopened", ...(order.state === "stored" ? ["void", "dead", "credited"] : [])].includes(
          payment?.state ?? "",
        )
      )
        throw new Broken(`${order.order_id} is ${order.state} and its payment is ${payment?.state}`);
    }
    const claims = new Map<string, number>();
    for (const payment of payments)
      if (payment.state === "open") claims.set(payment.purchase, (claims.get(payment.purchase) ?? 0) + 1);
    for (const [purchase, open] of claims)
      if (open > 1) throw new Broken(`${wallet} has ${open} open payments for ${purchase}`);
  }
}

/** At rest: money proven received = entitlements granted + credit, and nothing is left half-done. */
export function checkRest(world: World): void {
  const received = transfersByPayer(world);
  for (const [wallet, host] of world.wallets) {
    if (!host.used) continue;
    const payments = host.database.all("SELECT * FROM payments", []) as unknown as PaymentRow[];
    for (const payment of payments)
      if (["open", "reopened", "void"].includes(payment.state))
        throw new Broken(`${payment.claim_key} is still ${payment.state} at rest`);
    const onChain = payments.filter((payment) => payment.claim_key.startsWith("eip155"));
    const renewals = host.database.all("SELECT * FROM renewals", []) as unknown as RenewalRow[];
    const shares = checkRenewals(renewals, payments);
    const granted = sum(onChain.filter((payment) => payment.state === "settled")) - shares;
    const credited = sum(onChain.filter((payment) => payment.state === "credited")) + shares;
    const got = received.get(wallet) ?? 0n;
    if (got !== granted + credited) throw new Broken(`${wallet} sent ${got}; granted ${granted}, credited ${credited}`);
    const spent = sum(
      payments.filter((payment) => payment.claim_key.startsWith("credit") && payment.state === "settled"),
    );
    const credit = BigInt(
      (host.database.all("SELECT value FROM meta WHERE key = 'credit'", [])[0]?.["value"] as string | undefined) ?? "0",
    );
    if (credit !== credited - spent)
      throw new Broken(`${wallet} has credit ${credit}; arrived ${credited}, spent ${spent}`);
    const orders = host.database.all("SELECT * FROM orders", []) as unknown as OrderRow[];
    for (const order of orders) {
      if (order.state === "paying") throw new Broken(`${order.order_id} is still paying at rest`);
      if (order.state === "stored")
        checkStored(
          world,
          host.database.all("SELECT s3_key FROM plans WHERE order_id = ? AND plan = ?", [
            order.order_id,
            order.stored_plan,
          ]),
        );
    }
    const erasures = host.database.all("SELECT s3_key FROM erasures", []);
    if (erasures.length > 0) throw new Broken(`${wallet} still has ${erasures.length} erasures to do at rest`);
    for (const { s3_key: key } of host.database.all("SELECT s3_key FROM plans WHERE state = 'gone'", []))
      if (world.s3.objects.has(String(key))) throw new Broken(`${key} was given up and is still stored`);
  }
  for (const host of world.laneHosts.values()) {
    // A lane nobody ever called has no tables.
    if (!host.used) continue;
    const busy = host.database.all("SELECT claim_key FROM jobs WHERE state IN ('queued', 'sent')", []);
    if (busy.length > 0) throw new Broken(`${host.name} still has ${busy.length} jobs at rest`);
    const open = host.database.all("SELECT nonce FROM slots WHERE open = 1", []);
    if (open.length > 0) throw new Broken(`${host.name} still has ${open.length} open nonces at rest`);
  }
}

/** Each period is paid once, by a payment that stands; answers what of statements that stand became credit. */
function checkRenewals(renewals: readonly RenewalRow[], payments: readonly PaymentRow[]): bigint {
  const stateOf = new Map(payments.map((payment) => [payment.claim_key, payment]));
  const periods = new Set<string>();
  let shares = 0n;
  for (const { claim_key, order_id, period, state, amount } of renewals) {
    const payment = stateOf.get(claim_key);
    if (state === "open" || state === "homeless")
      throw new Broken(`period ${period} of ${order_id} is ${state} at rest`);
    if (state === "credited" && payment?.state === "settled") shares += BigInt(amount);
    if (state !== "granted") continue;
    if (payment?.state !== "settled")
      throw new Broken(`period ${period} of ${order_id} is granted, and its payment is ${payment?.state}`);
    const name = `${order_id}|${period}`;
    if (periods.has(name)) throw new Broken(`period ${period} of ${order_id} was paid twice`);
    periods.add(name);
  }
  for (const payment of payments) {
    const lines = renewals.filter(({ claim_key, state }) => claim_key === payment.claim_key && state !== "reversed");
    const total = lines.reduce((all, { amount }) => all + BigInt(amount), 0n);
    if (payment.state === "settled" && lines.length > 0 && total !== BigInt(payment.amount))
      throw new Broken(`${payment.claim_key} paid ${payment.amount} for lines of ${total}`);
  }
  return shares;
}

function checkStored(world: World, rows: Record<string, unknown>[]): void {
  const key = String(rows[0]?.["s3_key"]);
  if (!world.s3.objects.has(key)) throw new Broken(`${key} counts as stored and S3 does not have it`);
}

/**
 * What each payer's transfers brought us. One that we did not send and that was never claimed here, or only long after, is a gift,
 * and nobody's claim: it may have paid for something else.
 */
function transfersByPayer(world: World): Map<string, bigint> {
  const sums = new Map<string, bigint>();
  const seen = new Set<string>();
  for (const { authorization, by, timeMs } of world.chain.transfers()) {
    if (authorization.to !== PAY_TO) continue;
    const key = useKey(authorization);
    if (seen.has(key)) throw new Broken(`${key} was transferred twice`);
    seen.add(key);
    const host = world.wallets.get(authorization.from);
    const claims = host?.used
      ? host.database.all("SELECT claimed_ms FROM payments WHERE claim_key LIKE ?", [`%|${key}`])
      : [];
    const ours = world.laneHosts.has(by as never);
    if (claims.length === 0 && ours) throw new Broken(`${key} was sent by us and is in no ledger`);
    const counts = ours || claims.some((claim) => isInTime(timeMs, Number(claim["claimed_ms"])));
    if (counts) sums.set(authorization.from, (sums.get(authorization.from) ?? 0n) + authorization.value);
  }
  return sums;
}

function sum(payments: PaymentRow[]): bigint {
  return payments.reduce((total, payment) => total + BigInt(payment.amount), 0n);
}
