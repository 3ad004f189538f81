import { describe, expect, it } from "vitest";
import { REFUSALS, refuse } from "#contract/errors";

const rows = Object.entries(REFUSALS);

describe("the table of refusals", () => {
  it.each(rows)("%s has a status, a word, a title and a next step", (code, row) => {
    expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/);
    expect(row.status).toBeGreaterThanOrEqual(400);
    expect(row.status).toBeLessThan(600);
    for (const text of [row.error, row.title, row.next]) expect(text.trim().length).toBeGreaterThan(2);
    expect(row.next).toMatch(/\.$/);
  });

  it("invites a retry only where the same request can succeed later", () => {
    const never = new Set([400, 401, 402, 403, 405, 410, 411, 413, 415]);
    for (const [code, row] of rows) if (never.has(row.status)) expect(row.retryable, code).toBe(false);
    for (const [code, row] of rows)
      if (row.status >= 500 && code !== "misconfigured") expect(row.retryable, code).toBe(true);
    for (const code of ["payment_pending", "too_many_requests", "bytes_not_found"] as const)
      expect(REFUSALS[code].retryable, code).toBe(true);
    expect(REFUSALS.allowance_used.retryable).toBe(false);
  });

  it("never sends anybody to pay while a payment is open, and keeps 402 to what a payment mends", () => {
    expect(REFUSALS.payment_pending.status).toBe(409);
    expect(
      rows
        .filter(([, row]) => row.status === 402)
        .map(([code]) => code)
        .sort(),
    ).toEqual(["payment_invalid", "payment_required"]);
  });

  it("never says what the published client takes for success", () => {
    for (const [code, row] of rows)
      expect(`${code} ${row.error} ${row.title} ${row.next}`, code).not.toMatch(/already[ _]settled/i);
  });
});

describe("a refusal", () => {
  it("is a plain value that survives a copy between objects", () => {
    const refusal = refuse("key_reused", "a sentence", { facts: { field: "region" }, retryAfterS: 3 });
    expect(structuredClone(refusal)).toEqual(refusal);
    expect(refusal.ok).toBe(false);
  });
});
