/** Front door: the app, and the object classes with their ports plugged in. */
import { RatesObject } from "../durable/rates.ts";
import { RelayerObject } from "../durable/relayer.ts";
import { WalletObject } from "../durable/wallet.ts";
import { admit, type Env, openPorts, openRatesPorts, openRelayerPorts, openWalletPorts } from "./env.ts";
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

export default {
  fetch(request, env, context) {
    return routes(
      () => openPorts(env),
      (asked) => admit(env, asked),
      page,
    ).fetch(request, env, context);
  },
} satisfies ExportedHandler<Env>;
