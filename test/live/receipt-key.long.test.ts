/** An edge whose receipt key is not the announced one signs nothing with it, and sells all the same. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ConfirmReply, UploadReply } from "#contract/api";
import { base64ToJson } from "#contract/base64";
import { RELAYER_SECRET } from "../stack/settings.ts";
import { type Stack, startStack } from "../stack/stack.ts";
import { ask, read } from "./door.ts";
import { required, sign } from "./purse.ts";
import { confirm, contentOf, paying, put, untilAnswered, uploadBody } from "./shop.ts";

let directory: string;
let stack: Stack;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "live-test-"));
  const ports = { edge: 0, s3: 0, chain: 0, secrets: 0, pricing: 0 };
  const edgeVars = { RECEIPTS: `0x${"a".repeat(40)}=${RELAYER_SECRET}` };
  stack = await startStack({ stateDirectory: join(directory, "state"), ports, edgeVars });
});
afterAll(async () => {
  await stack.stop();
  await rm(directory, { recursive: true, force: true, maxRetries: 5 });
});

test("artefacts are left out and the purchase goes on", async () => {
  const edge = stack.urls.edge;
  const buyer = privateKeyToAccount(stack.wallet.privateKey);
  const content = contentOf("sold without a receipt");
  const bare = { path: "/storage/upload", body: uploadBody("plain.age", content) };
  const asks = required((await ask(edge, bare)).headers);
  expect(Object.keys(asks.extensions ?? {})).toContain("payment-identifier");
  expect(Object.keys(asks.extensions ?? {})).not.toContain("offer-receipt");
  const said = await untilAnswered(edge, paying(bare, await sign(buyer, asks)));
  const plan = read(UploadReply, said);
  expect(base64ToJson(said.headers.get("payment-response") ?? "")).not.toHaveProperty("extensions");
  expect((await put(plan, content.bytes)).status).toBe(200);
  expect(read(ConfirmReply, await confirm(edge, plan)).receipt).toBeUndefined();
});
