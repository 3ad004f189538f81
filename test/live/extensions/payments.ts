/** What a payment can be called by and asked about: identifiers, status, receipts, and what a probe is told. */
import { ExactEvmScheme } from "@x402/evm";
import { wrapFetchWithPayment, x402Client } from "@x402/fetch";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import { ConfirmReply, HealthReply, UploadReply } from "#contract/api";
import { base64ToJson } from "#contract/base64";
import { UPLOAD_EXAMPLE } from "#contract/bazaar";
import { PaymentReply, SettleReply } from "#contract/settling";
import { verifyOffer, verifyPaymentReceipt, verifyStorageReceipt } from "../../../client-plugin/receipt.ts";
import { transfersFrom } from "../chain.ts";
import { ask, read } from "../door.ts";
import { required, sign } from "../purse.ts";
import {
  buy,
  confirm,
  contentOf,
  offerFor,
  paidUnder,
  paying,
  priceOf,
  put,
  untilAnswered,
  uploadBody,
} from "../shop.ts";
import type { Live } from "../stack.ts";
import { bearing, openSession, reasonOf, signedIn } from "./signing.ts";

const Offered = z.object({ "offer-receipt": z.object({ info: z.object({ offers: z.array(z.unknown()).length(1) }) }) });
type Receipted = { extensions: { "offer-receipt": { info: { receipt: unknown } } } };

export function payments(live: () => Live): void {
  const signerOf = async () => {
    const said = await ask(live().edge, { method: "GET", path: "/healthz" });
    return read(HealthReply, said).receipt_signer ?? "";
  };

  describe.concurrent("a payment identifier", () => {
    test("names one purchase: the same answer for it, a conflict for any other, and one transfer", async () => {
      const { edge, stack } = live();
      const account = live().wallet();
      const id = `pay_${"0123456789abcdef"}_a`;
      const asked = { path: "/storage/upload", body: uploadBody("named.age", contentOf("named")) };
      const first = read(UploadReply, await untilAnswered(edge, await paidUnder(edge, account, asked, id)));
      // A fresh authorization under the same id.
      const again = read(UploadReply, await untilAnswered(edge, await paidUnder(edge, account, asked, id)));
      expect(again).toMatchObject({ order_id: first.order_id, trans_id: first.trans_id });
      expect(await transfersFrom(stack, account.address)).toHaveLength(1);

      const other = { path: "/storage/upload", body: uploadBody("other.age", contentOf("named")) };
      const said = await ask(edge, await paidUnder(edge, account, other, id));
      expect(reasonOf(said)).toBe("409 key_reused");
      expect(said.json).toMatchObject({ field: "object_key", detail: expect.stringContaining("payment-identifier") });
      expect(await transfersFrom(stack, account.address)).toHaveLength(1);
    });

    test("binds beside an Idempotency-Key, and is another wallet's to use as well", async () => {
      const { edge } = live();
      const [account, neighbour] = [live().wallet(), live().wallet()];
      const id = `pay_${"0123456789abcdef"}_b`;
      const asked = (name: string, key: string) => ({
        path: "/storage/upload",
        body: uploadBody(name, contentOf(name)),
        headers: { "idempotency-key": key },
      });
      const first = await untilAnswered(edge, await paidUnder(edge, account, asked("one.age", "key-1"), id));
      expect(first.status).toBe(200);
      const keyed = await ask(
        edge,
        paying(asked("two.age", "key-1"), await offerFor(edge, account, asked("two.age", "key-1"))),
      );
      expect(`${keyed.status} ${String(keyed.json["detail"])}`).toMatch(/^409 Idempotency-Key/);
      const named = await ask(edge, await paidUnder(edge, account, asked("two.age", "key-2"), id));
      expect(`${named.status} ${String(named.json["detail"])}`).toMatch(/^409 payment-identifier/);
      const theirs = await untilAnswered(edge, await paidUnder(edge, neighbour, asked("two.age", "key-1"), id));
      expect(theirs.status).toBe(200);
    });

    test("that made an order which was deleted buys no second one", async () => {
      const { edge, stack } = live();
      const account = live().wallet();
      const id = `pay_${"0123456789abcdef"}_c`;
      const asked = { path: "/storage/upload", body: uploadBody("gone.age", contentOf("gone")) };
      expect((await untilAnswered(edge, await paidUnder(edge, account, asked, id))).status).toBe(200);
      const body = { wallet_address: account.address, object_key: "gone.age" };
      expect((await ask(edge, { path: "/storage/delete", body, by: account })).status).toBe(200);
      expect(reasonOf(await ask(edge, await paidUnder(edge, account, asked, id)))).toBe("410 gone");
      expect(await transfersFrom(stack, account.address)).toHaveLength(1);
    });

    test("whose payment came to nothing is as good as new", async () => {
      const { edge, stack } = live();
      const account = privateKeyToAccount(generatePrivateKey());
      const id = `pay_${"0123456789abcdef"}_d`;
      const asked = { path: "/storage/upload", body: uploadBody("poor.age", contentOf("poor")) };
      expect(reasonOf(await ask(edge, await paidUnder(edge, account, asked, id)))).toMatch(/^402 payment_invalid/);
      await stack.chain.fund(account.address, 1_000_000n);
      expect((await untilAnswered(edge, await paidUnder(edge, account, asked, id))).status).toBe(200);
      expect(await transfersFrom(stack, account.address)).toHaveLength(1);
    });

    test("of the wrong form is refused before anything is claimed", async () => {
      const { edge, stack } = live();
      const account = live().wallet();
      const asked = { path: "/storage/upload", body: uploadBody("bad.age", contentOf("bad")) };
      expect(reasonOf(await ask(edge, await paidUnder(edge, account, asked, "short")))).toBe("400 invalid_payload");
      expect(await transfersFrom(stack, account.address)).toEqual([]);
    });
  });

  describe.concurrent("the state of a payment", () => {
    test("is told to its wallet and to its order's ticket, and to nobody else", async () => {
      const { edge } = live();
      const [owner, stranger] = [live().wallet(), live().wallet()];
      const { quote_id } = await priceOf(edge, owner, "asked.age", 5);
      const asked = { path: "/payment/settle", body: { wallet_address: owner.address, quote_id }, by: owner };
      const signed = await offerFor(edge, owner, asked);
      const settled = read(SettleReply, await untilAnswered(edge, paying(asked, signed)));
      const status = { method: "GET", path: `/payments/${settled.payment_id}` };
      const content = contentOf("asked");
      const { ticket } = read(
        UploadReply,
        await ask(edge, {
          path: "/storage/upload",
          body: uploadBody("asked.age", content, { order_id: settled.order_id }),
          by: owner,
        }),
      );

      const byProof = read(PaymentReply, await ask(edge, { ...status, by: owner }));
      expect(byProof).toMatchObject({
        payment_state: "settled",
        trans_id: settled.trans_id,
        order_id: settled.order_id,
        amount: settled.amount,
        payer: owner.address.toLowerCase(),
        paid_through: settled.paid_through,
        block_number: expect.stringMatching(/^[0-9]+$/),
      });
      const { token } = await openSession(edge, owner);
      for (const other of [
        bearing(status, token),
        await signedIn(edge, owner, status),
        { ...status, headers: { "x-mnemospark-ticket": ticket } },
      ])
        expect(read(PaymentReply, await ask(edge, other))).toEqual(byProof);

      const bought = read(UploadReply, (await buy(edge, owner, "second.age", content)).said);
      const strangers = await openSession(edge, stranger);
      const refused = [
        { ...status, by: stranger },
        bearing(status, strangers.token),
        await signedIn(edge, stranger, status),
        { ...status, headers: { "x-mnemospark-ticket": bought.ticket } },
        { ...status, path: `${status.path.slice(0, -4)}0000`, by: owner },
        { ...status, path: "/payments/nonsense", by: owner },
      ];
      for (const other of refused) expect(reasonOf(await ask(edge, other))).toBe("404 not_found");
      expect(reasonOf(await ask(edge, status))).toBe("401 proof_missing");
    });
  });

  describe.concurrent("signed artefacts", () => {
    test("an offer, a receipt and a storage receipt hold, and fall with a flipped field", async () => {
      const { edge } = live();
      const account = live().wallet();
      const signer = await signerOf();
      const content = contentOf("receipted");
      const asked = { path: "/storage/upload", body: uploadBody("receipted.age", content) };
      const asks = required((await ask(edge, asked)).headers);
      const { offers } = Offered.parse(asks.extensions)["offer-receipt"].info;
      const [accept] = asks.accepts;
      expect(await verifyOffer(offers[0], signer)).toMatchObject({
        ok: true,
        payload: { amount: accept?.amount, payTo: accept?.payTo, resourceUrl: `${edge}/storage/upload` },
      });

      const said = await untilAnswered(edge, paying(asked, await sign(account, asks)));
      const plan = read(UploadReply, said);
      const response = base64ToJson(said.headers.get("payment-response") ?? "") as Receipted;
      const { receipt } = response.extensions["offer-receipt"].info;
      expect(await verifyPaymentReceipt(receipt, signer)).toMatchObject({
        ok: true,
        payload: { payer: account.address.toLowerCase(), transaction: plan.trans_id, network: "eip155:84532" },
      });

      expect((await put(plan, content.bytes)).status).toBe(200);
      const confirmed = read(ConfirmReply, await confirm(edge, plan));
      expect(await verifyStorageReceipt(confirmed.receipt, signer)).toMatchObject({
        ok: true,
        payload: {
          order_id: plan.order_id,
          wallet: account.address.toLowerCase(),
          object_key: "receipted.age",
          content_sha256: content.sha256,
          size_bytes: content.bytes.length,
          transaction: plan.trans_id,
        },
      });
      const flipped = { ...confirmed.receipt, payload: { ...confirmed.receipt?.payload, size_bytes: 1 } };
      expect(await verifyStorageReceipt(flipped, signer)).toMatchObject({ ok: false });
    });
  });

  describe.concurrent("discovery", () => {
    test("an empty probe is told the price of the declared example, in a header of less than 6 KB", async () => {
      const { edge } = live();
      const said = await ask(edge, { path: "/storage/upload" });
      expect(said.status).toBe(402);
      const probed = required(said.headers);
      expect(Object.keys(probed.extensions ?? {}).sort()).toEqual([
        "bazaar",
        "offer-receipt",
        "payment-identifier",
        "sign-in-with-x",
      ]);
      const example = required((await ask(edge, { path: "/storage/upload", body: UPLOAD_EXAMPLE })).headers);
      expect(probed.accepts).toEqual(example.accepts);
      for (const { headers } of [said, await ask(edge, { path: "/storage/upload", body: UPLOAD_EXAMPLE })])
        expect(headers.get("payment-required")?.length).toBeLessThan(6 * 1024);
      // Nobody who means to pay is sold nothing.
      const meant = { path: "/storage/upload", headers: { "payment-signature": "e30=" } };
      expect(reasonOf(await ask(edge, meant))).toBe("400 malformed");
    });

    test("openapi and the well-known document are served to all", async () => {
      const { edge } = live();
      const document = await ask(edge, { method: "GET", path: "/openapi.json" });
      expect(document.json).toMatchObject({
        openapi: "3.1.0",
        servers: [{ url: edge }],
        info: { title: "mnemospark" },
      });
      const known = await ask(edge, { method: "GET", path: "/.well-known/x402" });
      expect(known.json).toMatchObject({
        version: 1,
        resources: [`${edge}/storage/upload`],
        receiptSigner: await signerOf(),
      });
    });

    test("a stock client pays with every extension advertised", async () => {
      const { edge, stack } = live();
      const account = live().wallet();
      const client = new x402Client().register("eip155:84532", new ExactEvmScheme(account));
      const said = await wrapFetchWithPayment(fetch, client)(`${edge}/storage/upload`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(uploadBody("stock.age", contentOf("stock"))),
      });
      expect(said.status).toBe(200);
      const plan = UploadReply.parse(await said.json());
      expect((await transfersFrom(stack, account.address)).map(({ txHash }) => txHash)).toEqual([plan.trans_id]);
    });
  });
}
