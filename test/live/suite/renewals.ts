/** The next 30 days of a stored object, through the door: priced by what S3 holds, paid once, found again when a reply was lost. */
import type { PrivateKeyAccount } from "viem/accounts";
import { describe, expect, test } from "vitest";
import { StatReply } from "#contract/objects";
import { PaymentReply, SettleReply } from "#contract/settling";
import { transfersFrom } from "../chain.ts";
import { type Ask, ask, prove, read, walletOf } from "../door.ts";
import { ledgerOf } from "../ledger.ts";
import { required, sign } from "../purse.ts";
import { contentOf, offerFor, paying, priceOf, storeBytes, untilAnswered } from "../shop.ts";
import type { Live } from "../stack.ts";

const content = contentOf("kept for another month");
const PERIOD_MS = 30 * 86_400_000;

export function renewals(live: () => Live): void {
  const renewing = (owner: PrivateKeyAccount, name: string, more: object = {}): Ask => ({
    path: "/payment/settle",
    by: owner,
    body: { wallet_address: owner.address, renewal: true, object_key: name, ...more },
  });
  const transfers = (owner: PrivateKeyAccount) => transfersFrom(live().stack, owner.address);
  const stat = async (owner: PrivateKeyAccount, name: string) =>
    read(
      StatReply,
      await ask(live().edge, {
        path: "/storage/ls",
        by: owner,
        body: { wallet_address: owner.address, object_key: name },
      }),
    );

  describe.concurrent("a renewal", () => {
    test("asks what the stored bytes cost, adds 30 days, and is found again", async () => {
      const { edge } = live();
      const owner = live().wallet();
      await storeBytes(edge, owner, "kept", content);
      const before = Date.parse((await stat(owner, "kept")).paid_through);
      const price = await priceOf(edge, owner, "as large", content.bytes.length);
      const signed = await offerFor(edge, owner, renewing(owner, "kept"));
      expect(signed.authorization.value).toBe(BigInt(price.amount));
      const asked = paying(renewing(owner, "kept"), signed);
      const said = await untilAnswered(edge, asked);
      const renewed = read(SettleReply, said);
      expect(renewed).toMatchObject({
        renewal: true,
        object_key: "kept",
        period_index: 1,
        payment_status: "confirmed",
        amount: price.amount,
        billing_period: new Date().toISOString().slice(0, 7),
      });
      expect(renewed.result).toBeUndefined();
      expect(said.headers.get("payment-response")).toBeTruthy();
      expect(Date.parse(renewed.paid_through)).toBe(before + PERIOD_MS);
      expect((await stat(owner, "kept")).paid_through).toBe(renewed.paid_through);
      // The same request, a request without a payment, and a fresh payment: one transfer, one answer.
      const fresh = paying(
        renewing(owner, "kept"),
        await sign(owner, required((await ask(edge, renewing(owner, "kept", { period_index: 2 }))).headers)),
      );
      for (const again of [asked, renewing(owner, "kept"), fresh, renewing(owner, "kept", { period_index: 1 })])
        expect(read(SettleReply, await ask(edge, again))).toMatchObject({
          result: "already_settled",
          trans_id: renewed.trans_id,
          period_index: 1,
        });
      expect(await transfers(owner)).toHaveLength(2);
      const path = `/payments/${renewed.payment_id}`;
      expect(read(PaymentReply, await ask(edge, { method: "GET", path, by: owner }))).toMatchObject({
        purpose: "renewal",
        period_index: 1,
        payment_state: "settled",
      });
    });

    test("asked for ten times at once with ten payments is one transfer", async () => {
      const { edge } = live();
      const owner = live().wallet();
      await storeBytes(edge, owner, "raced", content);
      const offer = required((await ask(edge, renewing(owner, "raced"))).headers);
      const said = await Promise.all(
        Array.from({ length: 10 }, async () =>
          untilAnswered(edge, paying(renewing(owner, "raced"), await sign(owner, offer))),
        ),
      );
      expect(new Set(said.map((each) => read(SettleReply, each).trans_id)).size).toBe(1);
      expect(await transfers(owner)).toHaveLength(2);
    });

    test("by the published client: one proof of version 1 for probe and payment, both payment headers", async () => {
      const { edge } = live();
      const owner = live().wallet();
      await storeBytes(edge, owner, "monthly", content);
      const proof = await prove(owner, "POST", new URL("/payment/settle", edge), "", { version: "1" });
      const { by: _, ...asked } = renewing(owner, "monthly");
      const probe = await ask(edge, { ...asked, headers: { "X-Wallet-Signature": proof } });
      const { header } = await sign(owner, required(probe.headers));
      const headers = { "X-Wallet-Signature": proof, "PAYMENT-SIGNATURE": header, "x-payment": header };
      const settled = read(SettleReply, await untilAnswered(edge, { ...asked, headers }));
      expect(settled).toMatchObject({
        renewal: true,
        payment_status: "confirmed",
        wallet_address: owner.address.toLowerCase(),
      });
      expect(settled.quote_id).toMatch(/^renewal#\d{4}-\d{2}#bW9udGhseQ$/);
    });

    test("of what is not there, or not meant, is refused and nothing is charged", async () => {
      const { edge } = live();
      const owner = live().wallet();
      await storeBytes(edge, owner, "there", content);
      const said = async (name: string, more: object = {}) => (await ask(edge, renewing(owner, name, more))).json;
      expect(await said("nowhere")).toMatchObject({ status: 404, error: "renewal_not_registered" });
      expect(await said("there", { period_index: 3 })).toMatchObject({ status: 409, next_period_index: 1 });
      expect(await said("there", { quote_id: "q" })).toMatchObject({ status: 400 });
      expect(await said("there", { renewal: "yes" })).toMatchObject({ status: 400 });
      const nameless = { path: "/payment/settle", by: owner, body: { wallet_address: owner.address, renewal: true } };
      expect((await ask(edge, nameless)).json).toMatchObject({ status: 400 });
      const bodies = { wallet_address: owner.address, object_key: "there" };
      expect((await ask(edge, { path: "/storage/delete", by: owner, body: bodies })).status).toBe(200);
      expect(await said("there")).toMatchObject({ status: 404, error: "renewal_not_registered" });
      expect(await transfers(owner)).toHaveLength(1);
    });

    test("whose object is deleted while it is on its way is told so, and its money is not lost from sight", async () => {
      const { edge, stack } = live();
      const owner = live().wallet();
      await storeBytes(edge, owner, "dropped", content);
      const asked = paying(renewing(owner, "dropped"), await offerFor(edge, owner, renewing(owner, "dropped")));
      const settling = untilAnswered(edge, asked);
      while (ledgerOf(stack, walletOf(owner)).payments < 2) await new Promise((resolve) => setTimeout(resolve, 20));
      const body = { wallet_address: owner.address, object_key: "dropped" };
      expect((await ask(edge, { path: "/storage/delete", by: owner, body })).status).toBe(200);
      const said = await settling;
      // Claimed before the delete: settled before it, or after.
      expect([200, 410]).toContain(said.status);
      expect(await transfers(owner)).toHaveLength(2);
      if (said.status === 410) {
        expect(said.json).toMatchObject({ code: "gone", credited: expect.any(String) });
        expect((await ask(edge, asked)).json).toMatchObject({ code: "gone" });
      }
    });
  });
}
