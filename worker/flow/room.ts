/**
 * Nobody new is asked to pay where no bucket could be made for him: his money could only become credit. Who has a bucket there, or
 * whose payment is known already, goes on as ever.
 */
import { type Refusal, refuse } from "#contract/errors";
import type { Wallet } from "#contract/wallet";
import type { ClaimKey } from "../../durable/ports.ts";
import type { Ports } from "./ports.ts";

export interface Newcomer {
  /** Undefined where nothing new is to be stored. */
  readonly region: string | undefined;
  /** Undefined while nobody has said who buys; a stranger counts as new. */
  readonly wallet: Wallet | undefined;
  readonly claimKey?: ClaimKey;
}

/** Why this one cannot be sold a place now. The wallet's object is asked only where the store is full. */
export async function withoutRoom(ports: Ports, { region, wallet, claimKey }: Newcomer): Promise<Refusal | undefined> {
  if (region === undefined) return undefined;
  const store = ports.policy.stores[region] ?? "";
  const room = await ports.store.room({ store });
  if (room === true) return undefined;
  if (wallet !== undefined && !(await ports.wallet(wallet).isNewTo(region, claimKey))) return undefined;
  const why =
    room === false
      ? `no more wallets can be taken in ${region} now`
      : `the store of ${region} cannot be asked (${room})`;
  const hint = wallet === undefined ? "; a wallet that stores here already says so with wallet_address" : "";
  return refuse("no_room", `${why}; nothing was charged${hint}`, { retryAfterS: 600 });
}
