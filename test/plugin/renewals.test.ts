/** Renewing by itself: what ends soon, once, under the caps; and what fails is said. */
import { join } from "node:path";
import { generatePrivateKey } from "viem/accounts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { jsonToBase64 } from "#contract/base64";
import { failedRenewals, renewalsOn, renewDue, switchRenewals } from "../../client-plugin/renewals.ts";
import { openClient } from "../demo/client.ts";
import { scratch } from "./fixture.ts";
import { type Asked, network, PAYEE, problem, type Service, startService } from "./service.ts";

const room = scratch();
const DAY_MS = 86_400_000;
const now = Date.now();
const at = (days: number) => new Date(now + days * DAY_MS).toISOString();
let service: Service;
let amount = "10000";
const settled: unknown[] = [];

beforeAll(async () => {
  service = await startService();
  service.lies.answer = answer;
});
afterAll(() => service.close());

const object = (key: string, days: number) => ({
  key,
  size_bytes: 1,
  size: "1 B",
  last_modified: at(-27),
  agent_id: "main",
  order_id: "o",
  state: "stored",
  region: "us-east-1",
  bucket: "b",
  content_sha256: "",
  size_bytes_max: 1,
  paid_through: at(days),
  delete_after: at(days + 2),
  amount: "10000",
  next_amount: amount,
  downloads_left: 3,
  download_bytes_left: 3,
  trans_id: "0x",
});

function answer({ path, body, nonce }: Asked) {
  if (path === "/storage/ls" && body["object_key"] !== undefined)
    return { status: 200, body: { success: true, ...object(String(body["object_key"]), 2) } };
  if (path === "/storage/ls") {
    const objects = [object("ends-soon", 2), object("ends-later", 20)];
    return {
      status: 200,
      body: {
        success: true,
        list_mode: true,
        bucket: "b",
        objects,
        is_truncated: false,
        next_continuation_token: null,
      },
    };
  }
  if (path !== "/payment/settle") return undefined;
  if (nonce === undefined) {
    const terms = {
      scheme: "exact",
      network: network?.caip2,
      asset: network?.usdc,
      payTo: PAYEE,
      amount,
      maxTimeoutSeconds: 120,
    };
    const required = { x402Version: 2, resource: { url: "http://x/" }, accepts: [terms] };
    return { ...problem(402, "payment_required"), headers: { "payment-required": jsonToBase64(required) } };
  }
  settled.push(body);
  const reply = {
    quote_id: "q",
    order_id: "o",
    payment_id: "p",
    wallet_address: "",
    trans_id: "0xpaid",
    network: "",
    asset: "",
    amount,
  };
  return { status: 200, body: { ...reply, payment_status: "confirmed", paid_through: at(32), timestamp: at(0) } };
}

test("pays for what ends within three days and for nothing else; above the cap nothing, and it is told", async () => {
  const core = await openClient({
    edgeUrl: service.url,
    chainUrl: "http://127.0.0.1:9",
    key: generatePrivateKey(),
    home: join(room, "home"),
    payTo: PAYEE,
    config: { capPerCall: "0.02" },
  });
  expect(renewalsOn(core)).toBe(true);
  expect(await renewDue(core, now)).toMatchObject({ renewed: [{ name: "ends-soon", amount: "10000" }], failed: [] });
  expect(settled).toMatchObject([{ renewal: true, object_key: "ends-soon" }]);
  amount = "20001";
  const round = await renewDue(core, now);
  expect(round).toMatchObject({ renewed: [], failed: [{ name: "ends-soon", fault: { code: "above_cap" } }] });
  expect(failedRenewals(core)).toMatchObject([{ name: "main/ends-soon", fault: { code: "above_cap" } }]);
  amount = "20000";
  expect((await renewDue(core, now)).renewed).toHaveLength(1);
  expect(failedRenewals(core)).toEqual([]);
  expect(settled).toHaveLength(2);
  switchRenewals(core, false);
  expect(renewalsOn(core)).toBe(false);
  core.close();
});
