/** The relayer has no gas money; the chain cannot be reached; the payer takes back what he signed. One after the other: all share one relayer. */
import { setTimeout as sleep } from "node:timers/promises";
import { parseEther } from "viem";
import { describe, expect, test } from "vitest";
import { UploadReply } from "#contract/api";
import { transfersFrom } from "../chain.ts";
import { type Ask, ask, read, walletOf } from "../door.ts";
import { written } from "../kill/books.ts";
import { contentOf, offerFor, paying, untilAnswered, uploadBody } from "../shop.ts";
import type { Live } from "../stack.ts";
import { cancelAhead, sentSoFar } from "./chain.ts";
import type { Gate } from "./gate.ts";

const bare = (name: string): Ask => ({ path: "/storage/upload", body: uploadBody(name, contentOf("comes through")) });

export function outages(live: () => Live, gate: () => Gate): void {
  const untilSent = async (before: number) => {
    while ((await sentSoFar(live().stack)) === before) await sleep(5);
  };

  describe("the relayer without gas money", () => {
    test("says so and charges nobody; funded again, the same payment goes through", async () => {
      const { edge, stack } = live();
      const buyers = [live().wallet(), live().wallet()];
      const asked = await Promise.all(
        buyers.map(async (buyer) => paying(bare("no gas"), await offerFor(edge, buyer, bare("no gas")))),
      );
      const before = await sentSoFar(stack);
      await stack.chain.client.setBalance({ address: stack.relayerAddress, value: 1_000n });
      const said = await Promise.all(asked.map((each) => ask(edge, each)));
      for (const each of said) {
        expect(each).toMatchObject({ status: 503, json: { code: "settlement_unavailable", retryable: true } });
        expect(each.headers.get("retry-after")).toMatch(/^\d+$/);
        expect(each.headers.get("payment-required")).toBeNull();
      }
      expect(await sentSoFar(stack)).toBe(before);
      await stack.chain.client.setBalance({ address: stack.relayerAddress, value: parseEther("10") });
      for (const [index, each] of asked.entries()) {
        const plan = read(UploadReply, await untilAnswered(edge, each));
        const { address } = buyers[index] ?? buyers[0] ?? live().wallet();
        expect(await transfersFrom(stack, address)).toMatchObject([{ txHash: plan.trans_id }]);
      }
    });
  });

  describe("endpoints that are down", () => {
    test("before anything was sent: 503, never 402, and the same payment goes through later", async () => {
      const { edge, stack } = live();
      const buyer = live().wallet();
      const asked = paying(bare("before"), await offerFor(edge, buyer, bare("before")));
      for (const state of ["gone", "faulty"] as const) {
        gate().state = state;
        const said = await ask(edge, asked).finally(() => {
          gate().state = "open";
        });
        expect(said).toMatchObject({ status: 503, json: { code: "settlement_unavailable" } });
      }
      const plan = read(UploadReply, await untilAnswered(edge, asked));
      expect(await transfersFrom(stack, buyer.address)).toMatchObject([{ txHash: plan.trans_id }]);
    });

    test("for a moment after the payment was sent: nobody notices", async () => {
      const { edge, stack } = live();
      const buyer = live().wallet();
      const asked = paying(bare("later"), await offerFor(edge, buyer, bare("later")));
      const before = await sentSoFar(stack);
      const answered = untilAnswered(edge, asked);
      await untilSent(before);
      gate().state = "gone";
      await sleep(2_500);
      gate().state = "open";
      const plan = read(UploadReply, await answered);
      expect(await transfersFrom(stack, buyer.address)).toMatchObject([{ txHash: plan.trans_id }]);
    });
  });

  test("an authorization that its payer cancels while it is being settled pays for nothing and grants nothing", async () => {
    const { edge, stack } = live();
    const buyer = live().wallet();
    const signed = await offerFor(edge, buyer, bare("cancelled"));
    const before = await sentSoFar(stack);
    await stack.chain.client.setIntervalMining({ interval: 0 });
    const answered = untilAnswered(edge, paying(bare("cancelled"), signed));
    try {
      await untilSent(before);
      await cancelAhead(stack, buyer, signed.authorization.nonce);
    } finally {
      await stack.chain.client.setIntervalMining({ interval: 2 });
    }
    expect(await answered).toMatchObject({ status: 402, json: { reason: "invalid_exact_evm_nonce_already_used" } });
    expect(await transfersFrom(stack, buyer.address)).toEqual([]);
    const states = written(stack)
      .orders.filter(({ wallet }) => wallet === walletOf(buyer))
      .map(({ state }) => state);
    expect(states).toEqual(["ended"]);
    // Nothing stands in the way of an honest payment for the same name.
    const again = paying(bare("cancelled"), await offerFor(edge, buyer, bare("cancelled")));
    expect((await untilAnswered(edge, again)).status).toBe(200);
  });
}
