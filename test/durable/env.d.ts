declare namespace Cloudflare {
  interface GlobalProps {
    mainModule: typeof import("./worker.ts");
    durableNamespaces: "WalletDO" | "RelayerDO";
  }
  interface Env {
    WALLET: DurableObjectNamespace<import("./worker.ts").WalletDO>;
    RELAYER: DurableObjectNamespace<import("./worker.ts").RelayerDO>;
  }
}
