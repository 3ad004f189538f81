declare namespace Cloudflare {
  interface GlobalProps {
    mainModule: typeof import("./worker.ts");
    durableNamespaces: "WalletDO" | "RelayerDO" | "RatesDO" | "RegistryDO" | "HeartbeatDO";
  }
  interface Env {
    WALLET: DurableObjectNamespace<import("./worker.ts").WalletDO>;
    RELAYER: DurableObjectNamespace<import("./worker.ts").RelayerDO>;
    RATES: DurableObjectNamespace<import("./worker.ts").RatesDO>;
    REGISTRY: DurableObjectNamespace<import("./worker.ts").RegistryDO>;
    HEARTBEAT: DurableObjectNamespace<import("./worker.ts").HeartbeatDO>;
  }
}
