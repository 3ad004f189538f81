/** Amounts and counts that people type. */
import { PERIODS_AHEAD_MAX } from "#contract/limits";
import { Fault } from "../faults.ts";

/** Exact dollars into micro-USDC. */
export function micro(text: string | undefined): bigint | undefined {
  if (text === undefined) return undefined;
  const match = /^\$?(\d{1,9})(?:\.(\d{1,6}))?$/.exec(text.trim());
  if (!match) throw new Fault("bad_arguments", `max: wanted dollars such as 0.25, got ${JSON.stringify(text)}.`);
  return BigInt(match[1] ?? "0") * 1_000_000n + BigInt((match[2] ?? "").padEnd(6, "0"));
}

/** @throws Fault `bad_arguments` */
export function periodsOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const periods = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (periods < 1 || periods > PERIODS_AHEAD_MAX)
    throw new Fault("bad_arguments", `periods: wanted 1 to ${PERIODS_AHEAD_MAX}, got ${JSON.stringify(text)}.`);
  return periods;
}
