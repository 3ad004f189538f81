/** The running service and its prices: the card comes from AWS's services, while quotes are told in milliseconds. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { PriceReply } from "#contract/api";
import { RatesReply, StorageEstimateReply } from "#contract/estimates";
import { ask, read, walletOf } from "./door.ts";
import { type Live, startLive } from "./stack.ts";

let live: Live;
beforeAll(async () => {
  live = await startLive({ wallets: 1 });
});
afterAll(() => live.stop());

const cardNow = async () => read(RatesReply, await ask(live.edge, { method: "GET", path: "/rates" }));

test("a card is taken from the calculator within a minute, and the service sells meanwhile", {
  timeout: 120_000,
}, async () => {
  const buyer = live.wallet();
  const quote = async (name: string) =>
    read(
      PriceReply,
      await ask(live.edge, {
        path: "/price-storage",
        body: { wallet_address: walletOf(buyer), object_id: name, size_bytes: 5e8, region: "eu-north-1" },
        by: buyer,
      }),
    );
  const first = await quote("first.age");
  let card = await cardNow();
  for (let turn = 0; turn < 300 && !card.source.includes("Calculator"); turn++) {
    await sleep(300);
    card = await cardNow();
  }
  expect(card.source).toBe("AWS BCM Pricing Calculator (before discounts)");
  expect(card.rate_card).toMatch(/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ\.calculator$/);
  expect(Object.keys(card.regions)).toEqual(["us-east-1", "eu-north-1"]);
  expect(card.regions["eu-north-1"]?.storageGbMonth[0]).toEqual({ upToGb: 51_200, usd: "0.023" });

  const second = await quote("second.age");
  expect(second.rate_card).toBe(card.rate_card);
  // The stand-ins ask what the checked-in card says.
  expect(second.parts).toEqual(first.parts);
  const estimate = await ask(live.edge, { path: "/estimate/storage", body: { size_bytes: 5e8, region: "eu-north-1" } });
  expect(read(StorageEstimateReply, estimate)).toMatchObject({ rate_card: card.rate_card, object: second.parts });

  // What was taken outlives the Worker.
  await live.kill("edge");
  await live.restart("edge");
  expect((await cardNow()).rate_card).toBe(card.rate_card);
});
