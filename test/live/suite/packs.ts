/** Reads beyond the allowance: told in a 402, paid on the real chain, served at once, never sold twice. */
import type { PrivateKeyAccount } from "viem/accounts";
import { describe, expect, test } from "vitest";
import { SessionReply } from "#contract/api";
import { base64ToJson } from "#contract/base64";
import { DownloadReply } from "#contract/objects";
import { PaymentReply } from "#contract/settling";
import { transfersFrom } from "../chain.ts";
import { type Ask, ask, prove, read, type Said } from "../door.ts";
import { required, sign } from "../purse.ts";
import { contentOf, offerFor, paying, storeBytes, untilAnswered } from "../shop.ts";
import type { Live } from "../stack.ts";

export function packs(live: () => Live): void {
  /** A wallet with one object whose included downloads are used up. */
  const usedUp = async (name: string) => {
    const { edge } = live();
    const owner = live().wallet();
    const stored = await storeBytes(edge, owner, name, contentOf(`read more than three times: ${name}`));
    const body = { wallet_address: owner.address, object_key: name };
    const asked: Ask = { path: "/storage/download", by: owner, body };
    for (let n = 0; n < 3; n++) expect((await ask(edge, asked)).status).toBe(200);
    return { edge, owner, body, asked, ...stored };
  };
  /** The same bytes again, with the same proof: as a client repeats a request whose reply was lost. */
  const frozen = async (edge: string, owner: PrivateKeyAccount, body: object): Promise<Ask> => {
    const proof = await prove(owner, "POST", new URL("/storage/download", edge), JSON.stringify(body));
    return { path: "/storage/download", body, headers: { "x-wallet-signature": proof } };
  };
  /** A receipt is signed anew each time, and says when. */
  const transactionOf = (said: Said) =>
    (base64ToJson(said.headers.get("payment-response") ?? "") as { transaction: string }).transaction;
  const bytesOf = async (said: Said) => (await fetch(read(DownloadReply, said).download_url)).text();

  describe.concurrent("a download beyond the allowance", () => {
    test("is offered for sale, bought in one more call, and bought again only when that is used up", async () => {
      const { edge, owner, asked, plan } = await usedUp("more");
      const offered = await ask(edge, asked);
      expect(offered).toMatchObject({ status: 402, json: { code: "payment_required", downloads_left: 0 } });
      expect(offered.json["order_id"]).toBe(plan.order_id);
      const { header } = await sign(owner, required(offered.headers));
      const paid = { ...asked, headers: { "payment-signature": header } };
      const said = await untilAnswered(edge, paid);
      expect(await bytesOf(said)).toBe("read more than three times: more");
      expect(said.headers.get("payment-response")).toBeTruthy();
      expect(await transfersFrom(live().stack, owner.address)).toHaveLength(2);
      // The reply was lost: the same payment with a proof of its own, and nothing is paid or debited.
      const again = await untilAnswered(edge, paid);
      expect(await bytesOf(again)).toBe("read more than three times: more");
      expect(transactionOf(again)).toBe(transactionOf(said));
      // Without it, or with an authorization signed anew, one more is one more.
      expect((await ask(edge, asked)).status).toBe(402);
      const anew = paying(asked, await offerFor(edge, owner, asked));
      expect((await untilAnswered(edge, anew)).status).toBe(200);
      expect(await transfersFrom(live().stack, owner.address)).toHaveLength(3);
    });

    test("by the very same request again and again, ten at once, is one payment", async () => {
      const { edge, owner, body } = await usedUp("ten");
      const asked = await frozen(edge, owner, body);
      const paid = paying(asked, await offerFor(edge, owner, asked));
      const said = await Promise.all(Array.from({ length: 10 }, () => untilAnswered(edge, paid)));
      expect(said.map(({ status }) => status)).toEqual(said.map(() => 200));
      expect(await bytesOf(await untilAnswered(edge, paid))).toBe("read more than three times: ten");
      expect(await transfersFrom(live().stack, owner.address)).toHaveLength(2);
    });

    test("with five authorizations at once pays for what is served, and nobody is told to pay while one is open", async () => {
      const { edge, owner, asked } = await usedUp("five");
      const offers = await Promise.all(Array.from({ length: 5 }, () => offerFor(edge, owner, asked)));
      const first = await Promise.all(offers.map((offer) => ask(edge, paying(asked, offer))));
      for (const { status, json } of first) expect([200, 202, 402, 409, 429], JSON.stringify(json)).toContain(status);
      const served = await Promise.all(offers.map((offer) => untilAnswered(edge, paying(asked, offer), 40_000)));
      const transfers = await transfersFrom(live().stack, owner.address);
      const ok = served.filter(({ status }) => status === 200).length;
      expect(ok).toBeGreaterThan(0);
      // One for the object itself; never more paid than were served.
      expect(transfers.length - 1).toBeLessThanOrEqual(ok);
    });

    test("is refused with 429 to whoever cannot pay here", async () => {
      const { edge, owner, body } = await usedUp("poor");
      const v1 = await prove(owner, "POST", new URL("/storage/download", edge), "", { version: "1" });
      const old = await ask(edge, { path: "/storage/download", body, headers: { "x-wallet-signature": v1 } });
      expect(old).toMatchObject({ status: 429, json: { code: "allowance_used", downloads_left: 0 } });
      expect(old.headers.get("payment-required")).toBeNull();
      const opened = await ask(edge, { path: "/auth/session", by: owner, body: { wallet_address: owner.address } });
      const { token } = read(SessionReply, opened);
      const inSession = { path: "/storage/download", body, headers: { authorization: `Bearer ${token}` } };
      expect(await ask(edge, inSession)).toMatchObject({ status: 429, json: { code: "allowance_used" } });
      // What the wallet bought, its session may use.
      const asked: Ask = { path: "/storage/download", by: owner, body: { ...body, range: "bytes=0-0" } };
      const paid = paying(asked, await offerFor(edge, owner, asked));
      expect(read(DownloadReply, await untilAnswered(edge, paid))).toMatchObject({ range: { first: 0, last: 0 } });
    });

    test("is not paid by somebody else, nor for too little, nor without a proof", async () => {
      const { edge, owner, body, asked } = await usedUp("wrong");
      const other = live().wallet();
      const offer = required((await ask(edge, asked)).headers);
      const strangers = await sign(other, offer);
      expect(await ask(edge, paying(asked, strangers))).toMatchObject({
        status: 402,
        json: { reason: "wallet_mismatch" },
      });
      const mine = await sign(owner, offer, { authorization: { value: 1n } });
      expect(await ask(edge, paying(asked, mine))).toMatchObject({ status: 402, json: { code: "payment_invalid" } });
      const honest = await sign(owner, offer);
      const bare = { path: "/storage/download", body, headers: { "payment-signature": honest.header } };
      expect(await ask(edge, bare)).toMatchObject({ status: 401, json: { code: "proof_missing" } });
      expect(await transfersFrom(live().stack, owner.address)).toHaveLength(1);
      expect(await transfersFrom(live().stack, other.address)).toHaveLength(0);
    });

    test("of an object deleted while its payment is on its way is credit, and told so to everybody who asks", async () => {
      const { edge, owner, asked } = await usedUp("late");
      const paid = paying(asked, await offerFor(edge, owner, asked));
      const onItsWay = ask(edge, paid);
      await new Promise((resolve) => setTimeout(resolve, 150));
      const removed = await ask(edge, {
        path: "/storage/delete",
        by: owner,
        body: { wallet_address: owner.address, object_key: "late" },
      });
      expect(removed.status).toBe(200);
      const said = await onItsWay;
      // Deleted before the claim was written: nothing was charged. After: the money is the wallet's. Settled before: served.
      expect([200, 202, 404, 410], JSON.stringify(said.json)).toContain(said.status);
      const last = await untilAnswered(edge, paid);
      const transfers = await transfersFrom(live().stack, owner.address);
      expect(transfers).toHaveLength(last.status === 404 && said.status === 404 ? 1 : 2);
      if (last.status === 410) expect(last.json["detail"]).toMatch(/wallet credit/);
      const id = last.json["payment_id"];
      if (typeof id === "string") {
        const status = await ask(edge, { method: "GET", path: `/payments/${id}`, by: owner });
        expect(read(PaymentReply, status)).toMatchObject({ purpose: "pack" });
      }
    });
  });
}
