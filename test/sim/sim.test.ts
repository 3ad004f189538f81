/** The short form of `npm run sim`: some histories, and every known bug found again. */
import { describe, expect, test, vi } from "vitest";
import { Found, runHistory } from "./history.ts";
import { type KnownBug, MUTATIONS } from "./mutations.ts";

// The objects report on the way what a history is judged for at its end.
vi.spyOn(console, "error").mockImplementation(() => undefined);

describe("the simulator", () => {
  test("holds every promise through 150 rough histories", async () => {
    for (let seed = 1; seed <= 150; seed++) await runHistory(seed);
  }, 60_000);

  test("holds them where buyers renew and pay statements, from several machines at once", async () => {
    for (let seed = 1; seed <= 15; seed++) await runHistory(seed, {}, true);
  }, 120_000);

  test("is the same history for the same seed", async () => {
    const [one, two] = [await runHistory(7), await runHistory(7)];
    expect(two.world.log).toEqual(one.world.log);
    expect(two.events).toBe(one.events);
  });

  test.each(Object.entries(MUTATIONS))(
    "finds the known bug %s",
    async (_, bug) => {
      const seed = await firstFound(bug);
      // The same history without the bug is clean: it is the bug that was found.
      await runHistory(seed);
    },
    60_000,
  );
});

/** Histories shift with the code; the table says where to begin to look. */
async function firstFound(bug: KnownBug): Promise<number> {
  for (let seed = bug.seed; seed < bug.seed + 500; seed++) {
    try {
      await runHistory(seed, bug);
    } catch (error) {
      if (error instanceof Found) return seed;
      throw error;
    }
  }
  throw new Error(`500 histories from seed ${bug.seed} on do not show it: ${bug.why}`);
}
