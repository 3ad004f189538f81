/** What a wallet object needs of the world; plugged in by whoever runs it. */
import type { Wallet } from "#contract/wallet";
import type { Chain, Clock, Forecasts, Policy, Rates, Store } from "./ports.ts";
import type { Due } from "./roll.ts";
import type { Pulse } from "./rules/pulse.ts";

export interface WalletPorts {
  readonly clock: Clock;
  readonly chain: Chain;
  readonly store: Store;
  readonly policy: Policy;
  readonly forecasts: Forecasts;
  readonly rates: Rates;
  readonly pulse: { read(): Promise<Pulse> };
  readonly registry: { put(wallet: Wallet, due: Due): Promise<void> };
}
