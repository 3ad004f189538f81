/**
 * What AWS expects to charge for a wallet's storage: Cost Explorer `GetCostForecast`, for the cost-allocation tag that every bucket of
 * the wallet carries and the usage types of storage alone. Each request costs $0.01, so one is sent and never repeated here.
 *
 * A forecast may not begin later than today, and the periods asked about do: it is asked for from today, day by day (three months at
 * most), and the days of the period are added up.
 */
import * as z from "zod";
import { decimalUp } from "#contract/decimal";
import { divCeil, type MicroUsdc } from "#contract/money";
import type { Forecast, ForecastAsk, Forecasts } from "../../../durable/ports.ts";
import { WALLET_TAG } from "../s3/ownership.ts";
import { type AwsCredentials, type AwsJsonService, callAws } from "./json-api.ts";
import { everyUsageType, STORAGE } from "./usage-codes.ts";

export interface CostExplorerConfig {
  /** Absent for AWS itself, which serves it in one place. */
  readonly endpoint: string | undefined;
  readonly credentials: AwsCredentials;
}

const REGION = "us-east-1";
const DAY_MS = 86_400_000;
/** "You can get 3 months of DAILY forecasts": the shortest three months. */
const DAYS_AHEAD_MAX = 89;
/** Sums are kept in 10^-18 dollars. */
const PLACES = 18;
const ATTO_PER_MICRO = 10n ** 12n;

const Answer = z.object({
  Total: z.object({ Unit: z.string() }),
  ForecastResultsByTime: z.array(z.object({ TimePeriod: z.object({ Start: z.string() }), MeanValue: z.string() })),
});

export function openForecasts({ endpoint, credentials }: CostExplorerConfig): Forecasts {
  const service: AwsJsonService = {
    endpoint: endpoint ?? `https://ce.${REGION}.amazonaws.com`,
    region: REGION,
    service: "ce",
    target: "AWSInsightsIndexService",
    version: "1.1",
    credentials,
  };
  return {
    async storageCost(ask, nowMs) {
      const days = daysOf(ask, nowMs);
      if (days.first >= days.end || days.end - days.today > DAYS_AHEAD_MAX)
        return { end: "no_data", detail: "the period is over, or further ahead than AWS forecasts" };
      const answer = await callAws(service, "GetCostForecast", requestOf(ask, days));
      if (answer.ok === undefined) return { end: "unknown", detail: answer.detail };
      if (answer.ok) return sumOf(answer.value, days);
      const detail = `${answer.code}: ${answer.message}`;
      return { end: answer.code === "DataUnavailableException" ? "no_data" : "unknown", detail };
    },
  };
}

/** Where there are no credentials for Cost Explorer, nothing is known and nothing is asked. */
export const NO_FORECASTS: Forecasts = {
  storageCost: async () => ({ end: "no_data", detail: "this deployment has no credentials for Cost Explorer" }),
};

/** UTC days since 1970; `first` to `end` are the days of the period that can still be forecast, `length` all it has. */
interface Days {
  readonly today: number;
  readonly first: number;
  readonly end: number;
  readonly length: number;
}

function daysOf({ fromMs, untilMs }: ForecastAsk, nowMs: number): Days {
  const today = Math.floor(nowMs / DAY_MS);
  const from = Math.floor(fromMs / DAY_MS);
  const end = Math.floor(untilMs / DAY_MS);
  return { today, first: Math.max(today, from), end, length: end - from };
}

const dateOf = (day: number) => new Date(day * DAY_MS).toISOString().slice(0, 10);

function requestOf({ wallet }: ForecastAsk, { today, end }: Days): object {
  return {
    TimePeriod: { Start: dateOf(today), End: dateOf(end) },
    Metric: "UNBLENDED_COST",
    Granularity: "DAILY",
    Filter: {
      And: [
        { Tags: { Key: WALLET_TAG, Values: [wallet] } },
        { Dimensions: { Key: "USAGE_TYPE", Values: everyUsageType(STORAGE) } },
      ],
    },
  };
}

function sumOf(value: unknown, days: Days): Forecast {
  const parsed = Answer.safeParse(value);
  if (!parsed.success || parsed.data.Total.Unit !== "USD")
    return { end: "unknown", detail: "GetCostForecast answered something else than days in USD" };
  const byDay = new Map(
    parsed.data.ForecastResultsByTime.map((each) => [each.TimePeriod.Start.slice(0, 10), each.MeanValue]),
  );
  let sum = 0n;
  for (let day = days.first; day < days.end; day++) {
    const mean = byDay.get(dateOf(day));
    const attoDollars = mean === undefined ? undefined : decimalUp(mean, PLACES);
    if (attoDollars === undefined)
      return { end: "unknown", detail: `GetCostForecast said ${JSON.stringify(mean)} of ${dateOf(day)}` };
    sum += attoDollars;
  }
  // Days of the period that are over already cost what the coming ones do.
  const whole = divCeil(sum * BigInt(days.length), BigInt(days.end - days.first));
  const amount: MicroUsdc = divCeil(whole, ATTO_PER_MICRO);
  return amount === 0n
    ? { end: "no_data", detail: "Cost Explorer knows of no cost under this wallet's tag" }
    : { end: "done", amount };
}
