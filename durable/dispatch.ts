/**
 * Several relayers, each its own lane. A payer always starts at the same lane, so that one place sees all it has promised; a lane
 * that cannot send (no gas money, fees, no key) passes on what never left it. A claim some lane knows stays with that lane.
 */
import type { Wallet } from "#contract/wallet";
import type { Chain, ClaimKey, Recheck, SettlementEnd, SettlementJob, TransferProof } from "./ports.ts";

export interface LaneRemote {
  settle(job: SettlementJob, waitMs: number): Promise<SettlementEnd>;
  recheck(job: SettlementJob, seen: TransferProof): Promise<Recheck>;
  knows(claimKey: ClaimKey): Promise<boolean> | boolean;
  idleFor(payer: Wallet): Promise<boolean> | boolean;
}

export function dispatch<A extends string>(addresses: readonly A[], laneOf: (address: A) => LaneRemote): Chain {
  const laneFor = async (job: SettlementJob): Promise<{ lane: LaneRemote; others: LaneRemote[] }> => {
    const start = addresses.length === 0 ? 0 : Number(BigInt(job.authorization.from) % BigInt(addresses.length));
    const lanes = addresses.map((_, index) => laneOf(addresses[(start + index) % addresses.length] as A));
    const [first, ...others] = lanes;
    if (!first) throw new Error("there is no relayer");
    if (others.length === 0) return { lane: first, others };
    const known = await Promise.all(lanes.map((lane) => lane.knows(job.claimKey)));
    const holder = lanes[known.indexOf(true)];
    return holder ? { lane: holder, others: [] } : { lane: first, others };
  };
  return {
    async settle(job, waitMs) {
      const { lane, others } = await laneFor(job);
      let end = await lane.settle(job, waitMs);
      for (const next of others) {
        if (end.end !== "refused" || end.leftUs || end.reason !== "settlement_unavailable") break;
        // With something of the payer's under way there, a second lane would count the same money twice.
        if (!(await lane.idleFor(job.authorization.from))) break;
        end = await next.settle(job, waitMs);
      }
      return end;
    },
    recheck: async (job, seen) => (await laneFor(job)).lane.recheck(job, seen),
  };
}
