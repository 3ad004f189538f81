/** The I/O between an overdue order and its end (lapses.ts): is the service alive, how late is the chain, what does S3 hold. */
import { formatMicroUsdc } from "#contract/money";
import { priceOfPeriod } from "#rules/pricing";
import type { Now, Overdue, Seen } from "./lapses.ts";
import type { Chain, Clock, Policy, Rates, Store } from "./ports.ts";
import type { Pulse } from "./rules/pulse.ts";
import { seek } from "./seek.ts";

export interface LapsePorts {
  readonly clock: Clock;
  readonly chain: Chain;
  readonly store: Store;
  readonly rates: Rates;
  readonly policy: Policy;
  readonly pulse: { read(): Promise<Pulse> };
}

/** Nobody is asked when nothing is overdue. */
export async function askWorld({ pulse, chain }: LapsePorts): Promise<Now> {
  const [beats, chainMs] = await Promise.all([orUndefined(() => pulse.read()), orUndefined(() => chain.headMs())]);
  return { pulse: beats, chainMs };
}

async function orUndefined<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    console.error(JSON.stringify({ code: "lapse_unanswered", detail: String(error) }));
    return undefined;
  }
}

export async function seeOverdue(ports: LapsePorts, overdue: Overdue): Promise<Seen> {
  return overdue.order.state === "paid" ? lookOnce(ports.store, overdue) : weigh(ports, overdue);
}

/** The newest content that is all there. */
async function lookOnce(store: Store, { plans }: Overdue): Promise<Seen> {
  for (const sent of plans) {
    const sought = await seek(store, sent);
    if (sought.end === "unknown") return { end: "unknown" };
    if (sought.end === "complete") return { end: "found", plan: sent.plan.plan };
  }
  return { end: "absent" };
}

/** Only where the wallet is owed something does the size matter. */
async function weigh(ports: LapsePorts, { order, plans, owed }: Overdue): Promise<Seen> {
  const place = plans[0]?.place;
  if (!owed) return { end: "unowed" };
  if (!place) return { end: "absent" };
  const seen = await ports.store.look(place);
  if (seen.end !== "found") return seen.end === "absent" ? { end: "absent" } : { end: "unknown" };
  const now = await ports.rates.current(ports.clock.nowMs());
  const rates = now.ok ? now.card.regions[order.region] : undefined;
  if (!now.ok || !rates) return { end: "unknown" };
  const { markupPercent, priceMinimum: minimum } = ports.policy;
  const price = priceOfPeriod(BigInt(seen.lengthBytes), rates, { markupPercent, minimum });
  return { end: "priced", amount: formatMicroUsdc(price.total), card: now.card.version, sizeBytes: seen.lengthBytes };
}
