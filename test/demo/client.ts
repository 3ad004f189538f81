/** A client of the product, as an agent with a wallet would set it up. */
import { readSettings } from "../../client-plugin/config.ts";
import { Core, type CoreOptions } from "../../client-plugin/core.ts";

export interface ClientOptions extends CoreOptions {
  readonly edgeUrl: string;
  readonly chainUrl: string;
  readonly key: `0x${string}`;
  readonly home: string;
  /** Pinned: the only address this client pays. */
  readonly payTo: string;
  /** Anything else the configuration may say. */
  readonly config?: Readonly<Record<string, unknown>>;
}

export function openClient(options: ClientOptions): Promise<Core> {
  const settings = readSettings({
    environment: {},
    stateDir: options.home,
    config: {
      baseUrl: options.edgeUrl,
      rpcUrl: options.chainUrl,
      network: "base-sepolia",
      walletKey: options.key,
      approvedPayees: [options.payTo],
      home: options.home,
      ...options.config,
    },
  });
  return Core.open(settings, options);
}
