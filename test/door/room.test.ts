/** Where no bucket could be made for a newcomer he is not asked to pay, and what he sends is not taken. */

import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { describe, expect, test } from "vitest";
import { parseWallet } from "#contract/wallet";
import { networkOf } from "#contract/x402";
import { NO_FORECASTS } from "../../worker/adapters/aws/cost-explorer.ts";
import { recoverSigner } from "../../worker/adapters/signature.ts";
import type { Ports } from "../../worker/flow/ports.ts";
import { routes } from "../../worker/http.ts";
import { sign } from "../live/purse.ts";

const rates = {
  storageGbMonth: [{ usd: "0.02" }],
  egressGb: [{ usd: "0.09" }],
  writePer1000: "0.005",
  readPer1000: "0.0004",
};
const card = { version: "test", date: "2026-11-22", source: "this test", regions: { "us-east-1": rates } };

/** What the wallet's object was asked. */
const asked: string[] = [];

function portsWith(room: boolean | string, isNew: boolean): Ports {
  const wallet = {
    isNewTo: async () => isNew,
    beginPayment: async () => {
      asked.push("beginPayment");
      return { ok: false, code: "payment_pending", detail: "far enough" };
    },
  };
  return {
    clock: { nowMs: () => Date.now() },
    network: networkOf(84532),
    rates: { current: async () => ({ ok: true, card, honoured: [] }) },
    publicUrl: "https://edge.test",
    store: { room: async () => room },
    wallet: () => wallet,
    forecasts: NO_FORECASTS,
    receipts: undefined,
    seals: { seal: () => "0", holds: () => false },
    signerOf: (data: Parameters<typeof recoverSigner>[0], signature: `0x${string}`) => recoverSigner(data, signature),
    contractSigned: async () => undefined,
    policy: {
      payTo: parseWallet(`0x${"aa".repeat(20)}`),
      markupPercent: 20n,
      priceMinimum: 10_000n,
      regions: ["us-east-1"],
      defaultRegion: "us-east-1",
      stores: { "us-east-1": "s3" },
    },
  } as unknown as Ports;
}

const body = { object_key: "a", content_length_bytes: 1, content_sha256: "ab".repeat(32), region: "us-east-1" };
async function upload(ports: Ports, more: object = {}, headers: Record<string, string> = {}) {
  const app = routes(
    () => ports,
    async () => true,
  );
  const request = { method: "POST", headers: { "content-type": "application/json", ...headers } };
  const response = await app.request("https://edge.test/storage/upload", {
    ...request,
    body: JSON.stringify({ ...body, ...more }),
  });
  const { code } = (await response.json()) as { code?: string };
  return { said: `${response.status} ${code}`, headers: response.headers };
}

describe("an upload to a store without room", () => {
  const account = privateKeyToAccount(generatePrivateKey());
  const named = { wallet_address: account.address };

  test("is a 402 while there is room", async () => {
    expect((await upload(portsWith(true, true))).said).toBe("402 payment_required");
  });

  test.each([false, "the store does not answer"])("is 503 instead of a 402 for whoever is new (%s)", async (room) => {
    for (const more of [{}, named]) {
      const { said, headers } = await upload(portsWith(room, true), more);
      expect(said).toBe("503 no_room");
      expect([headers.get("payment-required"), headers.get("retry-after")]).toEqual([null, "600"]);
    }
  });

  test("is a 402 for a wallet that has a bucket there", async () => {
    expect((await upload(portsWith(false, false), named)).said).toBe("402 payment_required");
  });

  test("with a payment is not taken from whoever is new, and is from whoever is not", async () => {
    const offer = (await upload(portsWith(true, true))).headers.get("payment-required") ?? "";
    const required = JSON.parse(Buffer.from(offer, "base64").toString());
    const { header } = await sign(account, required);
    const paying = { "payment-signature": header };
    expect((await upload(portsWith(false, true), {}, paying)).said).toBe("503 no_room");
    expect(asked).toEqual([]);
    expect((await upload(portsWith(false, false), {}, paying)).said).toBe("409 payment_pending");
    expect(asked).toEqual(["beginPayment"]);
  });
});
