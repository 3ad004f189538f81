/** Signatures and windows that are nearly right; wallets of code that lie about them. */
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { UploadReply } from "#contract/api";
import { parseWallet } from "#contract/wallet";
import { LOOPING, place } from "../../chain/contract-wallets.ts";
import { transfersFrom } from "../chain.ts";
import { type Ask, ask, read } from "../door.ts";
import { written } from "../kill/books.ts";
import { required, type Signed, sign } from "../purse.ts";
import { contentOf, offerFor, paying, untilAnswered, uploadBody } from "../shop.ts";
import type { Live } from "../stack.ts";
import { malleated } from "./chain.ts";

const content = contentOf("signed nearly right");
const bare = (name: string): Ask => ({ path: "/storage/upload", body: uploadBody(name, content) });

/** Says yes where gas costs nothing, as in a question, and never comes back where it does, as in a transaction. */
export const TWO_FACED: `0x${string}` = "0x3a156009575b6005565b631626ba7e60e01b60005260206000f3";

/** The same authorization with another signature over it. */
async function resigned(
  edge: string,
  buyer: ReturnType<Live["wallet"]>,
  name: string,
  honest: Signed,
  v: Signed["signature"],
) {
  const offer = required((await ask(edge, bare(name))).headers);
  return sign(buyer, offer, { authorization: honest.authorization, signature: v });
}

export function signatures(live: () => Live): void {
  describe.concurrent("a signature", () => {
    const twins: Record<string, (signature: Signed["signature"]) => Signed["signature"]> = {
      "mirrored (high s)": malleated,
      "with v as 0 or 1": (signature) => `${signature.slice(0, -2)}${signature.endsWith("1b") ? "00" : "01"}` as never,
    };
    for (const [what, twinOf] of Object.entries(twins))
      test(`${what} is never sent and takes nothing from the honest one`, async () => {
        const { edge, stack } = live();
        const buyer = live().wallet();
        const honest = await offerFor(edge, buyer, bare(what));
        const twin = await resigned(edge, buyer, what, honest, twinOf(honest.signature));
        expect(await ask(edge, paying(bare(what), twin))).toMatchObject({
          status: 402,
          json: { code: "payment_invalid" },
        });
        expect(await transfersFrom(stack, buyer.address)).toEqual([]);
        const plan = read(UploadReply, await untilAnswered(edge, paying(bare(what), honest)));
        // Known by now: whatever the signature, it is the same claim.
        expect(read(UploadReply, await ask(edge, paying(bare(what), twin)))).toMatchObject({ order_id: plan.order_id });
        expect(await transfersFrom(stack, buyer.address)).toMatchObject([{ txHash: plan.trans_id }]);
      });
  });

  describe.concurrent("a window", () => {
    test("that opened long ago, or with time itself, is as good as any", async () => {
      const { edge, stack } = live();
      const buyer = live().wallet();
      const signed = await offerFor(edge, buyer, bare("stock"), { authorization: { validAfterS: 0n } });
      expect((await untilAnswered(edge, paying(bare("stock"), signed))).status).toBe(200);
      expect(await transfersFrom(stack, buyer.address)).toHaveLength(1);
    });

    test("that opens at this very second is paid or refused, never both, and is free again", async () => {
      const { edge, stack } = live();
      const buyAt = async (early: bigint) => {
        const buyer = live().wallet();
        const nowS = BigInt(Math.floor(Date.now() / 1000));
        const asked = bare("edge of time");
        const signed = await offerFor(edge, buyer, asked, { authorization: { validAfterS: nowS - early } });
        const { status } = await untilAnswered(edge, paying(asked, signed));
        expect([200, 402]).toContain(status);
        expect(await transfersFrom(stack, buyer.address)).toHaveLength(status === 200 ? 1 : 0);
        if (status === 200) return;
        // Once time has passed the same payment is good.
        const deadline = Date.now() + 15_000;
        while ((await untilAnswered(edge, paying(asked, signed))).status !== 200) {
          expect(Date.now()).toBeLessThan(deadline);
          await sleep(300);
        }
        expect(await transfersFrom(stack, buyer.address)).toHaveLength(1);
      };
      await Promise.all([0n, 1n, 2n, 3n].map(buyAt));
    });

    test("of impossible numbers is refused", async () => {
      const { edge } = live();
      const buyer = live().wallet();
      const most = 2n ** 256n - 1n;
      for (const authorization of [
        { validAfterS: most },
        { validBeforeS: most },
        { validAfterS: most, validBeforeS: 0n },
        { validBeforeS: 0n },
      ])
        expect(
          await ask(edge, paying(bare("never"), await offerFor(edge, buyer, bare("never"), { authorization }))),
        ).toMatchObject({
          status: 402,
          json: { code: "payment_invalid" },
        });
    });
  });

  test("wallets of code that loop, or loop only in earnest, cost their neighbours nothing", async () => {
    const { edge, stack } = live();
    const honest = Array.from({ length: 6 }, () => live().wallet());
    const liars = await Promise.all(
      ([LOOPING, TWO_FACED, TWO_FACED] as const).map(async (code) => {
        const { address } = live().wallet();
        await place(stack.chain, address, code);
        return address;
      }),
    );
    const offer = required((await ask(edge, bare("neighbours"))).headers);
    const byCode = async (address: (typeof liars)[number]) => {
      const from = parseWallet(address);
      const [signer] = honest;
      if (!signer || !from) throw new Error("nobody signs");
      return ask(edge, paying(bare("neighbours"), await sign(signer, offer, { authorization: { from } })));
    };
    const [lies, truths] = await Promise.all([
      Promise.all(liars.map(byCode)),
      Promise.all(
        honest.map(async (buyer) => untilAnswered(edge, paying(bare("neighbours"), await sign(buyer, offer)))),
      ),
    ]);
    for (const said of truths) read(UploadReply, said);
    for (const said of lies) expect([202, 402, 503]).toContain(said.status);
    for (const address of liars) expect(await transfersFrom(stack, address)).toEqual([]);
    const granted = written(stack).orders.filter(
      ({ wallet, state }) =>
        liars.some((address) => address.toLowerCase() === wallet) && ["paid", "stored"].includes(state),
    );
    expect(granted).toEqual([]);
  });
}
