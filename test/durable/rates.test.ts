/** The rate cards' object: what it asks, when, and what it hands out meanwhile. */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { CARD_HONOURED_S, CARD_REFRESH_MIN_S, CARD_REFRESH_S } from "#contract/limits";
import type { RegionRates } from "#contract/rates";
import type { PriceSource, Taken } from "../../durable/ports.ts";
import { freshHex } from "./fixture.ts";
import { clockOf, worldOf } from "./world.ts";

const HOUR = 3_600_000;
const rates = (usd: string): RegionRates => ({
  storageGbMonth: [{ usd }],
  egressGb: [{ usd: "0.09" }],
  writePer1000: "0.005",
  readPer1000: "0.0004",
});
const done = (usd: string, region = "us-east-1"): Taken => ({ end: "done", regions: { [region]: rates(usd) } });
const silent: Taken = { end: "unknown", detail: "busy" };

/** A rates object of its own, and two sources that say what the test puts into `tells`. */
async function scene() {
  const name = `rates-${freshHex()}`;
  const world = worldOf(name);
  const tells: Record<string, (() => Taken | Promise<Taken>) | undefined> = {};
  const asked: string[] = [];
  const source = (label: string): PriceSource => ({
    name: `the ${label}`,
    label,
    take: async () => {
      asked.push(label);
      return (await tells[label]?.()) ?? silent;
    },
  });
  world.sources = [source("first"), source("second")];
  const stub = env.RATES.getByName(name);
  // The very first alarm is due at once and rings by itself.
  await stub.cards();
  const until = async (count: number) => {
    while (asked.length < count) await new Promise((resolve) => setTimeout(resolve, 5));
    await runInDurableObject(stub, async (_, { storage }) => storage.sync());
  };
  await until(2);
  // It has ended when the next one is set.
  const dueInMs = () =>
    runInDurableObject(stub, async (_, { storage }) => {
      const [row] = storage.sql.exec<{ value: string }>("SELECT value FROM meta WHERE key = 'due_ms'").toArray();
      return Number(row?.value) - clockOf(name).nowMs();
    });
  while ((await dueInMs()) > 2 * 60_000) await new Promise((resolve) => setTimeout(resolve, 5));
  asked.length = 0;
  const pass = async (ms: number) => {
    world.aheadMs += ms;
    await runDurableObjectAlarm(stub);
  };
  const shelf = async () =>
    (await stub.cards()).map(({ card, honouredUntilMs }) => [
      card.regions["us-east-1"]?.storageGbMonth[0]?.usd,
      card.version.split(".").at(-1),
      honouredUntilMs === undefined ? "now" : "honoured",
    ]);
  return { name, world, stub, tells, asked, pass, shelf, dueInMs };
}

describe("the rates object", () => {
  test("takes a card from the first source that tells, and asks again in a day", async () => {
    const { tells, pass, shelf, asked, stub, dueInMs } = await scene();
    expect(await stub.cards()).toEqual([]);
    tells["first"] = () => done("0.023");
    await pass(60_000);
    expect(asked).toEqual(["first"]);
    expect(await shelf()).toEqual([["0.023", "first", "now"]]);
    expect(Math.abs((await dueInMs()) - CARD_REFRESH_S * 1000)).toBeLessThan(60_000);
    const [shelved] = await stub.cards();
    expect(shelved?.card).toMatchObject({ source: "the first", regions: { "us-east-1": rates("0.023") } });
    expect(shelved?.card.version.startsWith(shelved.card.date)).toBe(true);
    // An alarm that rings too early does nothing.
    await pass(HOUR);
    expect(asked).toEqual(["first"]);
  });

  test("asks the second when the first tells nothing, or what cannot be a price", async () => {
    const { tells, pass, shelf, asked } = await scene();
    tells["second"] = () => done("0.024");
    await pass(60_000);
    expect(await shelf()).toEqual([["0.024", "second", "now"]]);
    for (const odd of ["0", "0.000000000023", "23", "0.3"]) {
      tells["first"] = () => done(odd);
      await pass(CARD_REFRESH_S * 1000);
      expect((await shelf())[0]).toEqual(["0.024", "second", "now"]);
    }
    tells["first"] = () => done("0.023", "eu-north-1");
    await pass(CARD_REFRESH_S * 1000);
    expect((await shelf())[0]).toEqual(["0.024", "second", "now"]);
    tells["first"] = () => {
      throw new Error("a bug");
    };
    await pass(CARD_REFRESH_S * 1000);
    expect((await shelf())[0]).toEqual(["0.024", "second", "now"]);
    expect(asked.filter((label) => label === "first")).toHaveLength(7);
  });

  test("tells what came of the last time: the card, or why there is none, and that it is being asked", async () => {
    const { tells, pass, stub } = await scene();
    expect((await stub.state()).last).toMatchObject({ faults: [{ source: "the first", detail: "busy" }, {}] });
    tells["second"] = () => done("0.024");
    await pass(60_000);
    const { last, askedMs } = await stub.state();
    expect(last).toMatchObject({ askedMs, faults: [{ source: "the first", detail: "busy" }] });
    expect((await stub.cards())[0]?.card.version).toBe(last?.version);
    tells["second"] = () => done("23");
    await pass(CARD_REFRESH_S * 1000);
    const after = await stub.state();
    expect(after.last?.version).toBeUndefined();
    expect(after.last?.faults.map(({ source }) => source)).toEqual(["the first", "the second"]);
    expect(after.last?.faults[1]?.detail).toMatch(/\d/);
  });

  test("keeps the last good card while nobody tells, and asks more and more rarely", async () => {
    const { tells, pass, shelf, dueInMs } = await scene();
    tells["first"] = () => done("0.023");
    await pass(60_000);
    tells["first"] = undefined;
    const waits: number[] = [];
    await pass(CARD_REFRESH_S * 1000);
    for (let turn = 0; turn < 6; turn++) {
      const dueMs = await dueInMs();
      waits.push(Math.round(dueMs / 60_000));
      await pass(dueMs);
    }
    expect(waits).toEqual([1, 5, 15, 60, 60, 60]);
    await pass(30 * CARD_REFRESH_S * 1000);
    expect(await shelf()).toEqual([["0.023", "first", "now"]]);
  });

  test("honours a superseded card for an hour and a little more, then no longer", async () => {
    const { tells, pass, shelf } = await scene();
    tells["first"] = () => done("0.023");
    await pass(60_000);
    tells["first"] = () => done("0.025");
    await pass(CARD_REFRESH_S * 1000);
    expect(await shelf()).toEqual([
      ["0.025", "first", "now"],
      ["0.023", "first", "honoured"],
    ]);
    await pass(HOUR);
    expect(await shelf()).toHaveLength(2);
    await pass(CARD_HONOURED_S * 1000 - HOUR);
    expect(await shelf()).toEqual([["0.025", "first", "now"]]);
  });

  test("answers while AWS is being asked, and forgets nothing when it dies meanwhile", async () => {
    const { name, tells, shelf, asked, stub, world, dueInMs } = await scene();
    tells["first"] = () => done("0.023");
    world.aheadMs += 60_000;
    await runDurableObjectAlarm(stub);
    let release = () => {};
    const hanging = new Promise<Taken>((resolve) => {
      release = () => resolve(done("0.025"));
    });
    tells["first"] = () => hanging;
    world.aheadMs += CARD_REFRESH_S * 1000;
    const ringing = runDurableObjectAlarm(stub);
    while (asked.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await shelf()).toEqual([["0.023", "first", "now"]]);
    // Were it to die now, it would be asked again in ten minutes and not at once.
    expect(Math.round((await dueInMs()) / 60_000)).toBe(10);
    release();
    await ringing;
    await evictDurableObject(env.RATES.getByName(name));
    expect((await shelf())[0]).toEqual(["0.025", "first", "now"]);
  });

  test("is asked to hurry, but not more often than every ten minutes", async () => {
    const { tells, pass, shelf, stub, name, world } = await scene();
    tells["first"] = () => done("0.023");
    await pass(60_000);
    tells["first"] = () => done("0.024");
    const { dueMs } = await stub.refresh();
    expect(Math.abs(dueMs - clockOf(name).nowMs() - CARD_REFRESH_MIN_S * 1000)).toBeLessThan(60_000);
    expect(await stub.refresh()).toMatchObject({ dueMs, sources: ["the first", "the second"] });
    await pass(CARD_REFRESH_MIN_S * 1000);
    expect((await shelf())[0]?.[0]).toBe("0.024");
    // A region that is sold since: nobody has to ask.
    world.regions.push("eu-north-1");
    tells["first"] = () => ({ end: "done", regions: { "us-east-1": rates("0.024"), "eu-north-1": rates("0.022") } });
    await stub.cards();
    await pass(CARD_REFRESH_MIN_S * 1000);
    expect((await stub.cards())[0]?.card.regions["eu-north-1"]).toEqual(rates("0.022"));
  });

  test("goes on when its deployment could not be opened for a while", async () => {
    const { tells, pass, shelf, world, name } = await scene();
    tells["first"] = () => done("0.023");
    await evictDurableObject(env.RATES.getByName(name));
    world.closed = true;
    await pass(60_000);
    world.closed = false;
    await pass(0);
    expect(await shelf()).toEqual([["0.023", "first", "now"]]);
  });
});
