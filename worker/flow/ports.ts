/** What the verbs need from outside: the wallet objects, the world's sockets, the operator's decisions. Types only. */
import type { RateCard } from "#contract/rates";
import type { Wallet } from "#contract/wallet";
import type { Network } from "#contract/x402";
import type { BytesIn, Chain, Clock, Policy, Rates, ShelfState, Store } from "../../durable/ports.ts";
import type { RegistryObject } from "../../durable/registry.ts";
import type { Beat, Pulse } from "../../durable/rules/pulse.ts";
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
    | "readPayment"
    | "beginPayment"
    | "finishPayment"
    | "spendCredit"
    | "beginRenewal"
    | "statement"
    | "book"
    | "wake"
    | "agenda"
    | "billing"
    | "events"
    | "plan"
    | "largestRoom"
    | "isNewTo"
    | "finishBucket"
    | "finishParts"
    | "forgetParts"
    | "pinParts"
    | "beginConfirm"
    | "finishConfirm"
    | "discardPlan"
    | "stat"
    | "takeList"
    | "leasesIn"
    | "noteStrays"
    | "takeDownload"
    | "mandates"
    | "beginDelete"
    | "finishErase"
    | "rewrap"
    | "browser"
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
  readonly store: Store & BytesIn;
  readonly rates: Rates;
  /** When the service was there to be paid. */
  readonly pulse: { read(): Promise<Pulse> };
  readonly policy: Policy;
  readonly network: Network;
  /** Wallets whose proof opens what only the operator may ask; none where he named none. */
  readonly operators: readonly Wallet[];
  /** Where it is kept who is due when, in the order of their numbers. */
  readonly registries: readonly Remote<Pick<RegistryObject, "dueAfter">>[];
  /** Where the rate cards are kept. */
  readonly shelf: { state(): Promise<ShelfState>; refresh(): Promise<ShelfState> };
  /** Our own origin as clients reach it; payments name resources under it. */
  readonly publicUrl: string;
  /** Where presigned URLs lead, as sources of a Content-Security-Policy: the only other hosts the page may speak to. */
  readonly storeOrigins: readonly string[];
  wallet(address: Wallet): WalletRemote;
  /** Who signed; undefined when nobody did. */
  signerOf(data: TypedData, signature: `0x${string}`): Wallet | undefined;
  /** Who signed this text (EIP-191 personal message). */
  signerOfText(text: string, signature: `0x${string}`): Wallet | undefined;
  /** Whether the contract at this address says it signed (ERC-1271); undefined when there is none. Throws when not known. */
  contractSigned(signed: TypedData | string, signature: `0x${string}`, address: Wallet): Promise<boolean | undefined>;
  readonly tickets: Tickets;
  readonly seals: Seals;
  /** Absent where the operator has given no receipt key: then nothing is signed and nothing of it is offered. */
  readonly receipts: Receipts | undefined;
}

export type SealPurpose = "siwx" | "session" | "browser";

/** Proof that a text is ours: the first hex digits of a MAC, under a key of its own for each purpose. */
export interface Seals {
  seal(purpose: SealPurpose, text: string, digits: number): string;
  /** The caller has checked how many digits came. */
  holds(purpose: SealPurpose, text: string, mac: string): boolean;
}

/** Signs what the service says about payments and bytes. */
export interface Receipts {
  readonly signer: Wallet;
  /** Undefined when the key cannot be had now. */
  sign(data: TypedData): Promise<`0x${string}` | undefined>;
}

/** A ticket is the right to finish one order, for whoever holds it. */
export interface Tickets {
  issue(orderId: string): string;
  /** The order a ticket is for; undefined when it is not one of ours. */
  orderOf(ticket: string): string | undefined;
}

/** What the cron (worker/cron.ts) needs. */
export interface TickPorts {
  readonly clock: Clock;
  /** Time of the newest block, ms. */
  chainMs(): Promise<number>;
  /** Whether a payment could be sent now. */
  canSettle(): Promise<boolean>;
  beat(alive: Readonly<Record<Beat, boolean>>): Promise<void>;
  readonly registries: readonly (() => Promise<unknown>)[];
}

export type { RateCard };
