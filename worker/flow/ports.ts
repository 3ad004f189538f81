/** What the verbs need from outside: the wallet objects, the world's sockets, the operator's decisions. Types only. */
import type { RateCard } from "#contract/rates";
import type { Wallet } from "#contract/wallet";
import type { Network } from "#contract/x402";
import type { Chain, Clock, Policy, Rates, Store } from "../../durable/ports.ts";
import type { WalletObject } from "../../durable/wallet.ts";

/** A Durable Object's methods as a caller sees them: the same, only later. */
type Remote<T> = {
  [K in keyof T]: T[K] extends (...args: infer A) => infer R ? (...args: A) => Promise<Awaited<R>> : never;
};
export type WalletRemote = Remote<
  Pick<
    WalletObject,
    | "prove"
    | "quote"
    | "readQuote"
    | "bought"
    | "readOrder"
    | "beginPayment"
    | "finishPayment"
    | "plan"
    | "finishBucket"
    | "beginConfirm"
    | "finishConfirm"
    | "discardPlan"
    | "stat"
    | "takeList"
    | "leasesOf"
    | "takeDownload"
    | "beginDelete"
    | "finishErase"
  >
>;

/** EIP-712 data, as far as a verb has to know it. */
export interface TypedData {
  readonly domain: object;
  readonly types: object;
  readonly primaryType: string;
  readonly message: object;
}

export interface Ports {
  readonly clock: Clock;
  readonly chain: Chain;
  readonly store: Store;
  readonly rates: Rates;
  readonly policy: Policy;
  readonly network: Network;
  /** Our own origin as clients reach it; payments name resources under it. */
  readonly publicUrl: string;
  wallet(address: Wallet): WalletRemote;
  /** Who signed; undefined when nobody did. */
  signerOf(data: TypedData, signature: `0x${string}`): Wallet | undefined;
  readonly tickets: Tickets;
}

/** A ticket is the right to finish one order, for whoever holds it. */
export interface Tickets {
  issue(orderId: string): string;
  /** The order a ticket is for; undefined when it is not one of ours. */
  orderOf(ticket: string): string | undefined;
}

export type { RateCard };
