/** The Price List: AWS's own client against the stand-in, our adapter against AWS's client, and lists that must not be believed. */
import { GetProductsCommand, NotFoundException, PricingClient } from "@aws-sdk/client-pricing";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openPriceList } from "../../worker/adapters/aws/price-list.ts";
import type { Heard } from "../stack/aws/json-server.ts";
import type { Refusal } from "../stack/aws/signature.ts";
import { CATALOGUE, type Product, type Tier } from "../stack/pricing/catalogue.ts";
import { type PricingServer, startPricing } from "../stack/pricing/server.ts";
import { CARD, REGIONS } from "./cards.ts";

const credentials = { accessKeyId: "AKIALOCALEXAMPLE", secretAccessKey: "local/secret+access/key" };
const NOW = Date.parse("2026-11-22T15:30:00Z");

const heard: Heard[] = [];
let catalogue: readonly Product[] = CATALOGUE;
let fault: (operation: string) => Refusal | undefined = () => undefined;
let server: PricingServer;
beforeAll(async () => {
  server = await startPricing({
    port: 0,
    credentials,
    pageSize: 2,
    catalogue: () => catalogue,
    fault: (operation) => fault(operation),
    overhear: (each) => heard.push(each),
  });
});
afterAll(() => server.stop());
beforeEach(() => {
  heard.length = 0;
  catalogue = CATALOGUE;
  fault = () => undefined;
});

const ours = () => openPriceList({ endpoint: server.url, credentials, pause: async () => {} });
const sdk = () => new PricingClient({ endpoint: server.url, region: "us-east-1", maxAttempts: 1, credentials });

describe("AWS's own client and the stand-in", () => {
  test("list products page by page", async () => {
    const Filters = [{ Type: "TERM_MATCH" as const, Field: "regionCode", Value: "eu-north-1" }];
    const first = await sdk().send(new GetProductsCommand({ ServiceCode: "AmazonS3", Filters }));
    expect(first.PriceList).toHaveLength(2);
    expect(JSON.parse(String(first.PriceList?.[0]))).toMatchObject({
      product: { productFamily: "Storage", attributes: { usagetype: "EUN1-TimedStorage-ByteHrs" } },
      serviceCode: "AmazonS3",
    });
    const { NextToken } = first;
    expect(NextToken).toBeTypeOf("string");
    const second = await sdk().send(new GetProductsCommand({ ServiceCode: "AmazonS3", Filters, NextToken }));
    expect(second.PriceList).not.toEqual(first.PriceList);
  });

  test("have the same word for a service that is not sold", async () => {
    const call = sdk().send(new GetProductsCommand({ ServiceCode: "AmazonMoon" }));
    await expect(call).rejects.toBeInstanceOf(NotFoundException);
    const never = new GetProductsCommand({ ServiceCode: "AmazonS3", MaxResults: 101 });
    await expect(sdk().send(never)).rejects.toMatchObject({ name: "InvalidParameterException" });
  });
});

describe("our adapter", () => {
  test("takes the right products from among their likes", async () => {
    expect(await ours().take(REGIONS, NOW)).toEqual({ end: "done", regions: CARD });
  });

  test("asks exactly what AWS's client would", async () => {
    await ours().take(["eu-north-1", "sa-east-1"], NOW);
    const mine = heard.splice(0);
    for (const { body } of mine) await sdk().send(new GetProductsCommand(JSON.parse(body)));
    const compared = (each: Heard) => ({ ...each, body: JSON.parse(each.body) as unknown });
    // Eight questions, two of them with more than one page.
    expect(mine.length).toBeGreaterThan(8);
    expect(heard.map(compared)).toEqual(mine.map(compared));
  });

  const changed = (usage: RegExp, tiers: (tiers: readonly Tier[]) => readonly Tier[], over: Partial<Product> = {}) =>
    CATALOGUE.map((product) =>
      usage.test(product.attributes["usagetype"] ?? "")
        ? { ...product, tiers: tiers(product.tiers), ...over }
        : product,
    );

  test("does not give the account's allowance away with every object", async () => {
    catalogue = changed(/^DataTransfer-Out-Bytes$/, ([first, ...rest]) => [
      { from: 0, to: 100, usd: "0.0000000000" },
      { ...(first as Tier), from: 100 },
      ...rest,
    ]);
    expect(await ours().take(["us-east-1"], NOW)).toEqual({ end: "done", regions: { "us-east-1": CARD["us-east-1"] } });
  });

  test("makes one tier of neighbours that cost the same", async () => {
    catalogue = changed(/^TimedStorage-ByteHrs$/, (tiers) =>
      tiers.length > 1 ? tiers.map((tier) => ({ ...tier, usd: "0.0245000000" })) : tiers,
    );
    const taken = await ours().take(["us-east-1"], NOW);
    expect(taken.end === "done" && taken.regions["us-east-1"]?.storageGbMonth).toEqual([{ usd: "0.0245" }]);
  });

  const twice = (product: Product): Product[] => [product, { ...product, tiers: [{ from: 0, usd: "0.001" }] }];
  test.each<[string, () => readonly Product[], RegExp]>([
    [
      "two products differ",
      () => CATALOGUE.flatMap((each) => (each.attributes["usagetype"] === "Requests-Tier2" ? twice(each) : [each])),
      /^2 products .* Requests-Tier2 in us-east-1/,
    ],
    ["all are free", () => changed(/^Requests-Tier1$/, () => [{ from: 0, usd: "0.0000" }]), /^0 products/],
    [
      "there is none",
      () =>
        CATALOGUE.filter(({ serviceCode }) => serviceCode !== "AWSDataTransfer").concat(
          twice({ serviceCode: "AWSDataTransfer", family: "", attributes: {}, unit: "GB", tiers: [] }),
        ),
      /^0 products/,
    ],
    [
      "the unit is another",
      () => changed(/^TimedStorage-ByteHrs$/, (tiers) => tiers, { unit: "GB-Hours" }),
      /GB-Hours/,
    ],
    [
      "there is a gap",
      () => changed(/^DataTransfer-Out-Bytes$/, (tiers) => tiers.filter(({ from }) => from !== 10_240)),
      /do not follow each other/,
    ],
    [
      "it does not begin at nothing",
      () => changed(/^DataTransfer-Out-Bytes$/, ([, ...rest]) => rest),
      /do not follow each other/,
    ],
    [
      "it ends",
      () => changed(/^DataTransfer-Out-Bytes$/, (tiers) => tiers.filter(({ to }) => to !== undefined)),
      /do not follow each other/,
    ],
    [
      "requests have tiers",
      () =>
        changed(/^Requests-Tier1$/, () => [
          { from: 0, to: 9, usd: "0.1" },
          { from: 9, usd: "0.2" },
        ]),
      /tiers now/,
    ],
    ["the price is no number", () => changed(/^Requests-Tier1$/, () => [{ from: 0, usd: "free" }]), /priced free/],
  ])("takes nothing when %s", async (_what, of, says) => {
    catalogue = of();
    const taken = await ours().take(["us-east-1"], NOW);
    expect(taken.end === "unknown" && taken.detail).toMatch(says);
  });

  test("waits when it must and gives up when it may not have them", async () => {
    let count = 0;
    fault = () => (count++ % 2 === 0 ? { code: "ThrottlingException", message: "slow down" } : undefined);
    expect(await ours().take(["us-east-1"], NOW)).toMatchObject({ end: "done" });
    fault = () => ({ code: "AccessDeniedException", message: "not you", status: 401 });
    expect(await ours().take(["us-east-1"], NOW)).toEqual({
      end: "unknown",
      detail: "GetProducts: AccessDeniedException not you",
    });
  });
});
