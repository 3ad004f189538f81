/** BCM Pricing Calculator: AWS's own machinery against the stand-in, our adapter against AWS's machinery, and its bad days. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openCalculator } from "../../worker/adapters/aws/calculator.ts";
import type { Heard } from "../stack/aws/json-server.ts";
import type { Refusal } from "../stack/aws/signature.ts";
import { CATALOGUE, type Product } from "../stack/pricing/catalogue.ts";
import { type PricingServer, startPricing } from "../stack/pricing/server.ts";
import { bcmClient } from "./bcm-client.ts";
import { CARD, REGIONS } from "./cards.ts";

const credentials = { accessKeyId: "AKIALOCALEXAMPLE", secretAccessKey: "local/secret+access/key" };
const NOW = Date.parse("2026-11-22T15:30:00Z");
const accountId = "000000000001";

const heard: Heard[] = [];
let catalogue: readonly Product[] = CATALOGUE;
let shown = (usd: number) => usd;
let fault: (operation: string) => Refusal | undefined = () => undefined;
let nowMs = NOW;
let server: PricingServer;
beforeAll(async () => {
  server = await startPricing({
    port: 0,
    credentials,
    accountId,
    pageSize: 7,
    catalogue: () => catalogue,
    shown: (usd) => shown(usd),
    fault: (operation) => fault(operation),
    nowMs: () => nowMs,
    overhear: (each) => heard.push(each),
  });
});
afterAll(() => server.stop());
beforeEach(() => {
  heard.length = 0;
  catalogue = CATALOGUE;
  shown = (usd) => usd;
  fault = () => undefined;
  nowMs = NOW;
});

let pausedMs = 0;
const ours = (over: Partial<Parameters<typeof openCalculator>[0]> = {}) =>
  openCalculator({
    endpoint: server.url,
    credentials,
    accountId,
    newToken: () => crypto.randomUUID(),
    pause: async (ms) => {
      pausedMs += ms;
    },
    ...over,
  });
const sdk = () => bcmClient({ endpoint: server.url, credentials });

describe("AWS's own machinery and the stand-in", () => {
  test("go through the life of an estimate together", async () => {
    const client = sdk();
    const created = await client.send("CreateWorkloadEstimate", { name: "by-the-sdk", rateType: "BEFORE_DISCOUNTS" });
    expect(created).toMatchObject({
      name: "by-the-sdk",
      rateType: "BEFORE_DISCOUNTS",
      totalCost: 0,
      costCurrency: "USD",
    });
    expect(created.createdAt).toEqual(new Date(NOW));
    const { id } = created;
    const line = (key: string, usageType: string, amount: number) => ({
      serviceCode: "AmazonS3",
      usageType,
      operation: "",
      key,
      usageAccountId: accountId,
      amount,
    });
    const filled = await client.send("BatchCreateWorkloadEstimateUsage", {
      workloadEstimateId: id,
      usage: [
        line("a", "TimedStorage-ByteHrs", 60_000),
        line("b", "EUN1-Requests-Tier1", 1_000),
        line("c", "nothing", 1),
      ],
    });
    expect(filled.items).toHaveLength(2);
    expect(filled.items[0]).toMatchObject({ key: "a", quantity: { unit: "GB-Mo", amount: 60_000 }, currency: "USD" });
    expect(filled.items[0].cost).toBeCloseTo(51_200 * 0.023 + 8_800 * 0.022, 9);
    expect(filled.errors).toEqual([{ key: "c", errorCode: "NOT_FOUND", errorMessage: "nothing" }]);
    const states: string[] = [];
    do states.push((await client.send("GetWorkloadEstimate", { identifier: id })).status);
    while (states.at(-1) === "UPDATING");
    expect(states).toEqual(["UPDATING", "UPDATING", "VALID"]);
    const listed = await client.send("ListWorkloadEstimateUsage", { workloadEstimateId: id, maxResults: 300 });
    expect(listed.items).toHaveLength(2);
    expect(listed.items[1]).toMatchObject({ usageType: "EUN1-Requests-Tier1", location: "EU (Stockholm)" });
    expect(server.estimatesLeft()).toEqual(["by-the-sdk"]);
    await client.send("DeleteWorkloadEstimate", { identifier: id });
    expect(server.estimatesLeft()).toEqual([]);
    await expect(client.send("GetWorkloadEstimate", { identifier: id })).rejects.toMatchObject({
      name: "ResourceNotFoundException",
      $metadata: { httpStatusCode: 404 },
    });
  });

  test.each([
    ["a key of more than ten characters", { key: "s3-storage-gb-month" }],
    ["a key with a dash", { key: "a-b" }],
    ["an account that is none", { usageAccountId: "1" }],
  ])("refuse %s", async (_what, change) => {
    const { id } = await sdk().send("CreateWorkloadEstimate", { name: "refused" });
    const usage = [
      {
        serviceCode: "AmazonS3",
        usageType: "x",
        operation: "",
        key: "a",
        usageAccountId: accountId,
        amount: 1,
        ...change,
      },
    ];
    const call = sdk().send("BatchCreateWorkloadEstimateUsage", { workloadEstimateId: id, usage });
    await expect(call).rejects.toMatchObject({ name: "ValidationException" });
    await sdk().send("DeleteWorkloadEstimate", { identifier: id });
  });
});

describe("our adapter", () => {
  test("takes the prices AWS charges, and leaves nothing behind", async () => {
    expect(await ours().take(REGIONS, NOW)).toEqual({ end: "done", regions: CARD });
    expect(server.estimatesLeft()).toEqual([]);
  });

  test("asks exactly what AWS's machinery would, random tokens apart", async () => {
    await ours().take(["us-east-1"], NOW);
    const mine = heard.splice(0);
    // The same words, said through the SDK. It must find the estimates that we did: ids are given by the stand-in.
    const client = sdk();
    let id = "";
    for (const { target, body } of mine) {
      const said = JSON.parse(body) as Record<string, unknown>;
      const input: Record<string, unknown> = { ...said };
      delete input["clientToken"];
      if ("identifier" in input) input["identifier"] = id;
      if ("workloadEstimateId" in input) input["workloadEstimateId"] = id;
      const before = said["createdAtFilter"] as { beforeTimestamp: number } | undefined;
      if (before) input["createdAtFilter"] = { beforeTimestamp: new Date(before.beforeTimestamp * 1_000) };
      const answer = await client.send(target.split(".")[1] ?? "", input);
      if (target.endsWith(".CreateWorkloadEstimate")) id = answer.id;
    }
    const compared = (each: Heard) => ({ ...each, body: withoutTokens(JSON.parse(each.body)) });
    expect(mine.length).toBeGreaterThan(40);
    expect(heard.map(compared)).toEqual(mine.map(compared));
  });

  test("asks within the API's limits: 25 lines a batch, 300 a page, one line of a kind an estimate", async () => {
    const codes = { "us-east-2": "USE2-", "us-west-2": "USW2-", "eu-west-1": "EU-", "eu-west-2": "EUW2-" };
    catalogue = [...CATALOGUE, ...Object.entries(codes).flatMap(([region, code]) => inRegion(region, code))];
    const taken = await ours().take([...REGIONS, ...Object.keys(codes)], NOW);
    expect(taken.end === "done" && taken.regions["eu-west-1"]).toEqual(CARD["us-east-1"]);
    const batches = heard.flatMap(({ target, body }) =>
      target.endsWith("BatchCreateWorkloadEstimateUsage")
        ? [(JSON.parse(body) as { usage: object[] }).usage.length]
        : [],
    );
    expect(batches.slice(0, 2)).toEqual([25, 7]);
    expect(Math.max(...batches)).toBe(25);
    expect(server.estimatesLeft()).toEqual([]);
  });

  test("understands costs that are rounded to the cent", async () => {
    shown = (usd) => Math.round(usd * 100) / 100;
    expect(await ours().take(REGIONS, NOW)).toEqual({ end: "done", regions: CARD });
  });

  test.each([
    ["tiers have moved", (from: number) => (from === 51_200 ? 60_000 : from)],
    ["the first hundred gigabytes are free", (from: number) => from],
  ])("takes nothing when %s", async (what, moved) => {
    catalogue = CATALOGUE.map((product) => {
      if (!product.attributes["usagetype"]?.endsWith("DataTransfer-Out-Bytes")) return product;
      const tiers = product.tiers.map((tier) => ({
        ...tier,
        from: moved(tier.from),
        ...(tier.to === undefined ? {} : { to: moved(tier.to) }),
      }));
      const [first, ...rest] = tiers;
      const free =
        what.includes("free") && first ? [{ from: 0, to: 100, usd: "0" }, { ...first, from: 100 }, ...rest] : tiers;
      return { ...product, tiers: free };
    });
    expect(await ours().take(["us-east-1"], NOW)).toMatchObject({
      end: "unknown",
      detail: expect.stringContaining("DataTransfer-Out-Bytes changes between"),
    });
    expect(server.estimatesLeft()).toEqual([]);
  });

  test("takes nothing in another unit", async () => {
    catalogue = CATALOGUE.map((product) => (product.unit === "GB-Mo" ? { ...product, unit: "Byte-Mo" } : product));
    expect(await ours().take(["us-east-1"], NOW)).toMatchObject({
      end: "unknown",
      detail: expect.stringContaining("Byte-Mo"),
    });
  });

  test("takes nothing that the calculator does not know, and nothing from a region whose code is not known", async () => {
    catalogue = CATALOGUE.filter(({ serviceCode }) => serviceCode !== "AWSDataTransfer");
    expect(await ours().take(["us-east-1"], NOW)).toEqual({
      end: "unknown",
      detail: expect.stringMatching(/answers|NotFound|NOT_FOUND/),
    });
    expect(await ours().take(["xx-moon-1"], NOW)).toEqual({
      end: "unknown",
      detail: "AWS's billing code of xx-moon-1 is not known here",
    });
    expect(server.estimatesLeft()).toEqual([]);
  });

  test("waits as long as AWS says, then goes on; each change is made once", async () => {
    let throttled = 0;
    fault = (operation) =>
      operation !== "DeleteWorkloadEstimate" && throttled++ % 3 === 0
        ? { code: "ThrottlingException", message: "slow down", status: 429, more: { retryAfterSeconds: 7 } }
        : undefined;
    pausedMs = 0;
    expect(await ours().take(["us-east-1"], NOW)).toMatchObject({ end: "done" });
    expect(pausedMs).toBeGreaterThan(7_000 * 10);
    expect(server.estimatesLeft()).toEqual([]);
  });

  test("gives up before its alarm would be ended, and cleans up all the same", async () => {
    const answered = new Map<string, number>();
    fault = (operation) => {
      const count = (answered.get(operation) ?? 0) + 1;
      answered.set(operation, count);
      // Each look at an estimate takes more than a minute and a half of waiting.
      return operation === "GetWorkloadEstimate" && count % 6 !== 0
        ? { code: "ThrottlingException", message: "slow down", status: 429, more: { retryAfterSeconds: 20 } }
        : undefined;
    };
    pausedMs = 0;
    expect(await ours().take(["us-east-1"], NOW)).toEqual({
      end: "unknown",
      detail: "AWS is too busy to tell its prices",
    });
    expect(pausedMs).toBeLessThanOrEqual(8 * 60_000);
    expect(server.estimatesLeft()).toEqual([]);
  });

  test("gives up when AWS stays busy, breaks, or does not answer", async () => {
    fault = () => ({ code: "ThrottlingException", message: "slow down", status: 429 });
    expect(await ours().take(["us-east-1"], NOW)).toEqual({
      end: "unknown",
      detail: "ListWorkloadEstimates: ThrottlingException slow down",
    });
    fault = () => ({ code: "InternalServerException", message: "broken", status: 500 });
    expect(await ours().take(["us-east-1"], NOW)).toMatchObject({ end: "unknown" });
    expect(await ours({ endpoint: "http://127.0.0.1:1" }).take(["us-east-1"], NOW)).toMatchObject({ end: "unknown" });
    const stranger = ours({ credentials: { ...credentials, secretAccessKey: "wrong" } });
    expect(await stranger.take(["us-east-1"], NOW)).toMatchObject({
      detail: expect.stringContaining("InvalidSignature"),
    });
  });

  test("deletes what a run that died left behind, once it is an hour old, and nobody else's", async () => {
    await sdk().send("CreateWorkloadEstimate", { name: "mnemospark-rates-0000dead" });
    await sdk().send("CreateWorkloadEstimate", { name: "somebody-elses" });
    await ours().take(["us-east-1"], NOW + 60_000);
    expect(server.estimatesLeft()).toEqual(["mnemospark-rates-0000dead", "somebody-elses"]);
    await ours().take(["us-east-1"], NOW + 3_700_000);
    expect(server.estimatesLeft()).toEqual(["somebody-elses"]);
  });
});

/** N. Virginia's products, sold somewhere else. */
function inRegion(regionCode: string, code: string): Product[] {
  return CATALOGUE.filter(
    ({ attributes }) =>
      attributes["location"] === "US East (N. Virginia)" || attributes["fromRegionCode"] === "us-east-1",
  ).map((product) => ({
    ...product,
    attributes: { ...product.attributes, regionCode, usagetype: `${code}${product.attributes["usagetype"]}` },
  }));
}

function withoutTokens(body: object): object {
  return Object.fromEntries(
    Object.entries(body).map(([name, value]) => [
      name,
      ["clientToken", "identifier", "workloadEstimateId"].includes(name) ? typeof value : value,
    ]),
  );
}
