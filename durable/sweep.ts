/**
 * The alarm's errands, one wallet at a time: ask the chain again about payments nobody finished, erase what must go. Each errand
 * stands alone; one that fails stops none of the others, and rows, not memory, say what is left.
 */
import type { Chain, ClaimKey, ObjectPlace, SettlementEnd, SettlementJob, Store } from "./ports.ts";

interface Sweepable {
  finishPayment(claimKey: ClaimKey, end: SettlementEnd): unknown;
  finishErase(key: string, erased: boolean): void;
}

/** How long an alarm waits for a receipt before it writes "unknown" and asks later. */
const RECEIPT_WAIT_MS = 8_000;

export async function sweep(
  wallet: Sweepable,
  ports: { chain: Chain; store: Store },
  due: () => { payments: SettlementJob[]; erasures: ObjectPlace[] },
): Promise<void> {
  const { payments, erasures } = due();
  await Promise.all([
    ...payments.map((job) => errand("settle", job.claimKey, () => settle(wallet, ports.chain, job))),
    ...erasures.map((place) => errand("erase", place.key, () => erase(wallet, ports.store, place))),
  ]);
}

async function settle(wallet: Sweepable, chain: Chain, job: SettlementJob): Promise<void> {
  wallet.finishPayment(job.claimKey, await chain.settle(job, RECEIPT_WAIT_MS));
}

async function erase(wallet: Sweepable, store: Store, place: ObjectPlace): Promise<void> {
  const erased = await store.erase(place);
  wallet.finishErase(place.key, erased.end === "done");
}

async function errand(kind: string, what: string, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    console.error(JSON.stringify({ code: "errand_failed", kind, what, detail: String(error) }));
  }
}
