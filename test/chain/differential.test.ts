/** A few hundred generated payments before three judges; the long run (differential.long.test.ts) has thousands. */
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Court } from "./differential.ts";
import { cases, DIFFERENCES, unexplained } from "./differential-cases.ts";

let court: Court;
beforeAll(async () => {
  court = await Court.open();
});
afterAll(() => court?.close());

test("ours, the reference and the token agree, except where it is written down", async () => {
  const used = new Set<string>();
  let taken = 0;
  await fc.assert(
    fc.asyncProperty(cases, async (c) => {
      const verdicts = await court.judge(c);
      if (verdicts.ours) taken += 1;
      expect(unexplained(c, verdicts, used), JSON.stringify(verdicts.words)).toBeUndefined();
    }),
    { numRuns: 300 },
  );
  // A generator that only lies, or never, would prove nothing.
  expect(taken).toBeGreaterThan(10);
  expect(used.size).toBeGreaterThan(DIFFERENCES.length / 2);
});
