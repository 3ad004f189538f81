import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DAY_MS, deleteAfterMs, firstPaidThroughMs, reversedPaidThroughMs } from "#rules/calendar";
import { holdsName, mayUpload, next, type OrderEvent, type OrderState } from "#rules/lease";
import { compare } from "#rules/replay";

const STATES: OrderState[] = ["paying", "paid", "stored", "ended"];
const EVENTS: OrderEvent[] = ["settled", "refused", "reversed", "renewed", "stored", "deleted", "lapsed", "unserved"];

/** The whole table once more, as a person would draw it: the next state, or the refusal. */
const EXPECTED: Record<OrderState, Record<OrderEvent, string>> = {
  paying: {
    settled: "paid",
    refused: "ended",
    reversed: "payment_pending",
    renewed: "payment_pending",
    stored: "payment_pending",
    deleted: "payment_pending",
    lapsed: "payment_pending",
    unserved: "payment_pending",
  },
  paid: {
    settled: "not_found",
    refused: "not_found",
    reversed: "ended",
    renewed: "not_found",
    stored: "stored",
    deleted: "ended",
    lapsed: "ended",
    unserved: "ended",
  },
  stored: {
    settled: "not_found",
    refused: "not_found",
    reversed: "stored",
    renewed: "stored",
    stored: "stored",
    deleted: "ended",
    lapsed: "ended",
    unserved: "not_found",
  },
  ended: {
    settled: "gone",
    refused: "gone",
    reversed: "gone",
    renewed: "gone",
    stored: "gone",
    deleted: "gone",
    lapsed: "gone",
    unserved: "gone",
  },
};

describe("an order", () => {
  it.each(STATES.flatMap((state) => EVENTS.map((event) => [state, event] as const)))(
    "that is %s, when %s",
    (state, event) => {
      const moved = next(state, event);
      expect(moved.ok ? moved.state : moved.code).toBe(EXPECTED[state][event]);
    },
  );

  it("once ended stays ended, whatever happens to it", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...EVENTS)), (events) => {
        let state: OrderState = "paying";
        let over = false;
        for (const event of events) {
          const moved = next(state, event);
          if (moved.ok) state = moved.state;
          if (over && state !== "ended") return false;
          over ||= state === "ended";
        }
        return true;
      }),
    );
  });

  it("holds its name until it has ended", () => {
    expect(STATES.filter(holdsName)).toEqual(["paying", "paid", "stored"]);
  });

  it("takes bytes while it is paid for, to the millisecond", () => {
    for (const state of ["paid", "stored"] as const) {
      expect(mayUpload(state, 1_000, 1_000).ok).toBe(true);
      expect(mayUpload(state, 1_000, 1_001)).toMatchObject({ code: "gone" });
    }
    expect(mayUpload("paying", 0, 0)).toMatchObject({ code: "not_paid" });
    expect(mayUpload("ended", 1_000, 0)).toMatchObject({ code: "gone" });
  });
});

describe("the calendar", () => {
  it("counts 30 days from the block, and two more before anything is erased", () => {
    const paid = Date.parse("2026-01-31T12:00:00Z");
    expect(new Date(firstPaidThroughMs(paid)).toISOString()).toBe("2026-03-02T12:00:00.000Z");
    expect(new Date(deleteAfterMs(firstPaidThroughMs(paid))).toISOString()).toBe("2026-03-04T12:00:00.000Z");
    expect(deleteAfterMs(firstPaidThroughMs(paid)) - paid).toBe(32 * DAY_MS);
  });

  it("takes 30 days back after a reversal, never leaves less than 48 hours, and never gives any", () => {
    fc.assert(
      fc.property(fc.nat(400), fc.nat(400), (throughDays, nowDays) => {
        const left = reversedPaidThroughMs(throughDays * DAY_MS, nowDays * DAY_MS);
        const taken = (throughDays - 30) * DAY_MS;
        expect(left).toBeLessThanOrEqual(throughDays * DAY_MS);
        expect(left).toBeGreaterThanOrEqual(Math.min(throughDays * DAY_MS, (nowDays + 2) * DAY_MS));
        expect(left === taken || left === (nowDays + 2) * DAY_MS || left === throughDays * DAY_MS).toBe(true);
      }),
    );
  });
});

describe("a replayed request", () => {
  it("is the same whatever the order of its fields", () => {
    expect(compare({ a: "1", b: "2" }, { b: "2", a: "1" })).toEqual({ kind: "same" });
    expect(compare({}, {})).toEqual({ kind: "same" });
  });

  it("names the first field that differs, is new, or is missing", () => {
    expect(compare({ a: "1", b: "2", c: "3" }, { a: "1", b: "x", c: "y" })).toEqual({ kind: "different", field: "b" });
    expect(compare({ a: "1" }, { a: "1", b: "2" })).toEqual({ kind: "different", field: "b" });
    expect(compare({ a: "1", b: "2" }, { a: "1" })).toEqual({ kind: "different", field: "b" });
    expect(compare({ a: "" }, {})).toEqual({ kind: "different", field: "a" });
  });

  it("that differs in one field is told that field", () => {
    const fields = fc.dictionary(fc.stringMatching(/^[a-z_]{1,8}$/), fc.string(), {
      minKeys: 1,
      noNullPrototype: true,
    });
    fc.assert(
      fc.property(fields, fc.nat(), (stored, pick) => {
        const name = Object.keys(stored)[pick % Object.keys(stored).length] ?? "";
        expect(compare(stored, { ...stored, [name]: `${stored[name]}!` })).toEqual({ kind: "different", field: name });
        expect(compare(stored, { ...stored })).toEqual({ kind: "same" });
      }),
    );
  });
});
