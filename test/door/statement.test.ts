/** How a statement is made at the edge: what AWS expects is shared out by the bytes S3 lists, and what S3 does not list is no line. */
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { describe, expect, test } from "vitest";
import type { RateCard } from "#contract/rates";
import { StatementReply } from "#contract/statements";
import { parseWallet } from "#contract/wallet";
import { NETWORKS } from "#contract/x402";
import type { StatementStep } from "../../durable/statements.ts";
import { recoverSigner } from "../../worker/adapters/signature.ts";
import type { Ports } from "../../worker/flow/ports.ts";
import { routes } from "../../worker/http.ts";
import { requestOf } from "../live/door.ts";

const GB = 2 ** 30;
const card: RateCard = {
  version: "a card",
  date: "2026-11-22",
  source: "a test",
  regions: {
    "us-east-1": {
      storageGbMonth: [{ usd: "0.023" }],
      egressGb: [{ usd: "0" }],
      writePer1000: "0",
      readPer1000: "0",
    },
  },
};
const line = (name: string) => ({
  orderId: name,
  agentId: "main",
  objectKey: name,
  index: 3,
  plan: 1,
  store: "s3",
  region: "us-east-1",
  bucket: "b",
  s3Key: `agent=main/${name}/0.1`,
  paidThroughMs: 1_800_000_000_000,
  deadlineMs: 1_800_000_000_000,
});

/** The wallet knows three objects that are due and a forecast of 30 GB; S3 lists two of them. */
async function made(forecast: string | undefined, sizes: Record<string, number>, atS3 = true) {
  const owner = privateKeyToAccount(generatePrivateKey());
  const wallet = () => ({
    statement: async (_: unknown, step: StatementStep) =>
      step.step === "begin"
        ? { ok: true, step: "weigh", due: ["a", "b", "c"].map(line), more: false, bytes: 30 * GB, forecast }
        : step.step === "keep" && {
            ok: true,
            step: "kept",
            statement: { ...step.weighing, statementId: "stmt", expiresMs: 1 },
          },
  });
  const ports = {
    clock: { nowMs: () => Date.now() },
    rates: { current: async () => ({ ok: true, card, honoured: [] }) },
    policy: {
      payTo: parseWallet(`0x${"cc".repeat(20)}`),
      markupPercent: 20n,
      priceMinimum: 1_000n,
      regions: ["us-east-1"],
      defaultRegion: "us-east-1",
    },
    pulse: { read: async () => Promise.reject(new Error("nobody beats")) },
    network: NETWORKS[84532],
    store: {
      list: async () =>
        atS3
          ? {
              end: "done",
              truncated: false,
              entries: Object.entries(sizes).map(([name, sizeBytes]) => ({ key: line(name).s3Key, sizeBytes })),
            }
          : { end: "unknown", detail: "it is away" },
    },
    wallet,
    signerOf: (data: Parameters<typeof recoverSigner>[0], signature: `0x${string}`) => recoverSigner(data, signature),
  } as unknown as Ports;
  const app = routes(
    () => ports,
    async () => true,
  );
  const asked = { path: "/billing/statement", by: owner, body: { wallet_address: owner.address } };
  const { url, init } = await requestOf("https://edge.test", asked);
  return app.request(url.href, init);
}
const reply = async (said: Promise<Response>) => StatementReply.parse(await (await said).json());

describe("a statement at the edge", () => {
  test("by card costs what the listed bytes do", async () => {
    const said = await reply(made(undefined, { a: 10 * GB, b: 5 * GB }));
    // 15 GB-months at $0.023, and 20 %.
    expect(said).toMatchObject({ basis: "card", amount: "414000", missing: 1, card: "a card", statement_id: "stmt" });
    expect(said.lines.map(({ object_key, size_bytes, amount }) => [object_key, size_bytes, amount])).toEqual([
      ["a", 10 * GB, "276000"],
      ["b", 5 * GB, "138000"],
    ]);
  });

  test("by forecast costs the covered share of what AWS expects", async () => {
    // $0.60 for 30 GB: half of it is covered.
    const said = await reply(made("600000", { a: 10 * GB, b: 5 * GB }));
    expect(said).toMatchObject({ basis: "forecast", amount: "360000" });
    expect(said.lines.map(({ amount }) => amount)).toEqual(["240000", "120000"]);
  });

  test("is not made of silence: S3 away is 503, S3 empty is no line", async () => {
    expect(await (await made(undefined, {}, false)).json()).toMatchObject({ status: 503, code: "storage_unavailable" });
    expect(await reply(made("600000", {}))).toMatchObject({ lines: [], amount: "0", missing: 3 });
  });
});
