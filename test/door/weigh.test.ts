/** Weighing a statement: pages of S3 instead of a request for each object, whatever lies between them and however keys are spelled. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { STATEMENT_S3_PAGES_MAX } from "#contract/limits";
import type { Store } from "../../durable/ports.ts";
import type { DueLine } from "../../durable/statements.ts";
import { weigh } from "../../worker/flow/weigh.ts";

const line = (s3Key: string, bucket = "b"): DueLine => ({
  orderId: s3Key,
  agentId: "main",
  objectKey: s3Key,
  index: 1,
  plan: 1,
  store: "s3",
  region: "us-east-1",
  bucket,
  s3Key,
  paidThroughMs: 0,
  deadlineMs: 0,
});

/** S3's list: keys by their bytes, pages of so many. */
function storeOf(keys: readonly string[], pageKeys: number) {
  const sorted = [...keys].sort((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)));
  let calls = 0;
  const list: Store["list"] = async ({ startAfter = "" }) => {
    calls += 1;
    const rest = sorted.filter((key) => Buffer.compare(Buffer.from(key), Buffer.from(startAfter)) > 0);
    const entries = rest.slice(0, pageKeys).map((key) => ({ key, sizeBytes: key.length, lastModified: "" }));
    return { end: "done", entries, truncated: rest.length > pageKeys };
  };
  return { store: { list }, calls: () => calls };
}

const key = fc
  .tuple(fc.string({ unit: "grapheme", minLength: 1, maxLength: 4 }), fc.nat(20))
  .map(([name, plan]) => `agent=main/${name.toWellFormed()}/0.${plan}`);

describe("a statement's scales", () => {
  test("find every object that S3 has and none that it has not, in as many pages as hold them or fewer", async () => {
    const asked = fc.tuple(
      fc.uniqueArray(key, { maxLength: 30 }),
      fc.array(fc.boolean()),
      fc.integer({ min: 1, max: 7 }),
    );
    await fc.assert(
      fc.asyncProperty(asked, fc.array(fc.boolean()), async ([keys, there, pageKeys], wanted) => {
        const stored = keys.filter((_, at) => there[at] ?? true);
        const { store, calls } = storeOf(stored, pageKeys);
        const due = keys.filter((_, at) => wanted[at] ?? true).map((each) => line(each));
        const scales = await weigh(store, due);
        if (!scales.ok) throw new Error(scales.detail);
        expect(scales.asked).toHaveLength(due.length);
        expect([...scales.sizes.keys()].sort()).toEqual(
          due
            .map(({ s3Key }) => s3Key)
            .filter((each) => stored.includes(each))
            .sort(),
        );
        expect(calls()).toBeLessThanOrEqual(due.length);
      }),
    );
  });

  test("need ten pages for ten thousand objects, and one for the only one of them that is due", async () => {
    const keys = Array.from({ length: 10_000 }, (_, at) => `agent=main/${at}/0.1`);
    const { store, calls } = storeOf(keys, 1_000);
    await weigh(
      store,
      keys.filter((_, at) => at % 10 === 3).map((each) => line(each)),
    );
    expect(calls()).toBe(10);
    await weigh(store, [line("agent=main/7777/0.1")]);
    expect(calls()).toBe(11);
  });

  test("leave for the next statement what is behind the last page, and go into each bucket", async () => {
    const keys = Array.from({ length: 300 }, (_, at) => `agent=main/${at}/0.1`);
    const { store } = storeOf(keys, 1);
    const scales = await weigh(
      store,
      keys.map((each) => line(each)),
    );
    expect(scales).toMatchObject({ ok: true });
    expect(scales.ok && scales.asked.length).toBe(STATEMENT_S3_PAGES_MAX);
    const two = await weigh(store, [line("agent=main/1/0.1"), line("agent=main/1/0.1", "another")]);
    expect(two.ok && two.asked.length).toBe(2);
  });

  test("are not believed when S3 does not answer", async () => {
    const list: Store["list"] = async () => ({ end: "unknown", detail: "it is away" });
    expect(await weigh({ list }, [line("agent=main/1/0.1")])).toMatchObject({ code: "storage_unavailable" });
  });
});
