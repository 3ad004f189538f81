/** A payment whose outcome is not known yet, as its buyer can follow it: no block comes for as long as the service waits. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { PaymentReply, PendingReply } from "#contract/settling";
import { ask, read } from "./door.ts";
import { openSession } from "./extensions/signing.ts";
import { contentOf, offerFor, paying, uploadBody } from "./shop.ts";
import { type Live, startLive } from "./stack.ts";

let live: Live;
beforeAll(async () => {
  live = await startLive();
});
afterAll(() => live.stop());

test("a pending answer names where to ask; ticket and session are told, and told again once it has settled", async () => {
  const { edge, stack } = live;
  const buyer = live.wallet();
  const bare = { path: "/storage/upload", body: uploadBody("slow.age", contentOf("slow")) };
  const asked = paying(bare, await offerFor(edge, buyer, bare));
  await stack.chain.client.setIntervalMining({ interval: 0 });
  const said = await ask(edge, asked);
  expect(said.status).toBe(202);
  const pending = PendingReply.parse(said.json);
  expect(pending.status_url).toBe(`${edge}/payments/${pending.payment_id}`);

  const status = { method: "GET", path: new URL(pending.status_url).pathname };
  const byTicket = { ...status, headers: { "x-mnemospark-ticket": pending.ticket ?? "" } };
  const waiting = await ask(edge, byTicket);
  expect(read(PaymentReply, waiting)).toMatchObject({
    payment_state: "pending",
    order_state: "paying",
    retry_after_s: 3,
  });
  expect(waiting.headers.get("retry-after")).toBe("3");
  const { token } = await openSession(edge, buyer);
  const bySession = { ...status, headers: { authorization: `Bearer ${token}` } };
  expect(read(PaymentReply, await ask(edge, bySession))).toMatchObject({ payment_state: "pending" });

  await stack.chain.client.setIntervalMining({ interval: 1 });
  const deadline = Date.now() + 60_000;
  let now = read(PaymentReply, await ask(edge, byTicket));
  while (now.payment_state === "pending" && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    now = read(PaymentReply, await ask(edge, byTicket));
  }
  expect(now).toMatchObject({ payment_state: "settled", order_state: "paid", order_id: pending.order_id });
  expect(now.paid_through).toMatch(/^20/);
  expect(now.retry_after_s).toBeUndefined();
}, 150_000);
