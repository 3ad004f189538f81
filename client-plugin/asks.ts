/** What the core is asked for and what a price says: the same words from every face. */
import type { PriceReply } from "#contract/api";
import type { RunOptions } from "./operations/runner.ts";
import type { StoreWork } from "./operations/store.ts";

export interface StoreAsk extends RunOptions {
  /** File or folder. */
  readonly path: string;
  /** Its name at the service; the path's own name if not given. */
  readonly objectKey?: string | undefined;
  readonly agentId?: string | undefined;
  readonly region?: string | undefined;
  /** Micro-USDC; nothing above it is paid. */
  readonly maxAmount?: bigint | undefined;
  /** A price asked before; what is paid is not above it. */
  readonly quoteId?: string | undefined;
  readonly idempotencyKey?: string | undefined;
  /** Stop when sealed, or when priced; the next call goes on. */
  readonly until?: "seal" | "price" | undefined;
  readonly approve?: StoreWork["approve"];
  /** So many renewals are signed beforehand when it is stored, each at most at the price of this period. */
  readonly periods?: number | undefined;
}

export interface FetchAsk extends RunOptions {
  readonly objectKey: string;
  readonly agentId?: string | undefined;
  /** Where to; the downloads directory if not given. */
  readonly destination?: string | undefined;
  readonly overwrite?: boolean | undefined;
  readonly acceptChanged?: boolean | undefined;
  /** Micro-USDC: pay up to this for a download beyond the allowance. */
  readonly maxAmount?: bigint | undefined;
  readonly idempotencyKey?: string | undefined;
  /** `AGE-SECRET-KEY-1…`: opens by the recovery kit alone, whatever this machine knows. Never written down. */
  readonly identity?: string | undefined;
}

export interface NameAsk extends RunOptions {
  readonly objectKey: string;
  readonly agentId?: string | undefined;
}

export interface Quoted {
  readonly price: PriceReply;
  readonly path: string;
  readonly files: number;
  readonly contentBytes: number;
  readonly sealedBytes: number;
  readonly warnings: readonly string[];
}
