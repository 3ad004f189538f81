/** Payments that take patience: a buyer who is gone, a chain that is silent. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { UploadReply } from "#contract/api";
import { SettleReply } from "#contract/settling";
import { transfersFrom } from "./chain.ts";
import { ask, read } from "./door.ts";
import { contentOf, offerFor, paying, priceOf, untilAnswered, uploadBody } from "./shop.ts";
import { type Live, startLive } from "./stack.ts";

let live: Live;
beforeAll(async () => {
  live = await startLive();
});
afterAll(() => live.stop());

test("an order whose payment was sent before a crash ends paid, once", { timeout: 180_000 }, async () => {
  const { edge, stack } = live;
  const buyer = live.wallet();
  const quote = await priceOf(edge, buyer, "left alone", 1_000);
  const settle = {
    path: "/payment/settle",
    by: buyer,
    body: { wallet_address: buyer.address, quote_id: quote.quote_id },
  };
  const paid = paying(settle, await offerFor(edge, buyer, settle));
  const sent = () => stack.chain.client.getTransactionCount({ address: stack.relayerAddress, blockTag: "pending" });
  const before = await sent();
  const lost = ask(edge, paid).catch(() => "lost");
  while ((await sent()) === before) await sleep(5);
  await live.kill("edge");
  expect(await lost).toBe("lost");
  await live.restart("edge");

  // Asked without a payment, the service says how the payment stands; nobody is told to pay again meanwhile.
  const deadline = Date.now() + 90_000;
  let said = await ask(edge, settle);
  for (; said.status !== 200 && Date.now() < deadline; said = await ask(edge, settle)) {
    expect(said).toMatchObject({ status: 409, json: { code: "payment_pending" } });
    await sleep(1_000);
  }
  const settled = SettleReply.parse(said.json);
  expect(settled.result).toBe("already_settled");
  expect(await transfersFrom(stack, buyer.address)).toMatchObject([{ txHash: settled.trans_id }]);
});

test("a payment is refused while the chain is silent, and the same one is taken later", async () => {
  const { edge, stack } = live;
  const buyer = live.wallet();
  const bare = { path: "/storage/upload", body: uploadBody("outage", contentOf("survives an outage")) };
  const asked = paying(bare, await offerFor(edge, buyer, bare));
  process.kill(stack.chain.pid, "SIGSTOP");
  const down = await ask(edge, asked).finally(() => process.kill(stack.chain.pid, "SIGCONT"));
  expect(down).toMatchObject({ status: 503, json: { code: "settlement_unavailable", retryable: true } });
  const plan = read(UploadReply, await untilAnswered(edge, asked));
  expect(await transfersFrom(stack, buyer.address)).toMatchObject([{ txHash: plan.trans_id }]);
});

test("a chain that falls silent after the payment was sent: wait, do not pay; then it is paid once", async () => {
  const { edge, stack } = live;
  const buyer = live.wallet();
  const bare = { path: "/storage/upload", body: uploadBody("silence", contentOf("survives a silence")) };
  const asked = paying(bare, await offerFor(edge, buyer, bare));
  const sent = () => stack.chain.client.getTransactionCount({ address: stack.relayerAddress, blockTag: "pending" });
  const before = await sent();
  const answered = ask(edge, asked);
  while ((await sent()) === before) await sleep(5);
  process.kill(stack.chain.pid, "SIGSTOP");
  const said = await answered.finally(() => process.kill(stack.chain.pid, "SIGCONT"));
  expect(said).toMatchObject({ status: 202, json: { payment_state: "pending" } });
  expect(said.headers.get("retry-after")).toMatch(/^\d+$/);
  expect(said.headers.get("payment-required")).toBeNull();
  const plan = read(UploadReply, await untilAnswered(edge, asked));
  expect(await transfersFrom(stack, buyer.address)).toMatchObject([{ txHash: plan.trans_id }]);
}, 90_000);
