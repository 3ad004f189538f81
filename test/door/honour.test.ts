/** A purchase without a quote, in two calls, between which the rate card changes: who was told a price pays that price. */
import { describe, expect, test } from "vitest";
import { base64ToJson } from "#contract/base64";
import { refuse } from "#contract/errors";
import type { RateCard } from "#contract/rates";
import { parseWallet, type Wallet } from "#contract/wallet";
import { encodePayment, NETWORKS, PaymentRequired } from "#contract/x402";
import type { Purchase } from "../../durable/catalogue.ts";
import type { Claim } from "../../durable/ledger.ts";
import { openSeals } from "../../worker/adapters/seals.ts";
import { openTickets } from "../../worker/adapters/tickets.ts";
import type { Ports } from "../../worker/flow/ports.ts";
import { routes } from "../../worker/http.ts";

const NOW = Date.parse("2026-11-22T12:00:00Z");
const payer = parseWallet(`0x${"ab".repeat(20)}`) as Wallet;
const cardAt = (version: string, usd: string): RateCard => ({
  version,
  date: "2026-11-22",
  source: "this test",
  regions: {
    "us-east-1": {
      storageGbMonth: [{ usd }],
      egressGb: [{ usd: "0.09" }],
      writePer1000: "0.005",
      readPer1000: "0.0004",
    },
  },
});
const before = cardAt("before", "0.023");
const after = cardAt("after", "0.031");

/** An edge that sells by `card` and honours `honoured`; claims are written down and go no further. */
function edge(card: RateCard, honoured: RateCard[]) {
  const claims: { fault: string | undefined; card: string; amount: string }[] = [];
  const wallet = () => ({
    beginPayment: async (_: unknown, claim: Claim, purchase: Purchase) => {
      if (!("wanted" in purchase)) throw new Error("not a bare purchase");
      const { card: version, amount } = purchase.wanted;
      claims.push({ fault: claim.fault?.reason, card: version, amount });
      return claim.fault
        ? refuse("payment_invalid", claim.fault.detail)
        : refuse("settlement_unavailable", "enough seen");
    },
  });
  const ports = {
    clock: { nowMs: () => NOW },
    rates: { current: async () => ({ ok: true, card, honoured }) },
    policy: {
      payTo: parseWallet(`0x${"cc".repeat(20)}`),
      markupPercent: 20n,
      priceMinimum: 1_000n,
      regions: ["us-east-1"],
      defaultRegion: "us-east-1",
      stores: { "us-east-1": "s3" },
    },
    store: { room: async () => true },
    network: NETWORKS[84532],
    publicUrl: "https://edge.test",
    wallet,
    signerOf: () => payer,
    tickets: openTickets("11".repeat(32)),
    seals: openSeals("11".repeat(32)),
    receipts: undefined,
  } as unknown as Ports;
  const app = routes(
    () => ports,
    async () => true,
  );
  const body = { object_key: "a.age", content_length_bytes: 2 ** 30, content_sha256: "ab".repeat(32) };
  const buy = async (payment?: string) =>
    app.request("https://edge.test/storage/upload", {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(payment === undefined ? {} : { "payment-signature": payment }),
      },
      body: JSON.stringify(body),
    });
  const told = async () =>
    PaymentRequired.parse(base64ToJson((await buy()).headers.get("payment-required") ?? "")).accepts[0];
  const pay = async (offer: Awaited<ReturnType<typeof told>>, value = BigInt(offer?.amount ?? 0)) => {
    if (!offer) throw new Error("nothing was offered");
    const authorization = {
      from: payer,
      to: parseWallet(offer.payTo) as Wallet,
      value,
      validAfterS: 0n,
      validBeforeS: BigInt(NOW / 1000 + 100),
      nonce: `0x${"12".repeat(32)}` as const,
    };
    await buy(
      encodePayment(
        { ...offer, amount: String(value) },
        "https://edge.test/storage/upload",
        authorization,
        `0x${"11".repeat(65)}`,
      ),
    );
    return claims.at(-1);
  };
  return { told, pay };
}

describe("a price that was told", () => {
  test("is paid by whoever was told it, while its card is honoured", async () => {
    const offer = await edge(before, []).told();
    const now = edge(after, [before]);
    expect(BigInt((await now.told())?.amount ?? 0) > BigInt(offer?.amount ?? 0)).toBe(true);
    expect(await now.pay(offer)).toEqual({ fault: undefined, card: "before", amount: offer?.amount });
  });

  test("is no longer the price when the card's hour is over", async () => {
    const offer = await edge(before, []).told();
    const late = edge(after, []);
    const { amount } = (await late.told()) ?? {};
    expect(await late.pay(offer)).toMatchObject({ fault: expect.any(String), card: "after", amount });
  });

  test("is the new one for everybody else, and nothing in between", async () => {
    const now = edge(after, [before]);
    const offer = await now.told();
    expect(await now.pay(offer)).toEqual({ fault: undefined, card: "after", amount: offer?.amount });
    expect(await now.pay(offer, BigInt(offer?.amount ?? 0) - 1n)).toMatchObject({
      fault: expect.any(String),
      card: "after",
    });
  });
});
