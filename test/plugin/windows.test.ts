/** A download through kills, against what the service debits: how much of the allowance it takes, worked out and not run. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DOWNLOAD_DEBIT_BYTES_MIN, DOWNLOAD_REPEAT_S, INCLUDED_DOWNLOADS } from "#contract/limits";
import { debitOf } from "#rules/allowance";
import { debitedNow, nextWindow, type Told, WINDOW_BYTES, type Window } from "../../client-plugin/windows.ts";

const MIB = 1024 ** 2;

/** Where a process dies: before the answer is written down, or after so much (0 to 1) of the window. */
interface Kill {
  readonly at: "reply" | number;
  /** Windows that go well first. */
  readonly after: number;
  /** Until somebody starts it again. */
  readonly awayMs: number;
}

/** What is debited in all, and the questions asked, until every byte is there. */
function run(sizeBytes: number, kills: readonly Kill[]) {
  let nowMs = 1_000_000;
  let have = 0;
  let told: Told | undefined;
  let debited = 0;
  let asked = 0;
  const rows: (Window & { untilMs: number })[] = [];
  const pending = [...kills];
  let calm = pending[0]?.after ?? 0;
  while (have < sizeBytes) {
    const { first, last: end } = nextWindow(have, told, nowMs);
    const window = { first, last: Math.min(end, sizeBytes - 1) };
    asked += 1;
    // As durable/downloads.ts does it.
    if (!rows.some((row) => row.first <= first && row.last >= window.last && row.untilMs > nowMs)) {
      debited += debitOf(window.last - first + 1);
      rows.push({ ...window, untilMs: nowMs + DOWNLOAD_REPEAT_S * 1000 });
    }
    const kill = calm-- <= 0 ? pending.shift() : undefined;
    if (kill) calm = pending[0]?.after ?? 0;
    nowMs += 1_000;
    if (kill?.at !== "reply") {
      const bytesLeft = INCLUDED_DOWNLOADS * debitOf(sizeBytes) - debited;
      told = { sizeBytes, bytesLeft, debited: debitedNow(window, told?.debited, nowMs) };
      have += Math.floor((window.last - first + 1) * (kill === undefined ? 1 : kill.at));
    }
    nowMs += kill?.awayMs ?? 0;
  }
  return { debited, asked, killed: kills.length - pending.length };
}

const anySize = fc.oneof(
  fc.integer({ min: MIB, max: 64 * MIB }),
  fc.integer({ min: 64 * MIB, max: 8_000 * MIB }),
  fc.integer({ min: 5e9, max: 5e13 }),
);
const killOf = (awayMs: fc.Arbitrary<number>) =>
  fc.record({
    at: fc.oneof(fc.constant("reply" as const), fc.constant(0), fc.double({ min: 0, max: 0.999, noNaN: true })),
    after: fc.integer({ min: 0, max: 6 }),
    awayMs,
  });
const killsOf = (awayMs: fc.Arbitrary<number>) => fc.array(killOf(awayMs), { maxLength: 20 });

describe("a download by windows", () => {
  test("debits the object once, however often it is killed, when it is taken up again soon", () => {
    fc.assert(
      fc.property(anySize, killsOf(fc.integer({ min: 0, max: 100_000 })), (sizeBytes, kills) => {
        const { debited } = run(sizeBytes, kills);
        // Where the first window leaves a few bytes, these debit the least that a URL debits.
        if (sizeBytes - WINDOW_BYTES > 0 && sizeBytes - WINDOW_BYTES < DOWNLOAD_DEBIT_BYTES_MIN)
          expect(debited).toBe(WINDOW_BYTES + DOWNLOAD_DEBIT_BYTES_MIN);
        else expect(debited).toBe(sizeBytes);
      }),
      { numRuns: 300 },
    );
  });

  test("ends within the allowance after twenty kills, however long nobody comes back once the first answer was there", () => {
    const away = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 3 * 3_600_000 }), fc.constant(86_400_000));
    fc.assert(
      fc.property(anySize, killsOf(away), (sizeBytes, kills) => {
        // What no answer was written down for is asked for whole, up to a window: an hour later that is a debit more.
        const answered = kills.findIndex(({ at, after }) => after > 0 || at !== "reply");
        const known = kills.map((kill, index) =>
          answered === -1 || index < answered ? { ...kill, awayMs: Math.min(kill.awayMs, 100_000) } : kill,
        );
        expect(run(sizeBytes, known).debited).toBeLessThanOrEqual(INCLUDED_DOWNLOADS * sizeBytes);
      }),
      { numRuns: 500 },
    );
    // The worst there is: each time right after the debit, and a day later.
    for (const sizeBytes of [MIB, 40_000_000, 3_000_000_000, 50_000_000_000_000]) {
      const kills = Array.from({ length: 20 }, () => ({ at: 0, after: 0, awayMs: 86_400_000 }));
      const { debited, killed } = run(sizeBytes, kills);
      expect(killed).toBe(20);
      expect(debited).toBeLessThanOrEqual(INCLUDED_DOWNLOADS * sizeBytes);
    }
  });

  test("asks once for what is small, and not often for what is large", () => {
    expect(run(1, []).asked).toBe(1);
    expect(run(WINDOW_BYTES, []).asked).toBe(1);
    expect(run(3_000_000_000, []).asked).toBe(45);
    expect(run(50_000_000_000_000, []).asked).toBeLessThanOrEqual(66);
  });
});
