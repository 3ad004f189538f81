/** The shipped objects with the tests' world plugged in. This entry is never deployed. */
import { networkOf } from "#contract/x402";
import { HeartbeatObject } from "../../durable/heartbeat.ts";
import type { RelayerPorts } from "../../durable/lane-ports.ts";
import { RatesObject, type RatesPorts } from "../../durable/rates.ts";
import { RegistryObject, type RegistryPorts } from "../../durable/registry.ts";
import { RelayerObject } from "../../durable/relayer.ts";
import { WalletObject, type WalletPorts } from "../../durable/wallet.ts";
import { buildBatch, buildCancel, buildSettlement } from "../../worker/adapters/base-transactions.ts";
import { openRates } from "../../worker/adapters/rate-card.ts";
import { PAY_TO } from "./fixture.ts";
import { chainOf, clockOf, storeOf, worldOf } from "./world.ts";

export class WalletDO extends WalletObject<Cloudflare.Env> {
  protected openPorts(): WalletPorts {
    const name = this.ctx.id.name ?? "";
    if (worldOf(name).closed) throw new Error("this deployment lacks a setting");
    return {
      clock: clockOf(name),
      chain: chainOf(name),
      store: storeOf(name),
      policy: {
        payTo: PAY_TO,
        markupPercent: 20n,
        priceMinimum: 20_000n,
        regions: ["us-east-1", "eu-north-1"],
        defaultRegion: "us-east-1",
        stores: worldOf(name).stores,
      },
      forecasts: { storageCost: (ask) => worldOf(name).forecast(ask) },
      rates: openRates({ anyAge: true }),
      pulse: { read: () => worldOf(name).pulse() },
      registry: {
        put: async (_, due) => {
          worldOf(name).told.push(due);
        },
      },
    };
  }
}

export class RelayerDO extends RelayerObject<Cloudflare.Env> {
  protected openPorts(address: string): RelayerPorts {
    const world = worldOf(address);
    const network = networkOf(84532);
    if (!network) throw new Error("the test network is gone from the table");
    world.crash = async () => {
      await this.ctx.storage.sync();
      this.ctx.abort("the machine went away");
    };
    return {
      clock: clockOf(address),
      rpc: world.rpc,
      secrets: { relayerKey: () => world.relayerKey() },
      secretId: "the relayer's secret",
      feeCeilingWei: world.feeCeilingWei,
      safeAbove: 10_000_000n,
      pause: (ms) => world.pause(ms),
      build: {
        pay: (job, nonce, fees) => buildSettlement(network, job, nonce, fees),
        batch: (jobs, nonce, fees) => buildBatch(network, jobs, nonce, fees),
        cancel: (self, nonce, fees) => buildCancel(network, self, nonce, fees),
      },
    };
  }
}

export class RatesDO extends RatesObject<Cloudflare.Env> {
  protected openPorts(): RatesPorts {
    const name = this.ctx.id.name ?? "";
    const { closed, sources, regions } = worldOf(name);
    if (closed) throw new Error("this deployment lacks a setting");
    return { clock: clockOf(name), sources, regions };
  }
}

export class RegistryDO extends RegistryObject<Cloudflare.Env> {
  protected openPorts(): RegistryPorts {
    return { clock: clockOf("registry"), wake: async (wallet) => worldOf(wallet).wake(wallet) };
  }
}

export class HeartbeatDO extends HeartbeatObject<Cloudflare.Env> {
  protected openClock() {
    return clockOf(this.ctx.id.name ?? "");
  }
}

export default {
  fetch: () => new Response("nothing is served here", { status: 404 }),
} satisfies ExportedHandler<Cloudflare.Env>;
