/** A statement through the door: many objects, weighed by lists of S3, paid by one transfer, and never a line twice. */
import type { PrivateKeyAccount } from "viem/accounts";
import { describe, expect, test } from "vitest";
import { StatReply } from "#contract/objects";
import { PaymentReply, SettleReply } from "#contract/settling";
import { StatementReply, StatementSettled } from "#contract/statements";
import { transfersFrom } from "../chain.ts";
import { type Ask, ask, read } from "../door.ts";
import { required, sign } from "../purse.ts";
import { contentOf, identified, offerFor, paidUnder, paying, storeBytes, untilAnswered, uploadBody } from "../shop.ts";
import type { Live } from "../stack.ts";

const PERIOD_MS = 30 * 86_400_000;

export function statements(live: () => Live): void {
  const transfers = (owner: PrivateKeyAccount) => transfersFrom(live().stack, owner.address);
  const asking = (owner: PrivateKeyAccount): Ask => ({
    path: "/billing/statement",
    by: owner,
    body: { wallet_address: owner.address },
  });
  const made = async (owner: PrivateKeyAccount) => read(StatementReply, await ask(live().edge, asking(owner)));
  const settling = (owner: PrivateKeyAccount, { statement_id }: StatementReply, more: object = {}): Ask => ({
    path: "/payment/settle",
    by: owner,
    body: { wallet_address: owner.address, statement_id, ...more },
  });
  const stat = async (owner: PrivateKeyAccount, name: string) => {
    const body = { wallet_address: owner.address, object_key: name };
    return read(StatReply, await ask(live().edge, { path: "/storage/ls", by: owner, body }));
  };
  const owning = async (names: readonly string[]) => {
    const owner = live().wallet();
    await Promise.all(
      names.map((name) => storeBytes(live().edge, owner, name, contentOf(`on the statement: ${name}`))),
    );
    return owner;
  };
  const remove = (owner: PrivateKeyAccount, name: string) => {
    const body = { wallet_address: owner.address, object_key: name };
    return ask(live().edge, { path: "/storage/delete", by: owner, body });
  };

  /** What a 402 asks of somebody else; whoever is not looked at may be offered anything. */
  const probeOf = (owner: PrivateKeyAccount): Ask => ({
    path: "/storage/upload",
    body: uploadBody(`probe of ${owner.address}`, contentOf("probe")),
  });

  describe.concurrent("a statement", () => {
    test("is one price for all that is due, paid by one transfer, answered again and again", async () => {
      const { edge } = live();
      const names = ["één", "two", "three"];
      const owner = await owning(names);
      const before = await Promise.all(names.map(async (name) => Date.parse((await stat(owner, name)).paid_through)));
      const statement = await made(owner);
      expect(statement).toMatchObject({ basis: "card", more: false, missing: 0 });
      expect(statement.lines.map(({ object_key }) => object_key).sort()).toEqual([...names].sort());
      const sum = statement.lines.reduce((total, { amount }) => total + BigInt(amount), 0n);
      expect(sum).toBe(BigInt(statement.amount));
      const sizes = Object.fromEntries(statement.lines.map((line) => [line.object_key, line.size_bytes]));
      for (const name of names) expect(sizes[name]).toBe(contentOf(`on the statement: ${name}`).bytes.length);
      const signed = await offerFor(edge, owner, settling(owner, statement));
      expect(signed.authorization.value).toBe(sum);
      const asked = paying(settling(owner, statement), signed);
      const said = await untilAnswered(edge, asked);
      const settled = read(StatementSettled, said);
      expect(settled).toMatchObject({ amount: statement.amount, payment_status: "confirmed" });
      expect(settled.result).toBeUndefined();
      expect(said.headers.get("payment-response")).toBeTruthy();
      expect(settled.lines.map(({ state }) => state)).toEqual(["granted", "granted", "granted"]);
      for (const [at, name] of names.entries())
        expect(Date.parse((await stat(owner, name)).paid_through)).toBe((before[at] ?? 0) + PERIOD_MS);
      // The same request, one without a payment, and one with a payment signed anew for another statement's 402.
      for (const again of [asked, settling(owner, statement)])
        expect(read(StatementSettled, await ask(edge, again))).toMatchObject({
          result: "already_settled",
          trans_id: settled.trans_id,
        });
      // The published client's renewal of an object on it pays nothing more.
      const single = { path: "/payment/settle", by: owner };
      const body = { wallet_address: owner.address, renewal: true, object_key: "two" };
      expect(read(SettleReply, await ask(edge, { ...single, body }))).toMatchObject({
        result: "already_settled",
        trans_id: settled.trans_id,
      });
      expect(await made(owner)).toMatchObject({ lines: [], amount: "0" });
      expect(await transfers(owner)).toHaveLength(4);
      const path = `/payments/${settled.payment_id}`;
      expect(read(PaymentReply, await ask(edge, { method: "GET", path, by: owner }))).toMatchObject({
        purpose: "statement",
        statement_id: statement.statement_id,
        objects: 3,
      });
    });

    test("asked for twice and paid ten times at once by ten payments is one transfer", async () => {
      const { edge } = live();
      const owner = await owning(["x", "y"]);
      const [one, other] = [await made(owner), await made(owner)];
      const offer = required((await ask(edge, settling(owner, one))).headers);
      const said = await Promise.all(
        Array.from({ length: 10 }, async (_, at) =>
          untilAnswered(edge, paying(settling(owner, at % 2 ? one : other), await sign(owner, offer))),
        ),
      );
      const paid = said.filter(({ status }) => status === 200).map((each) => read(StatementSettled, each).trans_id);
      expect(paid.length).toBeGreaterThan(0);
      expect(new Set(paid).size).toBe(1);
      for (const { status, json } of said) if (status !== 200) expect(json["code"]).toBe("statement_changed");
      expect(await transfers(owner)).toHaveLength(3);
    });

    test("that holds no more is refused before anything is charged, and the next one is right", async () => {
      const { edge } = live();
      const owner = await owning(["stays", "goes"]);
      const statement = await made(owner);
      const signed = await offerFor(edge, owner, settling(owner, statement));
      expect((await remove(owner, "goes")).status).toBe(200);
      for (const asked of [paying(settling(owner, statement), signed), settling(owner, statement)])
        expect((await ask(edge, asked)).json).toMatchObject({
          status: 409,
          code: "statement_changed",
          object_key: "goes",
        });
      const next = await made(owner);
      expect(next.lines.map(({ object_key }) => object_key)).toEqual(["stays"]);
      const key = { "idempotency-key": "this month" };
      const first = { ...settling(owner, next), headers: key };
      const paid = { ...first, headers: { ...key, "payment-signature": (await offerFor(edge, owner, first)).header } };
      const settled = read(StatementSettled, await untilAnswered(edge, paid));
      expect(read(StatementSettled, await ask(edge, first))).toMatchObject({ trans_id: settled.trans_id });
      expect(await transfers(owner)).toHaveLength(3);
    });

    test("is paid under a payment identifier or a key once: the same answer for it, a conflict for another statement", async () => {
      const { edge } = live();
      const owner = await owning(["identified"]);
      const id = "pay_0123456789abcdef_statement";
      const first = await made(owner);
      const keyed = { ...settling(owner, first), headers: { "idempotency-key": "november" } };
      const settled = read(StatementSettled, await untilAnswered(edge, await paidUnder(edge, owner, keyed, id)));
      // Signed anew under the same identifier, and asked again under the same key with no payment at all.
      const other = live().wallet();
      const stray = paying(keyed, await sign(owner, required((await ask(edge, probeOf(other))).headers)));
      for (const again of [identified(stray, id), keyed])
        expect(read(StatementSettled, await ask(edge, again))).toMatchObject({
          result: "already_settled",
          trans_id: settled.trans_id,
        });
      await storeBytes(edge, owner, "later", contentOf("later"));
      const second = await made(owner);
      expect(second.lines).toHaveLength(1);
      const reused = { ...settling(owner, second), headers: { "idempotency-key": "november" } };
      for (const asked of [
        await paidUnder(edge, owner, settling(owner, second), id),
        paying(reused, await offerFor(edge, owner, settling(owner, second))),
      ])
        expect((await ask(edge, asked)).json).toMatchObject({
          status: 409,
          code: "key_reused",
          field: "statement_id",
        });
      expect(await transfers(owner)).toHaveLength(3);
    });

    test("of another wallet reads as absent, and is named alone", async () => {
      const { edge } = live();
      const owner = await owning(["mine"]);
      const other = live().wallet();
      const statement = await made(owner);
      expect((await ask(edge, settling(other, statement))).json).toMatchObject({ status: 404 });
      expect((await ask(edge, settling(owner, statement, { quote_id: "q" }))).json).toMatchObject({ status: 400 });
      expect((await ask(edge, settling(owner, statement, { renewal: true, object_key: "mine" }))).status).toBe(400);
      expect(await made(other)).toMatchObject({ lines: [], amount: "0", more: false });
    });
  });
}
