/** Keys that name a purchase, used for two at the same moment. */
import { describe, expect, test } from "vitest";
import { base64ToJson, jsonToBase64 } from "#contract/base64";
import { transfersFrom } from "../chain.ts";
import { type Ask, ask } from "../door.ts";
import { required, sign } from "../purse.ts";
import { contentOf, paying, untilAnswered, uploadBody } from "../shop.ts";
import type { Live } from "../stack.ts";

const content = contentOf("named by its buyer");

function identified(asked: Ask, id: string): Ask {
  const payload = base64ToJson(asked.headers?.["payment-signature"] ?? "") as Record<string, unknown>;
  const extensions = { "payment-identifier": { info: { required: false, id } } };
  return { ...asked, headers: { ...asked.headers, "payment-signature": jsonToBase64({ ...payload, extensions }) } };
}

export function keys(live: () => Live): void {
  const ways: Record<string, (asked: Ask) => Ask> = {
    "an Idempotency-Key": (asked) => ({ ...asked, headers: { ...asked.headers, "idempotency-key": "one purchase" } }),
    "a payment identifier": (asked) => identified(asked, "pay_0123456789abcdef"),
  };
  for (const [what, under] of Object.entries(ways))
    describe.concurrent(what, () => {
      const buyAll = async (names: readonly string[]) => {
        const { edge, stack } = live();
        const buyer = live().wallet();
        const asks = names.map((name): Ask => ({ path: "/storage/upload", body: uploadBody(name, content) }));
        const [first] = asks;
        if (!first) throw new Error("nothing is asked");
        const offer = required((await ask(edge, first)).headers);
        const paid = await Promise.all(asks.map(async (each) => under(paying(each, await sign(buyer, offer)))));
        const said = await Promise.all(paid.map((each) => untilAnswered(edge, each)));
        return { said, transfers: await transfersFrom(stack, buyer.address) };
      };

      test("for five names at once buys one; the others are told which field differs", async () => {
        const { said, transfers } = await buyAll(["v", "w", "x", "y", "z"]);
        expect(said.map(({ status }) => status).sort()).toEqual([200, 409, 409, 409, 409]);
        for (const { json } of said.filter(({ status }) => status === 409))
          expect(json).toMatchObject({ code: "key_reused", field: "object_key" });
        expect(transfers).toHaveLength(1);
      });

      test("for one name, signed five times at once, buys it once and gives all five the same order", async () => {
        const { said, transfers } = await buyAll(Array(5).fill("same"));
        expect(said.map(({ status }) => status)).toEqual(Array(5).fill(200));
        expect(new Set(said.map(({ json }) => json["order_id"])).size).toBe(1);
        expect(transfers).toHaveLength(1);
      });
    });
}
