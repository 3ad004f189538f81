/** A client of the product, as an agent with a wallet would set it up. */
import { privateKeyToAccount } from "viem/accounts";
import { parseWallet } from "#contract/wallet";
import { networkOf } from "#contract/x402";
import { Api } from "../../client-plugin/api.ts";
import type { Client } from "../../client-plugin/core.ts";
import { createPayer } from "../../client-plugin/pay.ts";
import type { Signer } from "../../client-plugin/signer.ts";

export const CHAIN_ID = 84532;

export interface ClientOptions {
  readonly edgeUrl: string;
  readonly key: `0x${string}`;
  readonly home: string;
  /** Pinned: the only address this client pays. */
  readonly payTo: string;
  readonly onStep?: NonNullable<Client["onStep"]>;
}

export function openClient(options: ClientOptions): Client {
  const signer = privateKeyToAccount(options.key) as unknown as Signer;
  const network = networkOf(CHAIN_ID);
  const payTo = parseWallet(options.payTo);
  if (!network || !payTo) throw new Error("invariant: the local chain is Base Sepolia and pays to an address");
  const payer = createPayer({ signer, network, payTo, capPerCall: 1_000_000n });
  return {
    api: new Api({ baseUrl: options.edgeUrl, signer, chainId: CHAIN_ID, payer }),
    home: options.home,
    chainId: CHAIN_ID,
    ...(options.onStep === undefined ? {} : { onStep: options.onStep }),
  };
}
