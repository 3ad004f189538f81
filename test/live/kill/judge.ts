/** Do the three lists agree: what the chain moved, what the service wrote, what the buyers were told? Each difference is a sentence. */
import type { Paid, PaymentRow, Written } from "./books.ts";
import type { Told } from "./shoppers.ts";

export function differences(paid: readonly Paid[], books: Written, told: readonly Told[]): string[] {
  return [
    ...moneyAgainstLedger(paid, books),
    ...ledgerAgainstMoney(paid, books),
    ...told.flatMap(wordsOf(paid, books)),
  ];
}

const keyOf = (wallet: string, nonce: string) => `${wallet} ${nonce}`;

/** Nobody paid without an entitlement or credit, nobody twice for one purchase. */
function moneyAgainstLedger(paid: readonly Paid[], { payments, orders, credit }: Written): string[] {
  const found: string[] = [];
  const byKey = new Map(payments.map((row) => [keyOf(row.wallet, row.nonce), row]));
  const credited = new Map<string, bigint>();
  const bought = new Map<string, string[]>();
  for (const each of paid) {
    const what = `${each.payer} paid ${each.amount} in ${each.txHash}`;
    const row = byKey.get(keyOf(each.payer, each.nonce));
    if (!row) found.push(`${what}, and no payment is written down`);
    else if (row.amount !== each.amount) found.push(`${what}, and ${row.amount} is written down`);
    else if (row.txHash !== each.txHash) found.push(`${what}, and ${row.txHash} is written down`);
    else if (row.state === "credited") credited.set(each.payer, (credited.get(each.payer) ?? 0n) + each.amount);
    else if (row.state !== "settled") found.push(`${what}, and the payment is ${row.state}`);
    else {
      const order = orders.find(({ orderId }) => orderId === row.orderId);
      if (!order || !["paid", "stored"].includes(order.state)) found.push(`${what}, and its order is ${order?.state}`);
      else bought.set(order.purchase, [...(bought.get(order.purchase) ?? []), each.txHash]);
    }
  }
  for (const [purchase, hashes] of bought)
    if (hashes.length > 1) found.push(`${purchase} was paid ${hashes.length} times: ${hashes.join(", ")}`);
  for (const [wallet, held] of credit) {
    const spent = payments
      .filter((row) => row.wallet === wallet && isCredit(row))
      .reduce((sum, row) => sum + row.amount, 0n);
    const due = credited.get(wallet) ?? 0n;
    if (held + spent !== due) found.push(`${wallet} holds ${held} of credit and spent ${spent}; ${due} is due`);
  }
  return found;
}

/** Nobody was given anything without a transfer, and nothing is left open. */
function ledgerAgainstMoney(paid: readonly Paid[], { payments, orders, underWay }: Written): string[] {
  const found: string[] = [];
  const moved = new Set(paid.map((each) => keyOf(each.payer, each.nonce)));
  for (const row of payments) {
    const what = `payment ${row.paymentId} of ${row.wallet} is ${row.state}`;
    if (row.state === "open" || row.state === "reopened") found.push(`${what} and found no end`);
    const claims = row.state === "settled" || row.state === "credited";
    if (claims && !isCredit(row) && !moved.has(keyOf(row.wallet, row.nonce))) found.push(`${what} without a transfer`);
  }
  const settled = new Set(payments.filter((row) => row.state === "settled").map((row) => row.orderId));
  for (const order of orders) {
    if (order.state === "paying") found.push(`order ${order.orderId} is still being paid`);
    if (["paid", "stored"].includes(order.state) && !settled.has(order.orderId))
      found.push(`order ${order.orderId} is ${order.state} without a payment`);
  }
  if (underWay > 0) found.push(`the relayer has ${underWay} payments without an end`);
  return found;
}

/** Who was told "paid" is the owner of a paid order; who was told "stored", of a stored one. */
function wordsOf(paid: readonly Paid[], { orders }: Written): (told: Told) => string[] {
  const hashes = new Set(paid.map((each) => `${each.payer} ${each.txHash}`));
  return (told) => {
    const { errand } = told;
    const wallet = errand.buyer.address.toLowerCase();
    const who = `${wallet} ${errand.name} (${errand.kind})`;
    if (told.failure !== undefined) return [`${who}: ${told.failure}`];
    const order = orders.find(({ orderId }) => orderId === told.paid?.orderId);
    if (!order || told.paid === undefined) return [`${who} was told of an order that is not written down`];
    const found: string[] = [];
    if (order.purchase !== `${wallet} main ${errand.name}`) found.push(`${who} was given ${order.purchase}`);
    if (!hashes.has(`${wallet} ${told.paid.txHash}`) && !order.claimKey.startsWith("credit|"))
      found.push(`${who} was told of transfer ${told.paid.txHash}, which is not on chain`);
    if (told.stored && order.state !== "stored") found.push(`${who} was told "stored"; the order is ${order.state}`);
    return found;
  };
}

/** Bought with what an earlier payment left over: no transfer of its own. */
function isCredit(row: PaymentRow): boolean {
  return row.nonce === "none";
}
