/**
 * What the owner of an object is told before it is gone, each once for every end of what was paid: that the next period is due soon,
 * that it is unpaid, and that it will be erased in a day. An order without bytes has no grace and hears the first alone.
 */
import { DUE_SOON_DAYS, GRACE_DAYS, LAST_WARNING_HOURS } from "#contract/limits";
import { DAY_MS } from "./calendar.ts";
import type { OrderState } from "./lease.ts";

export const WARNINGS = ["due_soon", "unpaid", "ending"] as const;
export type Warning = (typeof WARNINGS)[number];

/** After `paid_through`, in the order they are given. */
const OFFSET_MS: Record<Warning, number> = {
  due_soon: -DUE_SOON_DAYS * DAY_MS,
  unpaid: 0,
  ending: GRACE_DAYS * DAY_MS - LAST_WARNING_HOURS * 3_600_000,
};

const given: Partial<Record<OrderState, readonly Warning[]>> = { stored: WARNINGS, paid: ["due_soon"] };

/** The next one and its time, when `count` of them were given; undefined when that is all. */
export function nextWarning(
  state: OrderState,
  paidThroughMs: number,
  count: number,
): { readonly warning: Warning; readonly atMs: number } | undefined {
  const warning = given[state]?.[count];
  return warning && { warning, atMs: paidThroughMs + OFFSET_MS[warning] };
}

/** The same as an SQL expression; `count` is one too. */
export function nextWarningSql(state: string, paidThroughMs: string, count: string): string {
  const times = (warnings: readonly Warning[]) =>
    warnings.map((warning, index) => `WHEN ${index} THEN ${paidThroughMs} + ${OFFSET_MS[warning]}`).join(" ");
  const states = Object.entries(given).map(
    ([name, warnings]) => `WHEN '${name}' THEN CASE ${count} ${times(warnings)} END`,
  );
  return `CASE ${state} ${states.join(" ")} END`;
}
