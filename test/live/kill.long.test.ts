/** The kill run, short: buyers pay while the edge is killed every few seconds; then chain, ledger and buyers must agree. */
import { expect, test } from "vitest";
import * as z from "zod";
import { run } from "./program.ts";

const Report = z.looseObject({
  uploads: z.number(),
  purchases: z.number(),
  kills: z.number(),
  transfers: z.number(),
  entitlements: z.number(),
  credits: z.number(),
  differences: z.array(z.string()),
});

test("a hundred and twenty uploads while the edge is killed again and again", { timeout: 400_000 }, async () => {
  const program = run("live/kill.ts", "--uploads", "120", "--wallets", "10", "--json");
  const code = await program.ended;
  const report = Report.parse(JSON.parse(program.output().trim().split("\n").at(-1) ?? ""));
  // The seed is in the report: what went wrong can be tried again.
  expect(report.differences, program.output()).toEqual([]);
  expect(code).toBe(0);
  expect(report).toMatchObject({ uploads: 120, transfers: report.purchases + report.credits });
  expect(report.entitlements).toBe(report.purchases);
  expect(report.kills).toBeGreaterThanOrEqual(3);
});
