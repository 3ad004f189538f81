/** The sockets of a relayer: its own view of the chain, its key, and how its transactions are built. Types only. */
import type { Wallet } from "#contract/wallet";
import type { Fees } from "#rules/fees";
import type { ChainRpc, Clock, Secrets, SettlementJob } from "./ports.ts";
import type { Unsigned } from "./sign.ts";

export interface RelayerPorts {
  readonly clock: Clock;
  readonly rpc: ChainRpc;
  readonly secrets: Secrets;
  /** Where this relayer's key lies. */
  readonly secretId: string;
  /** Fees above this are not paid; a payment that has not left us is refused unsent, one that has waits. */
  readonly feeCeilingWei: bigint;
  /** Transfers above this are believed at the `safe` head only. */
  readonly safeAbove: bigint;
  pause(ms: number): Promise<void>;
  build: {
    pay(job: SettlementJob, nonce: number, fees: Fees): Unsigned;
    batch(jobs: readonly SettlementJob[], nonce: number, fees: Fees): Unsigned;
    /** A transfer of nothing to oneself: it frees a nonce. */
    cancel(address: Wallet, nonce: number, fees: Fees): Unsigned;
  };
}
