/** Every known bug of a billing calendar, put back one at a time. */
import { describe, expect, test } from "vitest";
import { BUGS } from "./bugs.ts";
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
