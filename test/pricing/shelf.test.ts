/** How an isolate sells by the cards on the shelf: seldom asking, never waiting long, never by a card that is too old. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { RateCard } from "#contract/rates";
import type { ShelvedCard } from "../../durable/ports.ts";
import checkedIn from "../../worker/adapters/rate-card.json" with { type: "json" };
import { openRates } from "../../worker/adapters/rate-card.ts";
import { CARD } from "./cards.ts";

const DAY = 86_400_000;
/** A year after the checked-in card, which is of no help then. */
const NOW = Date.parse(`${checkedIn.date}T00:00:00Z`) + 365 * DAY;
const card = (version: string, ageDays = 0): RateCard => ({
  version,
  date: new Date(NOW - ageDays * DAY).toISOString().slice(0, 10),
  source: "a test",
  regions: CARD,
});
const current = (version: string, ageDays = 0): ShelvedCard => ({
  card: card(version, ageDays),
  honouredUntilMs: undefined,
});
const past = (version: string, untilMs: number): ShelvedCard => ({ card: card(version), honouredUntilMs: untilMs });

function scene(anyAge: boolean) {
  const told = { cards: [] as ShelvedCard[] | Error, asked: 0, hangs: false };
  const shelf = {
    cards: async () => {
      told.asked += 1;
      if (told.hangs) await new Promise(() => {});
      if (told.cards instanceof Error) throw told.cards;
      return told.cards;
    },
  };
  const rates = openRates({ anyAge, shelf });
  const at = async (ms: number) => {
    const now = await rates.current(NOW + ms);
    return now.ok ? [now.card.version, ...now.honoured.map(({ version }) => version)].join() : now.code;
  };
  return { told, at, rates };
}

beforeEach(() => {
  vi.spyOn(console, "error").mockImplementation(() => {});
});
afterEach(() => {
  vi.restoreAllMocks();
});

describe("the cards an isolate sells by", () => {
  test("are asked for every ten seconds and kept meanwhile", async () => {
    const { told, at } = scene(false);
    told.cards = [current("a")];
    expect(await at(0)).toBe("a");
    told.cards = [current("b"), past("a", NOW + 3_600_000)];
    expect(await at(9_999)).toBe("a");
    expect(told.asked).toBe(1);
    expect(await at(10_000)).toBe("b,a");
    expect(await at(3_599_999)).toBe("b,a");
    expect(await at(3_600_000)).toBe("b");
  });

  test("serve on for ten minutes while the shelf is silent, and the hour of honour allows for that", async () => {
    const { told, at } = scene(false);
    told.cards = [current("a")];
    await at(0);
    told.cards = new Error("the object is being moved");
    expect(await at(20_000)).toBe("a");
    expect(await at(600_000)).toBe("a");
    expect(await at(611_000)).toBe("quote_unavailable");
    told.cards = [current("a")];
    expect(await at(611_001)).toBe("a");
  });

  test("do not make a quote wait for a shelf that hangs", async () => {
    vi.useFakeTimers();
    const { told, at } = scene(false);
    told.cards = [current("a")];
    await at(0);
    told.hangs = true;
    const first = at(20_000);
    // Who comes while one asks does not wait at all.
    expect(await at(20_001)).toBe("a");
    await vi.advanceTimersByTimeAsync(3_000);
    expect(await first).toBe("a");
    vi.useRealTimers();
  });

  test("are never over a week old with AWS as the store; anywhere else they may be", async () => {
    for (const [ageDays, strict] of [
      [7, "quote_unavailable"],
      [6, "a"],
    ] as const) {
      const atAws = scene(false);
      const local = scene(true);
      atAws.told.cards = local.told.cards = [current("a", ageDays)];
      expect(await atAws.at(1)).toBe(strict);
      expect(await local.at(1)).toBe("a");
    }
  });

  test("are the checked-in one where the shelf is empty and it is not too old", async () => {
    const { rates: atAws } = scene(false);
    const fresh = Date.parse(`${checkedIn.date}T12:00:00Z`);
    expect(await atAws.current(fresh)).toMatchObject({ ok: true, card: { version: checkedIn.version } });
    expect(await atAws.current(NOW)).toMatchObject({ code: "quote_unavailable", retryAfterS: 60 });
    expect(await openRates({ anyAge: false }).current(NOW)).toMatchObject({ retryAfterS: 3600 });
    expect(await scene(true).at(0)).toBe(checkedIn.version);
  });
});
