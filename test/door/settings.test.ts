/** Where prices come from is decided by the settings: AWS as the store wants credentials for AWS's prices. */
import { expect, test } from "vitest";
import type { ShelvedCard } from "../../durable/ports.ts";
import checkedIn from "../../worker/adapters/rate-card.json" with { type: "json" };
import { type Env, openPorts, openRatesPorts } from "../../worker/env.ts";
import { Misconfigured } from "../../worker/flow/misconfigured.ts";

const settings = {
  CHAIN_ID: "84532",
  RPC_URLS: "http://127.0.0.1:1",
  PAY_TO: `0x${"aa".repeat(20)}`,
  MARKUP_PERCENT: "20",
  PRICE_MIN_MICRO_USDC: "10000",
  RELAYERS: `0x${"bb".repeat(20)}=a/secret`,
  AWS_ACCOUNT_ID: "000000000001",
  S3_REGIONS: "us-east-1,sa-east-1",
  S3_ACCESS_KEY_ID: "a",
  S3_SECRET_ACCESS_KEY: "b",
  SECRETS_REGION: "us-east-1",
  SECRETS_ACCESS_KEY_ID: "c",
  SECRETS_SECRET_ACCESS_KEY: "d",
  TICKET_KEY: "11".repeat(32),
  PUBLIC_URL: "https://edge.test",
};
const pricing = { PRICING_ACCESS_KEY_ID: "e", PRICING_SECRET_ACCESS_KEY: "f" };
const ownStore = { S3_ENDPOINT: "http://127.0.0.1:2" };

const NOW = Date.parse(`${checkedIn.date}T00:00:00Z`) + 365 * 86_400_000;
const onShelf: ShelvedCard = {
  card: { ...checkedIn, version: "from the shelf", date: new Date(NOW).toISOString().slice(0, 10) },
  honouredUntilMs: undefined,
};
const envOf = (more: Record<string, string>) => {
  const asked: string[] = [];
  const RATES = {
    getByName: (name: string) => {
      asked.push(name);
      return { cards: async () => [onShelf] };
    },
  };
  return { env: { ...settings, ...more, RATES } as unknown as Env, asked };
};
const version = async (env: Env) => {
  const now = await openPorts(env).rates.current(NOW);
  return now.ok ? now.card.version : now.code;
};

test("AWS's S3 without credentials for prices is refused with a sentence", () => {
  for (const half of [{}, { PRICING_ACCESS_KEY_ID: "e" }, { PRICING_SECRET_ACCESS_KEY: "f" }]) {
    const { env } = envOf(half);
    expect(() => openPorts(env)).toThrow(Misconfigured);
    expect(() => openPorts(env)).toThrow("PRICING_ACCESS_KEY_ID and PRICING_SECRET_ACCESS_KEY must be set");
  }
  expect(() => openPorts(envOf({ ...ownStore, PRICING_ACCESS_KEY_ID: "e" }).env)).toThrow("both or neither");
});

test("with them the one shelf is asked, and both of AWS's sources in order", async () => {
  for (const more of [pricing, { ...pricing, ...ownStore }]) {
    const { env, asked } = envOf(more);
    expect(await version(env)).toBe("from the shelf");
    expect(asked).toEqual(["rates"]);
    const { sources, regions } = openRatesPorts(env);
    expect(sources.map(({ label }) => label)).toEqual(["calculator", "price-list"]);
    expect(regions).toEqual(["us-east-1", "sa-east-1"]);
  }
});

test("a store of one's own goes without: the checked-in card, whatever its age, and nothing is asked", async () => {
  const { env, asked } = envOf(ownStore);
  expect(await version(env)).toBe(checkedIn.version);
  expect(asked).toEqual([]);
  expect(openRatesPorts(env).sources).toEqual([]);
});
