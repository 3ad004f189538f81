/** What a lane asks the chain about itself and about what it saw. */
import type { Wallet } from "#contract/wallet";
import type { RelayerPorts } from "./lane-ports.ts";
import type { SettlementJob, TransferProof } from "./ports.ts";

/**
 * Could this lane send a payment now? Asked by the heartbeat: time in which it could not is nobody's grace.
 * `gasReserve`: units of gas that one more transaction takes.
 */
export async function canSend(
  { rpc, feeCeilingWei }: RelayerPorts,
  address: Wallet,
  gasReserve: bigint,
  keyOf: (address: Wallet) => Promise<unknown>,
): Promise<boolean> {
  try {
    const [fees, wei] = await Promise.all([rpc.fees(), rpc.balanceWei(address), keyOf(address)]);
    return fees.maxFeePerGas <= feeCeilingWei && wei >= gasReserve * fees.maxFeePerGas;
  } catch {
    return false;
  }
}

/** At the head of the chain; much money a little deeper. What is not believed yet is looked at again. */
export async function isBelieved({ rpc, safeAbove }: RelayerPorts, job: SettlementJob, proof: TransferProof) {
  return job.authorization.value <= safeAbove || (await rpc.head("safe")).number >= proof.blockNumber;
}
