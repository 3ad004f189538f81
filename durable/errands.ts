/** Everything that is due for one wallet; the alarm does it afterwards (sweep.ts). */
import { dueEmptied } from "./emptied.ts";
import { dueRechecks } from "./finality.ts";
import { dueForecasts } from "./forecasts.ts";
import { dueOrders } from "./lapses.ts";
import { duePayments } from "./payments.ts";
import { dueErasures } from "./plans.ts";
import type { Policy } from "./ports.ts";
import type { Tx } from "./tx.ts";
import { dueLooks } from "./unconfirmed.ts";
import { dueUnserved } from "./unserved.ts";

type Read = <T>(kind: string, due: (tx: Tx) => T[]) => T[];

/** A bounded number of each, so that a run ends within what the platform allows; the rest is due at the next one. */
function errandsBy(read: Read, policy: Policy) {
  return {
    unserved: read("unserved", (tx) => dueUnserved(tx, policy, 5)),
    looks: read("looks", (tx) => dueLooks(tx, 10)),
    payments: read("payments", (tx) => duePayments(tx, 20)),
    standing: read("standing", (tx) => dueRechecks(tx, 20)),
    erasures: read("erasures", (tx) => dueErasures(tx, 50)),
    emptied: read("emptied", (tx) => dueEmptied(tx, 5)),
    overdue: read("overdue", (tx) => dueOrders(tx, 100)),
    forecasts: read("forecasts", dueForecasts),
  };
}

/** One transaction for all of it; where that breaks, one for each kind, so that a kind in trouble stops no other. */
export function dueErrands(transact: <T>(work: (tx: Tx) => T) => T, policy: Policy) {
  const together = apart("errands", () => transact((tx) => errandsBy((_, due) => due(tx), policy)), undefined);
  return together ?? errandsBy((kind, due) => apart(kind, () => transact(due), []), policy);
}

export function apart<T>(what: string, work: () => T, otherwise: T): T {
  try {
    return work();
  } catch (error) {
    console.error(JSON.stringify({ code: "errands_unread", what, detail: String(error) }));
    return otherwise;
  }
}
