/** A sweep of the simulator, over other seeds than the short form; `npm run sim -- --seeds N` runs as many as one likes. */
import { expect, test, vi } from "vitest";
import { runHistory } from "./history.ts";

const FROM = 1_000_000;
const SEEDS = 2_000;
const RENEWING = 200;

test(`so do renewals and statements, through ${RENEWING}`, async () => {
  vi.spyOn(console, "error").mockImplementation(() => undefined);
  for (let seed = FROM; seed < FROM + RENEWING; seed++) await runHistory(seed, {}, true);
}, 600_000);

test(`the payment path holds its promises through ${SEEDS} histories`, async () => {
  vi.spyOn(console, "error").mockImplementation(() => undefined);
  let events = 0;
  for (let seed = FROM; seed < FROM + SEEDS; seed++) events += (await runHistory(seed)).events;
  expect(events).toBeGreaterThan(SEEDS * 100);
}, 600_000);
