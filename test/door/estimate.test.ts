/** The routes anybody may ask: by the public door, with a card in hand. */
import { describe, expect, test } from "vitest";
import { Problem } from "#contract/api";
import { RatesReply, StorageEstimateReply, TransferEstimateReply } from "#contract/estimates";
import type { RateCard } from "#contract/rates";
import type { Rates } from "../../durable/ports.ts";
import type { Ports } from "../../worker/flow/ports.ts";
import { routes } from "../../worker/http.ts";

const NOW = Date.parse("2026-11-22T12:00:00Z");
const rates = {
  storageGbMonth: [{ upToGb: 51_200, usd: "0.023" }, { usd: "0.022" }],
  egressGb: [{ upToGb: 10_240, usd: "0.09" }, { usd: "0.085" }],
  writePer1000: "0.005",
  readPer1000: "0.0004",
};
const card: RateCard = {
  version: "2026-11-22.test",
  date: "2026-11-22",
  source: "this test",
  regions: { "us-east-1": rates, "eu-north-1": rates, "sa-east-1": rates },
};
const sold: Rates = { current: async () => ({ ok: true, card, honoured: [{ ...card, version: "2026-11-21.test" }] }) };
const none: Rates = {
  current: async () => ({ ok: false, code: "quote_unavailable", detail: "too old", retryAfterS: 3600 }),
};

/** What these routes need; a verb that reached for more would throw. */
const portsWith = (cards: Rates) =>
  ({
    clock: { nowMs: () => NOW },
    rates: cards,
    policy: {
      payTo: `0x${"aa".repeat(20)}`,
      markupPercent: 20n,
      priceMinimum: 10_000n,
      regions: ["us-east-1", "eu-north-1", "ap-south-1"],
      defaultRegion: "us-east-1",
      stores: { "us-east-1": "s3", "eu-north-1": "s3" },
    },
  }) as unknown as Ports;

const ask = async (path: string, body?: object, cards = sold) => {
  const app = routes(
    () => portsWith(cards),
    async () => true,
  );
  const json = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  return app.request(`https://edge.test${path}`, body === undefined ? {} : json);
};
const refused = async (response: Response) => {
  const { code, detail } = Problem.parse(await response.json());
  return `${response.status} ${code}: ${detail}`;
};
const GIB = 2 ** 30;

describe("GET /rates", () => {
  test("shows the card of the regions sold, its date, its source, and what is honoured still", async () => {
    const response = await ask("/rates");
    expect(response.headers.get("cache-control")).toBe("public, max-age=60");
    expect(RatesReply.parse(await response.json())).toEqual({
      rate_card: "2026-11-22.test",
      date: "2026-11-22",
      source: "this test",
      currency: "USD",
      markup_percent: 20,
      price_minimum: "10000",
      regions: { "us-east-1": rates, "eu-north-1": rates },
      honoured: ["2026-11-21.test"],
    });
  });

  test("says so when there is none", async () => {
    const response = await ask("/rates", undefined, none);
    expect(response.headers.get("retry-after")).toBe("3600");
    expect(await refused(response)).toBe("503 quote_unavailable: too old");
  });
});

describe("POST /estimate/storage", () => {
  test("answers the old fields, the exact cost, ours, and what an object of that size is sold for", async () => {
    const response = await ask("/estimate/storage", { size_bytes: GIB, region: "eu-north-1" });
    expect(StorageEstimateReply.parse(await response.json())).toEqual({
      estimatedCost: 0.03,
      currency: "USD",
      storageGbMonth: 1.073741824,
      region: "eu-north-1",
      rateType: "BEFORE_DISCOUNTS",
      size_bytes: GIB,
      cost: "23000",
      price: "27600",
      markup_percent: 20,
      rate_card: "2026-11-22.test",
      rate_card_date: "2026-11-22",
      rate_card_source: "this test",
      // 201 writes and 5 reads: 1007 micro-USDC; three downloads: 270000.
      object: {
        storage: "23000",
        requests: "1007",
        egress: "270000",
        markup: "58802",
        minimum_applied: false,
        total: "352809",
      },
    });
  });

  test("bills tiers cumulatively, far above the size of an object", async () => {
    const reply = StorageEstimateReply.parse(
      await (await ask("/estimate/storage", { size_bytes: 60_000 * GIB })).json(),
    );
    expect(reply.cost).toBe(String(51_200 * 23_000 + 8_800 * 22_000));
    expect(reply.object).toBeUndefined();
  });

  test("reads gb, its old name, and a query", async () => {
    const byQuery = await (await ask("/estimate/storage?gb=2.5")).json();
    expect(await (await ask("/estimate/storage", { gb: "2.5" })).json()).toEqual(byQuery);
    expect(
      await (await ask("/estimate/storage", { storageGbMonth: 2.5, rateType: "before_discounts" })).json(),
    ).toEqual(byQuery);
    expect(byQuery).toMatchObject({ storageGbMonth: 2.5, size_bytes: 2_500_000_000, region: "us-east-1" });
  });

  test.each([
    ["no size", {}, /gb or size_bytes/],
    ["two sizes", { gb: 1, size_bytes: 1 }, /gb or size_bytes/],
    ["nothing", { gb: 0 }, /1e-9/],
    ["more than a petabyte", { gb: 2e6 }, /at most/],
    ["words", { gb: "much" }, /much/],
    ["other rates", { gb: 1, rateType: "AFTER_DISCOUNTS" }, /rateType/],
    ["no region", { gb: 1, region: "moon" }, /region/],
    ["an unknown field", { gb: 1, storage: 2 }, /storage/],
  ])("refuses %s with a sentence", async (_what, body, says) => {
    const said = await refused(await ask("/estimate/storage", body));
    expect(said).toMatch(/^400 malformed/);
    expect(said).toMatch(says);
  });

  test("knows which regions are sold, and which have no price", async () => {
    expect(await refused(await ask("/estimate/storage", { gb: 1, region: "sa-east-1" }))).toMatch(
      /^400 region_unknown/,
    );
    expect(await refused(await ask("/estimate/storage", { gb: 1, region: "ap-south-1" }))).toMatch(
      /^503 quote_unavailable.*no prices for ap-south-1/,
    );
  });
});

describe("POST /estimate/transfer", () => {
  test("prices what goes out", async () => {
    const reply = await (await ask("/estimate/transfer", { size_bytes: GIB, direction: "OUT" })).json();
    expect(TransferEstimateReply.parse(reply)).toMatchObject({
      estimatedCost: 0.09,
      direction: "out",
      dataGb: 1.073741824,
      cost: "90000",
      price: "108000",
    });
  });

  test("takes 100 GB inwards where nothing is said, which is free", async () => {
    const reply = await (await ask("/estimate/transfer")).json();
    expect(TransferEstimateReply.parse(reply)).toMatchObject({
      estimatedCost: 0,
      direction: "in",
      dataGb: 100,
      cost: "0",
      price: "0",
    });
  });

  test("refuses another direction", async () => {
    expect(await refused(await ask("/estimate/transfer", { direction: "up" }))).toMatch(/^400 malformed.*direction/);
  });
});
