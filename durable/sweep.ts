/**
 * The alarm's errands, one wallet at a time: ask the chain again about payments nobody finished, look for bytes nobody confirmed, erase what must go. Each errand
 * stands alone; one that fails stops none of the others, and rows, not memory, say what is left.
 */
import type { Wallet } from "#contract/wallet";
import type { Emptied } from "./emptied.ts";
import type { Standing } from "./finality.ts";
import { askWorld, type LapsePorts, seeOverdue } from "./lapse.ts";
import type { Now, Overdue, Seen } from "./lapses.ts";
import type {
  Chain,
  ClaimKey,
  Clock,
  Forecast,
  ForecastAsk,
  Forecasts,
  ObjectPlace,
  Recheck,
  Removed,
  SettlementEnd,
  SettlementJob,
  Store,
} from "./ports.ts";
import type { Sought } from "./seek.ts";
import { type Look, lookFor } from "./unconfirmed.ts";
import type { Unserved } from "./unserved.ts";

interface Sweepable {
  finishUnserved(unserved: Unserved, end: "ready" | "taken" | "unknown"): void;
  finishPayment(claimKey: ClaimKey, end: SettlementEnd, attempt?: number): unknown;
  finishRecheck(claimKey: ClaimKey, recheck: Recheck): void;
  finishMandate(claimKey: ClaimKey): void;
  finishErase(key: string, erased: boolean): void;
  finishLook(look: Look, end: Sought): void;
  finishEmptied(bucket: Emptied, removed: Removed): void;
  finishDue(orderId: string, seen: Seen, now: Now): void;
  finishForecast(ask: ForecastAsk, forecast: Forecast): void;
}

const SILENCE: Now = { pulse: undefined, chainMs: undefined };
/** How long an alarm waits for a receipt before it writes "unknown" and asks later. */
const RECEIPT_WAIT_MS = 8_000;

export async function sweep(
  wallet: Sweepable,
  ports: LapsePorts & { readonly forecasts: Forecasts },
  due: () => {
    owner: Wallet;
    mandates: readonly SettlementJob[];
    payments: SettlementJob[];
    standing: Standing[];
    erasures: ObjectPlace[];
    unserved: Unserved[];
    looks: Look[];
    emptied: Emptied[];
    overdue: Overdue[];
    forecasts: ForecastAsk[];
  },
): Promise<void> {
  const { owner, mandates, payments, standing, erasures, unserved, looks, emptied, overdue, forecasts } = due();
  // One answer for all of them: a thousand objects of one day ask the chain once.
  const now = overdue.length === 0 ? SILENCE : await askWorld(ports);
  await Promise.all([
    ...mandates.map((job) => errand("mandate", job.claimKey, () => settleMandate(wallet, ports.chain, job))),
    ...payments.map((job) => errand("settle", job.claimKey, () => settle(wallet, ports.chain, job))),
    ...standing.map((each) => errand("recheck", each.job.claimKey, () => recheck(wallet, ports.chain, each))),
    ...unserved.map((each) => errand("serve", each.orderId, () => serve(wallet, ports.store, owner, each))),
    ...looks.map((each) => errand("look", each.place.key, () => look(wallet, ports.store, each))),
    ...emptied.map((each) => errand("remove", each.name, () => remove(wallet, ports.store, owner, each))),
    ...overdue.map((each) => errand("lapse", each.order.orderId, () => lapse(wallet, ports, each, now))),
    ...forecasts.map((ask) => errand("forecast", ask.wallet, () => forecast(wallet, ports, ask))),
    ...erasures.map((place) => errand("erase", place.key, () => erase(wallet, ports.store, place))),
  ]);
}

async function settle(wallet: Sweepable, chain: Chain, job: SettlementJob): Promise<void> {
  const silence: SettlementEnd = { end: "unknown", txHash: undefined };
  const end = await answerOf("settle", job.claimKey, () => chain.settle(job, RECEIPT_WAIT_MS), silence);
  wallet.finishPayment(job.claimKey, end, job.attempt);
}

async function settleMandate(wallet: Sweepable, chain: Chain, job: SettlementJob): Promise<void> {
  await settle(wallet, chain, job);
  wallet.finishMandate(job.claimKey);
}

async function recheck(wallet: Sweepable, chain: Chain, { job, seen }: Standing): Promise<void> {
  const silence: Recheck = { end: "unknown" };
  wallet.finishRecheck(job.claimKey, await answerOf("recheck", job.claimKey, () => chain.recheck(job, seen), silence));
}

async function serve(wallet: Sweepable, store: Store, owner: Wallet, unserved: Unserved): Promise<void> {
  // A bucket whose removal nobody has decided for a day is no bucket either.
  const { bucket } = unserved;
  if (!bucket || bucket.leaving) return wallet.finishUnserved(unserved, "unknown");
  const make = async () => (await store.ensureBucket({ ...bucket, wallet: owner })).end;
  wallet.finishUnserved(unserved, await answerOf("serve", unserved.orderId, make, "unknown"));
}

async function look(wallet: Sweepable, store: Store, each: Look): Promise<void> {
  const silence: Sought = { end: "unknown", detail: "nobody answered" };
  wallet.finishLook(each, await answerOf("look", each.place.key, () => lookFor(store, each), silence));
}

async function remove(wallet: Sweepable, stores: Store, owner: Wallet, bucket: Emptied): Promise<void> {
  const silence: Removed = { end: "unknown", detail: "S3 did not answer" };
  const { store, region, name } = bucket;
  const ask = () => stores.removeBucket({ store, region, name, wallet: owner });
  wallet.finishEmptied(bucket, await answerOf("remove", name, ask, silence));
}

async function erase(wallet: Sweepable, store: Store, place: ObjectPlace): Promise<void> {
  const erased = await answerOf("erase", place.key, async () => (await store.erase(place)).end === "done", false);
  wallet.finishErase(place.key, erased);
}

async function lapse(wallet: Sweepable, ports: LapsePorts, each: Overdue, now: Now): Promise<void> {
  const { orderId } = each.order;
  const seen = await answerOf("lapse", orderId, () => seeOverdue(ports, each), { end: "unknown" } as const);
  wallet.finishDue(orderId, seen, now);
}

async function forecast(
  wallet: Sweepable,
  ports: { readonly clock: Clock; readonly forecasts: Forecasts },
  ask: ForecastAsk,
): Promise<void> {
  const tell = () => ports.forecasts.storageCost(ask, ports.clock.nowMs());
  wallet.finishForecast(
    ask,
    await answerOf("forecast", ask.wallet, tell, { end: "unknown", detail: "nobody answered" }),
  );
}

/**
 * A socket that throws has not answered. Its row must learn that it was tried all the same: otherwise it is due again at once,
 * for ever, and ahead of every row that came after it.
 */
async function answerOf<T>(kind: string, what: string, ask: () => Promise<T>, silence: T): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    console.error(JSON.stringify({ code: "errand_unanswered", kind, what, detail: String(error) }));
    return silence;
  }
}

async function errand(kind: string, what: string, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    console.error(JSON.stringify({ code: "errand_failed", kind, what, detail: String(error) }));
  }
}
