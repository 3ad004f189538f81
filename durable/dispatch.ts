/**
 * Several relayers, each its own lane. A payer always starts at the same lane, so that one place sees all it has promised. A lane that
 * cannot send (no gas money, fees, no key) gives the claim back, for all its callers; claimed anew, it goes to the next lane. Never are
 * two lanes asked about one attempt: one of them might send what the other has just refused.
 */
import type { Chain, Recheck, SettlementEnd, SettlementJob, TransferProof } from "./ports.ts";

export interface LaneRemote {
  settle(job: SettlementJob, waitMs: number): Promise<SettlementEnd>;
  recheck(job: SettlementJob, seen: TransferProof): Promise<Recheck>;
}

export function dispatch<A extends string>(
  addresses: readonly A[],
  laneOf: (address: A) => LaneRemote,
  headMs: () => Promise<number>,
): Chain {
  const laneFor = ({ authorization, attempt }: SettlementJob): LaneRemote => {
    if (addresses.length === 0) throw new Error("there is no relayer");
    const turn = (BigInt(authorization.from) + BigInt(attempt)) % BigInt(addresses.length);
    return laneOf(addresses[Number(turn)] as A);
  };
  return {
    settle: (job, waitMs) => laneFor(job).settle(job, waitMs),
    recheck: (job, seen) => laneFor(job).recheck(job, seen),
    headMs,
  };
}
