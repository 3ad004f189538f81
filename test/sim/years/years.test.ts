/** The short form of `npm run history`: a year of a few wallets, with outages, forgotten alarms, lost replies and reorgs. */
import { expect, test, vi } from "vitest";
import { BUGS } from "./bugs.ts";
import { runYears } from "./history.ts";
import { findBugs } from "./seeing.ts";

// The objects report on the way what a history is judged for at its end.
vi.spyOn(console, "error").mockImplementation(() => undefined);

test("for a year what is paid is kept, what is not goes in time, and every cent is a period or credit", async () => {
  const history = await runYears(1, { wallets: 20, days: 400 });
  const { periods, lapsed, byMandate, revenue, granted, credit, fromCredit } = history;
  expect(periods).toBeGreaterThan(50);
  expect(lapsed).toBeGreaterThan(0);
  expect(byMandate).toBeGreaterThan(0);
  expect(revenue).toBe(granted + credit + fromCredit);
}, 120_000);

test("its judge sees known bugs that are put back", async () => {
  const names = Object.keys(BUGS).filter((name) => BUGS[name]?.fast);
  const found = await findBugs(names);
  expect(found.map(({ name }) => name)).toEqual(names);
}, 120_000);
