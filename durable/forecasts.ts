/**
 * What AWS expects a wallet's storage to cost in the next 30 days, for its statements. A forecast costs money, so one is fetched for a
 * wallet and period, by the alarm alone: once it is written down as asked it is never asked again, whatever came of it. The first
 * statement of a wallet finds none and makes it wanted; one that was paid makes the next one wanted in time for the next month's.
 *
 *   wanted --alarm--> asked --AWS answered--> done | no_data | unknown
 */
import { FORECAST_AHEAD_DAYS, FORECAST_FROM_MICRO_USDC } from "#contract/limits";
import { formatMicroUsdc } from "#contract/money";
import { countLive } from "./orders.ts";
import type { Forecast, ForecastAsk } from "./ports.ts";
import { DAY_MS, PERIOD_MS } from "./rules/calendar.ts";
import type { Tx } from "./tx.ts";

/** When one is to be fetched, as SQL for the alarm. */
export const FORECAST_DUE = "SELECT min(next_ms) AS due FROM forecasts WHERE next_ms IS NOT NULL";

/** Of a statement that is worth it: a forecast from now on, unless one for a time that is not over was made or is wanted. */
export function wantForecast(tx: Tx, amount: bigint): void {
  if (amount < FORECAST_FROM_MICRO_USDC || tx.first("SELECT 1 AS yes FROM forecasts WHERE until_ms > ?", tx.nowMs))
    return;
  insert(tx, tx.nowMs);
}

/** A statement was paid: the next one will be asked for in a month. */
export function wantNextForecast(tx: Tx, amount: bigint): void {
  if (amount < FORECAST_FROM_MICRO_USDC || tx.first("SELECT 1 AS yes FROM forecasts WHERE from_ms > ?", tx.nowMs))
    return;
  insert(tx, tx.nowMs + FORECAST_AHEAD_DAYS * DAY_MS);
}

function insert(tx: Tx, fromMs: number): void {
  tx.run(
    "INSERT OR IGNORE INTO forecasts (from_ms, until_ms, state, next_ms) VALUES (?, ?, 'wanted', ?)",
    fromMs,
    fromMs + PERIOD_MS,
    fromMs,
  );
}

/** What is to be asked now. It counts as asked from here on: who dies now has asked. */
export function dueForecasts(tx: Tx): ForecastAsk[] {
  const rows = tx.all<{ from_ms: number; until_ms: number }>(
    "SELECT from_ms, until_ms FROM forecasts WHERE next_ms IS NOT NULL AND next_ms <= ?",
    tx.nowMs,
  );
  tx.run("UPDATE forecasts SET state = 'asked', next_ms = NULL WHERE next_ms IS NOT NULL AND next_ms <= ?", tx.nowMs);
  tx.run("DELETE FROM forecasts WHERE until_ms < ? AND next_ms IS NULL", tx.nowMs - 400 * DAY_MS);
  // Nothing is kept any more, or the alarm slept through the period. Counted only where one is wanted: it takes a look at every order.
  if (rows.length === 0 || countLive(tx) === 0) return [];
  return rows
    .filter(({ until_ms }) => until_ms > tx.nowMs)
    .map(({ from_ms, until_ms }) => ({ wallet: tx.wallet, fromMs: from_ms, untilMs: until_ms }));
}

export function finishForecast(tx: Tx, ask: ForecastAsk, forecast: Forecast): void {
  const amount = forecast.end === "done" ? formatMicroUsdc(forecast.amount) : null;
  tx.run("UPDATE forecasts SET state = ?, amount = ? WHERE from_ms = ?", forecast.end, amount, ask.fromMs);
  tx.record("forecast.fetched", { from_ms: ask.fromMs, until_ms: ask.untilMs, end: forecast.end, amount });
}

/** Decimal micro-USDC for 30 days of all the wallet's storage; undefined where AWS knows nothing. */
export function forecastNow(tx: Tx): string | undefined {
  const row = tx.first<{ amount: string }>(
    "SELECT amount FROM forecasts WHERE state = 'done' AND from_ms <= ? AND until_ms > ? ORDER BY from_ms DESC LIMIT 1",
    tx.nowMs,
    tx.nowMs,
  );
  return row?.amount;
}
