/**
 * Cost Explorer's `GetCostForecast`, as its model says: the filter is evaluated over an account's daily costs, and what was spent each
 * day so far is what the coming days are expected to cost.
 */
import * as z from "zod";
import type { Result } from "../aws/json-server.ts";
import { parseInput } from "../aws/parse-input.ts";

/** What one kind of usage costs a day; exact decimal dollars. */
export interface DailyCost {
  readonly tags: Readonly<Record<string, string>>;
  readonly usageType: string;
  readonly service: string;
  readonly usd: string;
}

interface Expression {
  readonly And?: readonly Expression[] | undefined;
  readonly Or?: readonly Expression[] | undefined;
  readonly Not?: Expression | undefined;
  readonly Dimensions?: { readonly Key: "USAGE_TYPE" | "SERVICE"; readonly Values: readonly string[] } | undefined;
  readonly Tags?: { readonly Key: string; readonly Values: readonly string[] } | undefined;
}

const values = z.array(z.string().max(1024)).min(1);
const expression: z.ZodType<Expression> = z.lazy(() =>
  z
    .strictObject({
      And: z.array(expression).min(2).optional(),
      Or: z.array(expression).min(2).optional(),
      Not: expression.optional(),
      Dimensions: z.strictObject({ Key: z.enum(["USAGE_TYPE", "SERVICE"]), Values: values }).optional(),
      Tags: z.strictObject({ Key: z.string().max(1024), Values: values }).optional(),
    })
    .refine((given) => Object.keys(given).length === 1, "one expression has one root"),
);
const date = z.string().regex(/^\d{4}-\d{2}-\d{2}$/);
const input = z.strictObject({
  TimePeriod: z.strictObject({ Start: date, End: date }),
  Metric: z.enum(["AMORTIZED_COST", "BLENDED_COST", "NET_AMORTIZED_COST", "NET_UNBLENDED_COST", "UNBLENDED_COST"]),
  Granularity: z.enum(["DAILY", "MONTHLY"]),
  Filter: expression.optional(),
  PredictionIntervalLevel: z.int().min(51).max(99).optional(),
});

const DAY_MS = 86_400_000;

export function getCostForecast(body: Buffer, costs: readonly DailyCost[], nowMs: number): Result {
  const parsed = parseInput(input, body);
  if ("refusal" in parsed) return parsed;
  const { TimePeriod, Granularity, Filter } = parsed.value;
  const [start, end] = [Date.parse(TimePeriod.Start), Date.parse(TimePeriod.End)];
  const today = Math.floor(nowMs / DAY_MS) * DAY_MS;
  const invalid = (message: string): Result => ({ refusal: { code: "ValidationException", message } });
  if (start > today) return invalid("Start date must be equal to or no later than the current date.");
  if (end <= today || end <= start) return invalid("End date must be later than the start date and in the future.");
  if (Granularity === "MONTHLY") return invalid("This stand-in forecasts by the day.");
  if (end - today > 92 * DAY_MS) return invalid("DAILY forecasts reach three months ahead.");
  const seen = costs.filter((cost) => Filter === undefined || matches(Filter, cost));
  if (seen.length === 0)
    return { refusal: { code: "DataUnavailableException", message: "Insufficient amount of historical data." } };
  const daily = seen.reduce((sum, { usd }) => sum + picoOf(usd), 0n);
  const days: object[] = [];
  for (let day = Math.max(start, today); day < end; day += DAY_MS)
    days.push({ TimePeriod: { Start: dateOf(day), End: dateOf(day + DAY_MS) }, MeanValue: printed(daily) });
  return {
    value: { Total: { Amount: printed(daily * BigInt(days.length)), Unit: "USD" }, ForecastResultsByTime: days },
  };
}

function matches(filter: Expression, cost: DailyCost): boolean {
  const { And, Or, Not, Dimensions, Tags } = filter;
  if (And) return And.every((each) => matches(each, cost));
  if (Or) return Or.some((each) => matches(each, cost));
  if (Not) return !matches(Not, cost);
  if (Tags) return Tags.Values.includes(cost.tags[Tags.Key] ?? "");
  return Dimensions?.Values.includes(Dimensions.Key === "SERVICE" ? cost.service : cost.usageType) ?? false;
}

const dateOf = (ms: number) => new Date(ms).toISOString().slice(0, 10);

function picoOf(usd: string): bigint {
  const [whole = "0", fraction = ""] = usd.split(".");
  return BigInt(whole + fraction.padEnd(12, "0"));
}

const printed = (pico: bigint) => `${pico / 10n ** 12n}.${(pico % 10n ** 12n).toString().padStart(12, "0")}`;
