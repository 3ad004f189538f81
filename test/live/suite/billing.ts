/** What a wallet is told about its money, through the door. */
import { describe, expect, test } from "vitest";
import { BillingReply, EventsReply } from "#contract/billing";
import { type Ask, ask, read } from "../door.ts";
import { contentOf, offerFor, paying, storeBytes, untilAnswered } from "../shop.ts";
import type { Live } from "../stack.ts";

export function billing(live: () => Live): void {
  describe.concurrent("billing and events", () => {
    test("say what is due when and for how much, what was paid by which transaction, and what happened", async () => {
      const { edge } = live();
      const owner = live().wallet();
      await storeBytes(edge, owner, "ledger", contentOf("to be billed"));
      const renewing: Ask = {
        path: "/payment/settle",
        by: owner,
        body: { wallet_address: owner.address, renewal: true, object_key: "ledger" },
      };
      const signed = await offerFor(edge, owner, renewing);
      const renewed = await untilAnswered(edge, paying(renewing, signed));
      const get = (path: string) => ask(edge, { method: "GET", path, by: owner });
      const bill = read(BillingReply, await get("/billing"));
      expect(bill.due).toMatchObject([
        {
          object_key: "ledger",
          state: "stored",
          size_bytes: contentOf("to be billed").bytes.length,
          paid_through: renewed.json["paid_through"],
          period_index: 1,
          next_period_index: 2,
          next_amount: signed.authorization.value.toString(),
        },
      ]);
      expect(bill.payments).toMatchObject([
        { purpose: "renewal", payment_state: "settled", trans_id: renewed.json["trans_id"], period_index: 1 },
        { purpose: "order", payment_state: "settled", trans_id: expect.stringMatching(/^0x[0-9a-f]{64}$/) },
      ]);
      expect(bill).toMatchObject({ credit: "0", due_after: null, payments_before: null });
      const page = read(BillingReply, await get("/billing?max=1"));
      expect(page.payments).toHaveLength(1);
      const next = read(BillingReply, await get(`/billing?max=1&payments_before=${page.payments_before}`));
      expect(next.payments[0]?.purpose).toBe("order");

      const all = read(EventsReply, await get("/events"));
      const kinds = all.events.map(({ kind }) => kind);
      expect(kinds).toEqual(
        expect.arrayContaining(["payment.settled", "order.settled", "order.stored", "order.renewed"]),
      );
      expect(all.more).toBe(false);
      const half = read(EventsReply, await get(`/events?after=${all.events[1]?.number}&max=2`));
      expect(half.events).toEqual(all.events.slice(2, 4));
      expect(read(EventsReply, await get(`/events?after=${all.last}`)).events).toEqual([]);
      const stranger = await ask(edge, { method: "GET", path: "/billing" });
      expect(stranger.status).toBe(401);
    });
  });
}
