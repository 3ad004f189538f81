/** Cost Explorer: AWS's own client against the stand-in, our adapter against AWS's client, and what the adapter makes of answers. */
import {
  CostExplorerClient,
  DataUnavailableException,
  GetCostForecastCommand,
  type GetCostForecastCommandInput,
} from "@aws-sdk/client-cost-explorer";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { parseWallet, type Wallet } from "#contract/wallet";
import { openForecasts } from "../../worker/adapters/aws/cost-explorer.ts";
import { everyUsageType, STORAGE } from "../../worker/adapters/aws/usage-codes.ts";
import { type Heard, startJsonServer } from "../stack/aws/json-server.ts";
import type { DailyCost } from "../stack/pricing/cost-explorer.ts";
import { type PricingServer, startPricing } from "../stack/pricing/server.ts";

const credentials = { accessKeyId: "AKIALOCALEXAMPLE", secretAccessKey: "local/secret+access/key" };
const NOW = Date.parse("2026-11-22T15:30:00Z");
const DAY = 86_400_000;
const wallet = parseWallet(`0x${"ab".repeat(20)}`) as Wallet;
const stranger = parseWallet(`0x${"cd".repeat(20)}`) as Wallet;
const service = "Amazon Simple Storage Service";
const cost = (of: string, usageType: string, usd: string): DailyCost => ({
  tags: { "mnemospark:wallet": of },
  usageType,
  service,
  usd,
});

const heard: Heard[] = [];
let server: PricingServer;
beforeAll(async () => {
  server = await startPricing({
    port: 0,
    credentials,
    nowMs: () => NOW,
    overhear: (each) => heard.push(each),
    dailyCosts: () => [
      cost(wallet, "TimedStorage-ByteHrs", "0.000766666667"),
      cost(wallet, "EUN1-TimedStorage-ByteHrs", "0.000100000000"),
      cost(wallet, "DataTransfer-Out-Bytes", "4"),
      cost(wallet, "Requests-Tier1", "2"),
      cost(stranger, "TimedStorage-ByteHrs", "9"),
    ],
  });
});
afterAll(() => server.stop());
beforeEach(() => {
  heard.length = 0;
});

const ours = () => openForecasts({ endpoint: server.url, credentials });
const sdk = () => new CostExplorerClient({ endpoint: server.url, region: "us-east-1", maxAttempts: 1, credentials });
const question = (of: string): GetCostForecastCommandInput => ({
  TimePeriod: { Start: "2026-11-22", End: "2027-01-11" },
  Metric: "UNBLENDED_COST",
  Granularity: "DAILY",
  Filter: {
    And: [
      { Tags: { Key: "mnemospark:wallet", Values: [of] } },
      { Dimensions: { Key: "USAGE_TYPE", Values: everyUsageType(STORAGE) } },
    ],
  },
});
/** 2026-12-12 to 2027-01-11. */
const period = { fromMs: NOW + 20 * DAY, untilMs: NOW + 50 * DAY };

describe("AWS's own client and the stand-in", () => {
  test("understand each other", async () => {
    const answer = await sdk().send(new GetCostForecastCommand(question(wallet)));
    expect(answer.Total).toEqual({ Amount: "0.043333333350", Unit: "USD" });
    expect(answer.ForecastResultsByTime).toHaveLength(50);
    expect(answer.ForecastResultsByTime?.[0]).toEqual({
      TimePeriod: { Start: "2026-11-22", End: "2026-11-23" },
      MeanValue: "0.000866666667",
    });
  });

  test("have the same word for nothing known", async () => {
    const nobody = question(`0x${"00".repeat(20)}`);
    await expect(sdk().send(new GetCostForecastCommand(nobody))).rejects.toBeInstanceOf(DataUnavailableException);
  });

  test.each([
    ["a start to come", { TimePeriod: { Start: "2026-11-23", End: "2027-01-11" } }],
    ["an end that is over", { TimePeriod: { Start: "2026-11-01", End: "2026-11-22" } }],
    ["four months of days", { TimePeriod: { Start: "2026-11-22", End: "2027-03-22" } }],
    ["another metric", { Metric: "USAGE_QUANTITY" as const }],
  ])("refuse %s", async (_what, change) => {
    const call = sdk().send(new GetCostForecastCommand({ ...question(wallet), ...change }));
    await expect(call).rejects.toMatchObject({ name: "ValidationException" });
  });
});

describe("our adapter", () => {
  test("asks exactly what AWS's client would, once", async () => {
    await sdk().send(new GetCostForecastCommand(question(wallet)));
    await ours().storageCost({ wallet, ...period }, NOW);
    const [theirs, mine, more] = heard.map(({ body, ...rest }) => ({ ...rest, body: JSON.parse(body) as unknown }));
    expect(mine).toEqual(theirs);
    expect(more).toBeUndefined();
  });

  test("adds up the days of the period, storage alone, this wallet alone", async () => {
    // 30 days of 0.000866666667.
    expect(await ours().storageCost({ wallet, ...period }, NOW)).toEqual({ end: "done", amount: 26_001n });
    expect(await ours().storageCost({ wallet: stranger, ...period }, NOW)).toEqual({
      end: "done",
      amount: 270_000_000n,
    });
  });

  test("counts days of a period that are over as the coming ones", async () => {
    const begun = { wallet: stranger, fromMs: NOW - 2 * DAY, untilMs: NOW + 28 * DAY };
    expect(await ours().storageCost(begun, NOW)).toEqual({ end: "done", amount: 270_000_000n });
  });

  test("has no data where AWS has none, or looks no further", async () => {
    const nobody = parseWallet(`0x${"00".repeat(20)}`) as Wallet;
    expect(await ours().storageCost({ wallet: nobody, ...period }, NOW)).toMatchObject({ end: "no_data" });
    heard.length = 0;
    for (const [from, until] of [
      [70, 100],
      [-40, -10],
      [-30, 0],
    ] as const) {
      const ask = { wallet, fromMs: NOW + from * DAY, untilMs: NOW + until * DAY };
      expect(await ours().storageCost(ask, NOW)).toMatchObject({ end: "no_data" });
    }
    expect(heard).toEqual([]);
  });

  test("does not know when it is not told", async () => {
    const wrong = openForecasts({ endpoint: server.url, credentials: { ...credentials, secretAccessKey: "wrong" } });
    expect(await wrong.storageCost({ wallet, ...period }, NOW)).toMatchObject({ end: "unknown" });
    const nobody = openForecasts({ endpoint: "http://127.0.0.1:1", credentials });
    expect(await nobody.storageCost({ wallet, ...period }, NOW)).toMatchObject({ end: "unknown" });
  });
});

describe("an answer", () => {
  const days = (mean: (day: number) => string | undefined) =>
    Array.from({ length: 50 }, (_, day) => {
      const date = (ms: number) => new Date(ms).toISOString().slice(0, 10);
      const TimePeriod = { Start: date(NOW + day * DAY), End: date(NOW + (day + 1) * DAY) };
      const MeanValue = mean(day);
      return { TimePeriod, ...(MeanValue === undefined ? {} : { MeanValue }) };
    });
  const asked = async (value: object | undefined) => {
    const scripted = await startJsonServer({
      port: 0,
      services: [
        {
          target: "AWSInsightsIndexService",
          signedAs: "ce",
          version: "1.1",
          credentials,
          region: "us-east-1",
          operations: {
            GetCostForecast: () =>
              value ? { value } : { refusal: { code: "LimitExceededException", message: "later" } },
          },
        },
      ],
    });
    try {
      return await openForecasts({ endpoint: scripted.url, credentials }).storageCost({ wallet, ...period }, NOW);
    } finally {
      await scripted.stop();
    }
  };
  const total = { Amount: "1", Unit: "USD" };

  test.each([
    ["without one of the days", { Total: total, ForecastResultsByTime: days(() => "1").slice(0, 49) }],
    ["in another currency", { Total: { Amount: "1", Unit: "CNY" }, ForecastResultsByTime: days(() => "1") }],
    ["below zero", { Total: total, ForecastResultsByTime: days(() => "-0.5") }],
    ["without a value", { Total: total, ForecastResultsByTime: days((day) => (day === 30 ? undefined : "1")) }],
    ["that is empty", {}],
    ["that says later", undefined],
  ])("%s is not known", async (_what, value) => {
    expect(await asked(value)).toMatchObject({ end: "unknown" });
  });

  test("of nothing is no data: then the tag is not counted yet", async () => {
    expect(await asked({ Total: total, ForecastResultsByTime: days(() => "0.0") })).toMatchObject({ end: "no_data" });
  });

  test("is added exactly and rounded up by less than a micro-USDC", async () => {
    const means = fc.array(fc.bigInt({ min: 0n, max: 10n ** 15n }), { minLength: 50, maxLength: 50 });
    await fc.assert(
      fc.asyncProperty(means, async (picos) => {
        const text = (pico: bigint) => `${pico / 10n ** 12n}.${(pico % 10n ** 12n).toString().padStart(12, "0")}`;
        const answer = await asked({ Total: total, ForecastResultsByTime: days((day) => text(picos[day] ?? 0n)) });
        const sum = picos.slice(20).reduce((a, b) => a + b, 0n);
        const up = (sum + 999_999n) / 1_000_000n;
        expect(answer).toEqual(
          up === 0n ? { end: "no_data", detail: expect.any(String) } : { end: "done", amount: up },
        );
      }),
      { numRuns: 20 },
    );
  });

  test("may use exponents", async () => {
    const tiny = await asked({ Total: total, ForecastResultsByTime: days(() => "1.5E-7") });
    expect(tiny).toEqual({ end: "done", amount: 5n });
  });
});
