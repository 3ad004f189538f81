/**
 * Those who sign renewals beforehand and go away. Some take them back, here or on chain, some have no money on the day, some pay a
 * period by hand all the same, and some come back too late.
 */
import { claimKeyOf } from "../../../durable/ports.ts";
import { NETWORK, nonceOf, signAs } from "../edge.ts";
import { ask, body, type Keeper, renewByHand, until } from "./people.ts";
import { PAY_TO, type Years } from "./world.ts";

const DAY_MS = 86_400_000;
const PERIOD_MS = 30 * DAY_MS;

interface Terms {
  readonly period_index: number;
  readonly amount: string;
  readonly valid_after: string;
  readonly valid_before: string;
}

/** Lives on what was handed over, for as long as its owner comes back in time. */
export async function keepByMandates(world: Years, keeper: Keeper, name: string): Promise<void> {
  const { time, random } = world;
  while (time.nowMs < keeper.untilMs) {
    const handed = await handOver(world, keeper, name, random.between(1, 12));
    if (handed === "gone") return;
    if (handed === undefined) {
      await time.after(random.between(1, 12) * 3_600_000);
      continue;
    }
    const lastMs = Number(handed.at(-1)?.valid_after ?? 0) * 1000;
    const mood = random.next();
    if (mood < 0.15) await changeMind(world, keeper, name, handed);
    else if (mood < 0.25) world.ledger.cancel(keeper.wallet, random.pick(handed).nonce);
    else if (mood < 0.35) haveNoMoney(world, keeper, lastMs);
    else if (mood < 0.45) {
      await time.after(random.between(0, 20) * DAY_MS);
      await renewByHand(world, keeper, name);
    } else if (mood < 0.48) {
      await time.after(random.between(0, 40) * DAY_MS);
      await ask(world, "/storage/delete", body(keeper, { object_key: name }), keeper);
      return;
    }
    // The machine is off until the last of them was paid, or for so long that the object is gone.
    const back = random.chance(0.2) ? random.between(30, 40) * DAY_MS : random.between(1, 28) * DAY_MS;
    await until(world, lastMs + back, 14 * PERIOD_MS);
  }
}

/** Handed over; undefined: ask again; "gone": there is nothing to renew. */
async function handOver(world: Years, keeper: Keeper, name: string, periods: number) {
  const asked = await ask(world, "/mandates/terms", body(keeper, { object_key: name, periods }), keeper);
  if (asked && (asked.status === 404 || asked.status === 410 || asked.status === 409)) return "gone";
  const terms = asked?.status === 200 ? (asked.body["terms"] as Terms[]) : [];
  if (terms.length === 0) return undefined;
  const signed = terms.map((term) => ({ ...term, nonce: nonceOf(world.random) }));
  const mandates = signed.map(({ period_index, amount, valid_after, valid_before, nonce }) => ({
    period_index,
    authorization: {
      from: keeper.wallet,
      to: PAY_TO,
      value: amount,
      validAfter: valid_after,
      validBefore: valid_before,
      nonce,
    },
    signature: signAs(keeper.wallet, nonce.slice(2, 18)),
  }));
  const adding = body(keeper, { object_key: name, mandates });
  // Repeated as long as nobody says how it went; the same ones are taken once.
  for (let tries = 0; tries < 4; tries++) {
    const reply = await ask(world, "/mandates/add", adding, keeper);
    if (reply?.status === 200) return signed;
    if (reply && reply.status < 500) return undefined;
    await world.time.after(world.random.between(1_000, 60_000));
  }
  return undefined;
}

/** What was taken back is never sent, and nothing of it is kept. */
async function changeMind(
  world: Years,
  keeper: Keeper,
  name: string,
  handed: readonly (Terms & { nonce: `0x${string}` })[],
) {
  const { time, random } = world;
  await time.after(random.between(0, 60) * DAY_MS);
  const one = random.chance(0.5) ? random.pick(handed) : undefined;
  const which = one ? { period_index: one.period_index } : {};
  const reply = await ask(world, "/mandates/revoke", body(keeper, { object_key: name, ...which }), keeper);
  if (reply?.status !== 200) return;
  const said = reply.body["mandates"] as { nonce: string; state: string }[];
  for (const { nonce } of handed)
    if (said.some((each) => each.nonce === nonce && each.state === "revoked"))
      world.revoked.set(claimOf(keeper, nonce), signAs(keeper.wallet, nonce.slice(2, 18)));
  // Some pay that period by hand, some let the object go.
  if (random.chance(0.5)) await renewByHand(world, keeper, name);
}

function claimOf(keeper: Keeper, nonce: `0x${string}`): string {
  const unused = { to: PAY_TO, value: 0n, validAfterS: 0n, validBeforeS: 0n };
  return claimKeyOf(NETWORK.caip2, NETWORK.usdc, { ...unused, from: keeper.wallet, nonce });
}

function haveNoMoney(world: Years, keeper: Keeper, lastMs: number): void {
  const { time, random } = world;
  const fromMs = time.nowMs + Math.floor(random.next() * Math.max(DAY_MS, lastMs - time.nowMs));
  world.ledger.broke(keeper.wallet, fromMs, fromMs + random.pick([3_600_000, DAY_MS, 5 * DAY_MS, 40 * DAY_MS]));
}
