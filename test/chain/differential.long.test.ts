/** Thousands of generated payments before three judges: every written difference is met, and no other. */
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Court } from "./differential.ts";
import { cases, DIFFERENCES, unexplained } from "./differential-cases.ts";

let court: Court;
beforeAll(async () => {
  court = await Court.open();
});
afterAll(() => court?.close());

test("ours, the reference and the token agree, except where it is written down", { timeout: 900_000 }, async () => {
  const used = new Set<string>();
  await fc.assert(
    fc.asyncProperty(cases, async (c) => {
      const verdicts = await court.judge(c);
      expect(unexplained(c, verdicts, used), JSON.stringify(verdicts.words)).toBeUndefined();
    }),
    { numRuns: 5_000 },
  );
  expect([...used].sort()).toEqual(DIFFERENCES.map((each) => each.name).sort());
});
