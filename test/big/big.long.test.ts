/** The small form of `npm run big`: large enough for parts, killed in the middle all the same. */
import { expect, test } from "vitest";
import { big } from "./run.ts";
import { faultsOf } from "./verdict.ts";

test("a large object is stored and fetched through kills, nothing sent or paid twice, in little memory", {
  timeout: 300_000,
}, async () => {
  const figures = await big(200_000_000, () => {});
  expect({ faults: faultsOf(figures), figures }).toMatchObject({ faults: [] });
});
