/**
 * The shipped Worker in a world whose clock moves. Nothing of it is replaced: its objects' alarms are translated to the wall's time,
 * which is all the platform knows, and `PUT /time` moves the clock, with heartbeats on the way where the service was up meanwhile.
 */

import type { Env } from "../../../worker/env.ts";
import * as shipped from "../../../worker/index.ts";
import { ahead, moveTo } from "./clock.ts";

/** When each object's alarm is set, in the moved time: what the object is told when it asks. */
const alarms = new Map<string, number>();

function translated<State extends DurableObjectState>(state: State): State {
  const { storage } = state;
  const id = state.id.toString();
  const [set, get] = [storage.setAlarm.bind(storage), storage.getAlarm.bind(storage)];
  const setAlarm = (at: number | Date, options?: DurableObjectSetAlarmOptions) => {
    alarms.set(id, Number(at));
    return set(Number(at) - ahead(), options);
  };
  const getAlarm = async () => {
    const real = await get();
    return real === null ? null : (alarms.get(id) ?? real + ahead());
  };
  Object.defineProperties(storage, { setAlarm: { value: setAlarm }, getAlarm: { value: getAlarm } });
  return state;
}

export class WalletDO extends shipped.WalletDO {
  constructor(state: DurableObjectState, env: Env) {
    super(translated(state), env);
  }
}
export class RelayerDO extends shipped.RelayerDO {
  constructor(state: DurableObjectState, env: Env) {
    super(translated(state), env);
  }
}
export class RatesDO extends shipped.RatesDO {
  constructor(state: DurableObjectState, env: Env) {
    super(translated(state), env);
  }
}
export class RegistryDO extends shipped.RegistryDO {}
export class HeartbeatDO extends shipped.HeartbeatDO {}

/** More often than a missed beat. */
const BEAT_MS = 540_000;

async function travel(request: Request, env: Env): Promise<Response> {
  const { aheadMs, beating } = await request.json<{ aheadMs: number; beating: boolean }>();
  const heart = env.HEARTBEAT.getByName("heartbeat");
  for (let at = ahead() + BEAT_MS; beating && at < aheadMs; at += BEAT_MS) {
    moveTo(at);
    await heart.beat({ edge: true, rpc: true, relayer: true });
  }
  moveTo(aheadMs);
  return Response.json({ aheadMs: ahead() });
}

export default {
  ...shipped.default,
  fetch(request, env, context) {
    if (request.method === "PUT" && new URL(request.url).pathname === "/time") return travel(request, env);
    return shipped.default.fetch(request, env, context);
  },
} satisfies ExportedHandler<Env>;
