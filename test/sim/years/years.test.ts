/** The short form of `npm run history`: a year of a few wallets, with outages, forgotten alarms, lost replies and reorgs. */
import { expect, test, vi } from "vitest";
import { runYears } from "./history.ts";

// The objects report on the way what a history is judged for at its end.
vi.spyOn(console, "error").mockImplementation(() => undefined);

test("for a year what is paid is kept, what is not goes in time, and every cent is a period or credit", async () => {
  const { periods, lapsed, revenue, granted, credit, fromCredit } = await runYears(7, { wallets: 8, days: 400 });
  expect(periods).toBeGreaterThan(50);
  expect(lapsed).toBeGreaterThan(0);
  expect(revenue).toBe(granted + credit + fromCredit);
}, 120_000);
