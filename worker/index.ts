/** Front door: the app, and the object classes with their ports plugged in. */
import { HeartbeatObject } from "../durable/heartbeat.ts";
import { RatesObject } from "../durable/rates.ts";
import { RegistryObject } from "../durable/registry.ts";
import { RelayerObject } from "../durable/relayer.ts";
import { WalletObject } from "../durable/wallet.ts";
import { tick } from "./cron.ts";
import {
  admit,
  clock,
  type Env,
  openPorts,
  openRatesPorts,
  openRegistryPorts,
  openRelayerPorts,
  openTickPorts,
  openWalletPorts,
} from "./env.ts";
import { routes } from "./http.ts";
import page from "./page.built.json";

export class WalletDO extends WalletObject<Env> {
  protected openPorts() {
    return openWalletPorts(this.env);
  }
}

export class RelayerDO extends RelayerObject<Env> {
  protected openPorts(address: string) {
    return openRelayerPorts(this.env, address);
  }
}

export class RatesDO extends RatesObject<Env> {
  protected openPorts() {
    return openRatesPorts(this.env);
  }
}

export class RegistryDO extends RegistryObject<Env> {
  protected openPorts() {
    return openRegistryPorts(this.env);
  }
}

export class HeartbeatDO extends HeartbeatObject<Env> {
  protected openClock() {
    return clock;
  }
}

export default {
  fetch(request, env, context) {
    return routes(
      () => openPorts(env),
      (asked) => admit(env, asked),
      page,
    ).fetch(request, env, context);
  },
  async scheduled(_, env) {
    await tick(openTickPorts(env));
  },
} satisfies ExportedHandler<Env>;
