/** The page and the tests name the same attacks. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { attackTable } from "./table.ts";

test("every row of docs/client.md is tried here, and nothing is tried that the page does not name", () => {
  const tried = readdirSync(import.meta.dirname)
    .filter((name) => name.endsWith(".test.ts"))
    .flatMap((name) => [...readFileSync(join(import.meta.dirname, name), "utf8").matchAll(/\battack\("([^"]+)"/g)])
    .map(([, name]) => name);
  expect([...new Set(tried)].sort()).toEqual([...attackTable().keys()].sort());
  expect(tried).toHaveLength(new Set(tried).size);
});
