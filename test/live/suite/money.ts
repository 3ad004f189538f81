/** One purchase, one transfer: whatever the client repeats, loses or races. The chain is asked, not the service. */
import { request } from "node:http";
import type { PrivateKeyAccount } from "viem/accounts";
import { describe, expect, test } from "vitest";
import { ConfirmReply, type PriceReply, UploadReply } from "#contract/api";
import { base64ToJson, jsonToBase64 } from "#contract/base64";
import { ListReply } from "#contract/objects";
import { SettleReply } from "#contract/settling";
import { landAsStranger, transfersFrom } from "../chain.ts";
import { type Ask, ask, read, requestOf, walletOf } from "../door.ts";
import { ledgerOf } from "../ledger.ts";
import { required, sign } from "../purse.ts";
import { buy, confirm, contentOf, offerFor, paying, priceOf, put, untilAnswered, uploadBody } from "../shop.ts";
import type { Live } from "../stack.ts";

const content = contentOf("worth one payment");

export function money(live: () => Live): void {
  const bare = (name: string, more: object = {}): Ask => ({
    path: "/storage/upload",
    body: uploadBody(name, content, more),
  });
  const transfers = (account: PrivateKeyAccount) => transfersFrom(live().stack, account.address);

  describe.concurrent("one purchase is one transfer", () => {
    test("when the same payment comes ten times at once: ten equal orders", async () => {
      const { edge } = live();
      const buyer = live().wallet();
      const signed = await offerFor(edge, buyer, bare("ten"));
      const said = await Promise.all(Array.from({ length: 10 }, () => ask(edge, paying(bare("ten"), signed))));
      const plans = said.map((each) => read(UploadReply, each));
      expect(new Set(plans.map((plan) => `${plan.order_id} ${plan.plan.s3_key} ${plan.trans_id}`)).size).toBe(1);
      expect(new Set(said.map((each) => each.headers.get("payment-response"))).size).toBe(1);
      expect(await transfers(buyer)).toEqual([
        { to: live().stack.payTo, amount: BigInt(plans[0]?.amount ?? 0), txHash: plans[0]?.trans_id },
      ]);
    });

    test("when ten payments for one name come at once: one is sent, nobody is told to pay again", async () => {
      const { edge } = live();
      const buyer = live().wallet();
      const offer = required((await ask(edge, bare("race"))).headers);
      const said = await Promise.all(
        Array.from({ length: 10 }, async () => ask(edge, paying(bare("race"), await sign(buyer, offer)))),
      );
      expect(said.map((each) => each.status).filter((status) => status !== 200 && status !== 409)).toEqual([]);
      expect(said.some((each) => each.status === 200)).toBe(true);
      for (const each of said.filter(({ status }) => status === 409))
        expect(each.json).toMatchObject({ code: "payment_pending", retryable: true });
      expect(await transfers(buyer)).toHaveLength(1);
    });

    test("when the reply is lost and the same payment is sent again", async () => {
      const { edge } = live();
      const buyer = live().wallet();
      const asked = paying(bare("lost"), await offerFor(edge, buyer, bare("lost")));
      await hangUp(edge, asked, 150);
      const plan = read(UploadReply, await untilAnswered(edge, asked));
      expect(await transfers(buyer)).toMatchObject([{ txHash: plan.trans_id }]);
    });

    test("when a fresh authorization comes for a bought name", async () => {
      const { edge } = live();
      const buyer = live().wallet();
      const bought = await buy(edge, buyer, "once", content);
      const plan = read(UploadReply, bought.said);
      const second = await buy(edge, buyer, "once", content);
      expect(second.signed.authorization.nonce).not.toBe(bought.signed.authorization.nonce);
      expect(read(UploadReply, second.said)).toMatchObject({ order_id: plan.order_id, trans_id: plan.trans_id });
      // A payment says who paid, not who may replace: other bytes take a proof or the ticket.
      const other = await buy(edge, buyer, "once", contentOf("worth another one"));
      expect(other.said).toMatchObject({ status: 409, json: { code: "object_key_exists" } });
      expect(await transfers(buyer)).toHaveLength(1);
    });

    test("when an authorization comes back for something else", async () => {
      const { edge } = live();
      const buyer = live().wallet();
      const { signed, said } = await buy(edge, buyer, "first", content);
      expect(said.status).toBe(200);
      const reused = await ask(edge, paying(bare("second"), signed));
      expect(reused).toMatchObject({ status: 409, json: { code: "authorization_bound" } });
      expect(await transfers(buyer)).toHaveLength(1);
    });

    test("when both header families carry it: the answer goes out in both", async () => {
      const { edge } = live();
      const buyer = live().wallet();
      const { header } = await offerFor(edge, buyer, bare("families"));
      const headers = { "payment-signature": header, "x-payment": header };
      const said = await untilAnswered(edge, { ...bare("families"), headers });
      const plan = read(UploadReply, said);
      for (const name of ["payment-response", "x-payment-response"])
        expect(base64ToJson(said.headers.get(name) ?? "")).toMatchObject({ transaction: plan.trans_id });
      expect(await transfers(buyer)).toHaveLength(1);
    });

    test("when somebody interferes while it is open: no delete, no second price, then it settles", async () => {
      const { edge, stack } = live();
      const buyer = live().wallet();
      const asked = paying(bare("open"), await offerFor(edge, buyer, bare("open")));
      const settling = untilAnswered(edge, asked);
      while (ledgerOf(stack, walletOf(buyer)).payments === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      const body = { wallet_address: buyer.address, object_key: "open" };
      const meddling = [
        { path: "/storage/delete", body, by: buyer },
        { ...bare("open"), by: buyer },
      ];
      for (const said of await Promise.all(meddling.map((each) => ask(edge, each))))
        expect(said).toMatchObject({ status: 409, json: { code: "payment_pending" } });
      expect((await settling).status).toBe(200);
      expect(await ask(edge, { ...bare("open"), by: buyer })).toMatchObject({ status: 200 });
      expect(await transfers(buyer)).toHaveLength(1);
    });

    test("when two wallets pay at once: both settle, in one transaction or in two with nonces of their own", async () => {
      const { edge, stack } = live();
      const buyers = [live().wallet(), live().wallet()];
      const bought = await Promise.all(buyers.map((buyer) => buy(edge, buyer, "both", content)));
      const plans = bought.map(({ said }) => read(UploadReply, said));
      const sent = await Promise.all(
        plans.map(({ trans_id }) => stack.chain.client.getTransaction({ hash: trans_id as `0x${string}` })),
      );
      expect(new Set(sent.map((each) => each.from))).toEqual(new Set([stack.relayerAddress.toLowerCase()]));
      // What waits together goes together; what does not has a nonce of its own.
      expect(new Set(sent.map((each) => each.nonce)).size).toBe(new Set(sent.map((each) => each.hash)).size);
      for (const buyer of buyers) expect(await transfers(buyer)).toHaveLength(1);
    });

    test("when somebody else lands the authorization first: it is recognised as paid", async () => {
      const { edge, stack } = live();
      const buyer = live().wallet();
      const signed = await offerFor(edge, buyer, bare("landed"));
      const txHash = await landAsStranger(stack, signed);
      const plan = read(UploadReply, await ask(edge, paying(bare("landed"), signed)));
      expect(plan.trans_id).toBe(txHash);
      expect(await transfers(buyer)).toMatchObject([{ txHash }]);
    });

    test("when it was landed some blocks before it is presented", async () => {
      const { edge, stack } = live();
      const buyer = live().wallet();
      const signed = await offerFor(edge, buyer, bare("earlier"));
      const hash = await landAsStranger(stack, signed);
      const { blockNumber } = await stack.chain.client.waitForTransactionReceipt({ hash });
      while ((await stack.chain.client.getBlockNumber({ cacheTime: 0 })) < blockNumber + 2n)
        await new Promise((resolve) => setTimeout(resolve, 100));
      const plan = read(UploadReply, await untilAnswered(edge, paying(bare("earlier"), signed)));
      expect(plan.trans_id).toBe(hash);
      expect(await transfers(buyer)).toHaveLength(1);
    });

    test("and none at all when its nonce was spent on somebody else", async () => {
      const { edge, stack } = live();
      const buyer = live().wallet();
      const signed = await offerFor(edge, buyer, bare("burnt"));
      const to = walletOf(live().wallet());
      const { nonce } = signed.authorization;
      const elsewhere = await offerFor(edge, buyer, bare("burnt"), { authorization: { to, nonce } });
      await stack.chain.client.waitForTransactionReceipt({ hash: await landAsStranger(stack, elsewhere) });
      expect(await untilAnswered(edge, paying(bare("burnt"), signed))).toMatchObject({
        status: 402,
        json: { code: "payment_invalid", reason: "invalid_exact_evm_nonce_already_used" },
      });
      expect((await transfers(buyer)).filter((each) => each.to === stack.payTo)).toEqual([]);
      expect(await ask(edge, { ...bare("burnt"), by: buyer })).toMatchObject({ status: 402 });
    });

    test("when a payer with funds for one buys two at once: one is paid, one refused, never two", async () => {
      const { edge, stack } = live();
      const buyer = live().wallet();
      await leaveOnly(live(), buyer, 10_000n);
      const names = ["one", "two"];
      const bought = await Promise.all(names.map((name) => buy(edge, buyer, name, content)));
      expect(bought.map(({ said }) => said.status).sort()).toEqual([200, 402]);
      const refused = bought.find(({ said }) => said.status === 402);
      expect(refused?.said.json).toMatchObject({ code: "payment_invalid" });
      expect(await stack.chain.usdcBalance(buyer.address)).toBe(0n);
      expect((await transfers(buyer)).filter(({ to }) => to === stack.payTo)).toHaveLength(1);
      const name = names[bought.findIndex(({ said }) => said.status === 402)] ?? "";
      expect(await ask(edge, { ...bare(name), by: buyer })).toMatchObject({ status: 402 });
    });
  });

  describe.concurrent("a quote", () => {
    test("is settled, uploaded and confirmed; settled again it names the same transfer", async () => {
      const { edge } = live();
      const buyer = live().wallet();
      const quote = await priceOf(edge, buyer, "quoted", content.bytes.length);
      const settle: Ask = {
        path: "/payment/settle",
        by: buyer,
        body: { wallet_address: buyer.address, quote_id: quote.quote_id },
      };
      const signed = await offerFor(edge, buyer, settle);
      expect(signed.authorization.value).toBe(BigInt(quote.amount));
      const first = read(SettleReply, await ask(edge, paying(settle, signed)));
      expect(first).toMatchObject({ payment_status: "confirmed", quote_id: quote.quote_id });
      expect(first.result).toBeUndefined();
      for (const again of [settle, paying(settle, signed), paying(settle, await signedAnew(buyer, signed.header))])
        expect(read(SettleReply, await ask(edge, again))).toMatchObject({
          result: "already_settled",
          trans_id: first.trans_id,
          order_id: first.order_id,
        });
      const { object_key: _, ...body } = uploadBody("quoted", content);
      const upload = { path: "/storage/upload", by: buyer, body: { quote_id: quote.quote_id, ...body } };
      const plan = read(UploadReply, await ask(edge, upload));
      expect((await put(plan, content.bytes)).status).toBe(200);
      const confirmed = read(ConfirmReply, await confirm(edge, plan));
      expect(confirmed).toMatchObject({ state: "stored", quote_id: quote.quote_id, trans_id: first.trans_id });
      // The ticket opens its order by whichever id the plan showed.
      const byQuote = { path: "/storage/upload/confirm", body: { quote_id: plan.quote_id } };
      const ticketed = { ...byQuote, headers: { "x-mnemospark-ticket": plan.ticket } };
      expect(read(ConfirmReply, await ask(edge, ticketed))).toEqual(confirmed);
      expect(await transfers(buyer)).toHaveLength(1);
    });

    test("moves to another free name with its upload; two agents have a name each", async () => {
      const { edge } = live();
      const buyer = live().wallet();
      const quotes = await Promise.all(
        ["main", "second"].map((agent_id) => priceOf(edge, buyer, "asked", 1_000, { agent_id })),
      );
      const { object_key: _, region: __, ...sized } = uploadBody("", content);
      const bring = async ({ quote_id, agent_id }: PriceReply) => {
        const body = { quote_id, agent_id, object_key: "moved", ...sized };
        const upload = { path: "/storage/upload", by: buyer, body };
        const said = await untilAnswered(edge, paying(upload, await offerFor(edge, buyer, upload)));
        const plan = read(UploadReply, said);
        expect(plan).toMatchObject({ object_key: "moved", agent_id, quote_id });
        expect((await put(plan, content.bytes)).status).toBe(200);
        expect((await confirm(edge, plan)).status).toBe(200);
        return plan;
      };
      const plans = await Promise.all(quotes.map(bring));
      expect(new Set(plans.map((plan) => plan.order_id)).size).toBe(2);
      const list = { path: "/storage/ls", by: buyer, body: { wallet_address: buyer.address, agent_id: "*" } };
      expect(read(ListReply, await ask(edge, list)).objects.map(({ key, agent_id }) => `${agent_id} ${key}`)).toEqual([
        "main moved",
        "second moved",
      ]);
      expect(await ask(edge, { ...bare("asked"), by: buyer })).toMatchObject({ status: 402 });
      expect(await transfers(buyer)).toHaveLength(2);
    });

    test("of a bare purchase is its order, so a confirm by either id finds it", async () => {
      const { edge } = live();
      const buyer = live().wallet();
      const plan = read(UploadReply, (await buy(edge, buyer, "bare", content)).said);
      expect((await put(plan, content.bytes)).status).toBe(200);
      const headers = { "x-mnemospark-ticket": plan.ticket };
      const body = { quote_id: plan.quote_id };
      expect(read(ConfirmReply, await ask(edge, { path: "/storage/upload/confirm", body, headers }))).toMatchObject({
        order_id: plan.order_id,
      });
      expect(read(ConfirmReply, await ask(edge, { path: "/storage/upload/confirm", body, by: buyer }))).toMatchObject({
        order_id: plan.order_id,
      });
      const { content_length_bytes, content_sha256 } = uploadBody("bare", content);
      const again = { path: "/storage/upload", body: { ...body, content_length_bytes, content_sha256 }, headers };
      expect(read(UploadReply, await ask(edge, again))).toMatchObject({ already_stored: true });
    });
  });

  describe.concurrent("an Idempotency-Key", () => {
    test("used again with another body is refused, naming the field", async () => {
      const { edge } = live();
      const buyer = live().wallet();
      const headers = { "idempotency-key": "one purchase" };
      const asked = { ...bare("keyed"), headers };
      const signed = await offerFor(edge, buyer, asked);
      const plan = read(UploadReply, await ask(edge, paying(asked, signed)));
      const again = { ...bare("keyed-too"), headers };
      expect(await ask(edge, paying(again, await offerFor(edge, buyer, again)))).toMatchObject({
        status: 409,
        json: { code: "key_reused", field: "object_key" },
      });
      expect(read(UploadReply, await ask(edge, { ...asked, by: buyer }))).toMatchObject({ order_id: plan.order_id });
      expect(await transfers(buyer)).toHaveLength(1);
    });

    test("of a refused request is free for the corrected one", async () => {
      const { edge, stack } = live();
      const buyer = live().wallet();
      const headers = { "idempotency-key": "corrected" };
      const wrong = { ...bare("corrected", { region: "eu-north-1" }), headers };
      const short = { authorization: { value: 1n } };
      expect((await ask(edge, paying(wrong, await offerFor(edge, buyer, wrong, short)))).status).toBe(402);
      expect(ledgerOf(stack, walletOf(buyer)).idempotency).toBe(0);
      const right = { ...bare("corrected-name"), headers };
      expect((await ask(edge, paying(right, await offerFor(edge, buyer, right)))).status).toBe(200);
    });
  });
}

/** Sends a request and drops the connection before the answer. */
async function hangUp(edge: string, asked: Ask, afterMs: number): Promise<void> {
  const { url, init } = await requestOf(edge, asked);
  const headers = Object.fromEntries(new Headers(init.headers));
  await new Promise<void>((resolve) => {
    const sent = request(url, { method: "POST", headers });
    sent.on("error", () => resolve());
    sent.end(init.body);
    setTimeout(() => sent.destroy(new Error("hung up")), afterMs);
  });
}

/** What a stock client does on each call: another authorization for the same offer. */
async function signedAnew(buyer: PrivateKeyAccount, header: string) {
  const { accepted, resource } = base64ToJson(header) as { accepted: object; resource: object };
  const offer = jsonHeaders({ x402Version: 2, resource, accepts: [accepted] });
  return sign(buyer, required(offer));
}

function jsonHeaders(offer: object): Headers {
  return new Headers({ "payment-required": jsonToBase64(offer) });
}

/** The buyer gives the rest away, so that a second payment cannot be covered. */
async function leaveOnly(live: Live, buyer: PrivateKeyAccount, microUsdc: bigint): Promise<void> {
  const balance = await live.stack.chain.usdcBalance(buyer.address);
  const offer = required((await ask(live.edge, { path: "/storage/upload", body: uploadBody("x", content) })).headers);
  const to = walletOf(live.wallet());
  const gift = await sign(buyer, offer, { authorization: { to, value: balance - microUsdc } });
  await live.stack.chain.client.waitForTransactionReceipt({ hash: await landAsStranger(live.stack, gift) });
}
