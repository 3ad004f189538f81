/** Every known bug of a billing calendar, put back one at a time; and a wallet with many objects. */
import { describe, expect, test, vi } from "vitest";
import { BUGS } from "./bugs.ts";
import { runCrowd } from "./crowd.ts";
import { findBugs } from "./seeing.ts";

describe("the judge of years", () => {
  const names = Object.keys(BUGS).filter((name) => !BUGS[name]?.fast);
  test.concurrent.each([0, 1])(
    "sees the known bugs, half %i",
    async (half) => {
      const mine = names.filter((_, index) => index % 2 === half);
      expect((await findBugs(mine)).map(({ name }) => name)).toEqual(mine);
    },
    300_000,
  );
});

test("fifteen hundred objects of one wallet are paid by statements of at most a thousand lines, and half of them lapse", async () => {
  vi.spyOn(console, "error").mockImplementation(() => undefined);
  const { revenue, granted, credit, fromCredit, linesMost, lapsed, lateMs } = await runCrowd(1, 1_500, 3);
  expect(linesMost).toBe(1_000);
  expect(lapsed).toBeGreaterThan(1_000);
  expect(lateMs).toBeLessThan(6 * 3_600_000);
  expect(revenue).toBe(granted + credit + fromCredit);
}, 120_000);
