declare namespace Cloudflare {
  interface GlobalProps {
    mainModule: typeof import("./worker.ts");
    durableNamespaces: "WalletDO" | "RelayerDO" | "RatesDO";
  }
  interface Env {
    WALLET: DurableObjectNamespace<import("./worker.ts").WalletDO>;
    RELAYER: DurableObjectNamespace<import("./worker.ts").RelayerDO>;
    RATES: DurableObjectNamespace<import("./worker.ts").RatesDO>;
  }
}
