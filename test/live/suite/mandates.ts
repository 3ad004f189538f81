/** Renewals signed beforehand, through the door: terms, signatures of a real wallet, what is refused, and taking them back. */
import type { PrivateKeyAccount } from "viem/accounts";
import { describe, expect, test } from "vitest";
import { MandatesReply, MandateTermsReply } from "#contract/mandates";
import { StatReply } from "#contract/objects";
import { parseWallet } from "#contract/wallet";
import { networkOf } from "#contract/x402";
import { signMandates } from "../../../client-plugin/mandates.ts";
import { PaymentRefused } from "../../../client-plugin/pay.ts";
import type { Signer } from "../../../client-plugin/signer.ts";
import type { Promised } from "../../../client-plugin/state/spending.ts";
import { transfersFrom } from "../chain.ts";
import { type Ask, ask, read } from "../door.ts";
import { contentOf, storeBytes } from "../shop.ts";
import type { Live } from "../stack.ts";

const content = contentOf("kept for a year");

export function mandates(live: () => Live): void {
  const asking = (owner: PrivateKeyAccount, verb: string, name: string, more: object = {}): Ask => ({
    path: `/mandates/${verb}`,
    by: owner,
    body: { wallet_address: owner.address, object_key: name, ...more },
  });
  const termsOf = async (owner: PrivateKeyAccount, name: string, periods: number) =>
    read(MandateTermsReply, await ask(live().edge, asking(owner, "terms", name, { periods })));
  const listed = async (owner: PrivateKeyAccount, name: string) =>
    read(MandatesReply, await ask(live().edge, asking(owner, "ls", name))).mandates;

  async function stored(name: string) {
    const owner = live().wallet();
    await storeBytes(live().edge, owner, name, content);
    const body = { wallet_address: owner.address, object_key: name };
    const { paid_through } = read(StatReply, await ask(live().edge, { path: "/storage/ls", by: owner, body }));
    return { owner, paidThroughMs: Date.parse(paid_through) };
  }
  function agreement(owner: PrivateKeyAccount, paidThroughMs: number, payTo: string) {
    const [network, payee] = [networkOf(84_532), parseWallet(payTo)];
    if (!network || !payee) throw new Error("the local chain is not known");
    const signer = owner as unknown as Signer;
    const write = (wanted: readonly Promised[]) => wanted;
    return { signer, network, payTo: payee, amountMax: 100_000n, paidThroughMs, periodsMax: 12, write };
  }

  describe.concurrent("mandates", () => {
    test("are signed as the terms say, kept for their day, shown, and taken back; nothing moves meanwhile", async () => {
      const { edge, stack } = live();
      const { owner, paidThroughMs } = await stored("year.age");
      const terms = await termsOf(owner, "year.age", 3);
      expect(terms.terms.map(({ period_index }) => period_index)).toEqual([1, 2, 3]);
      const { request: signed } = await signMandates(terms, agreement(owner, paidThroughMs, terms.pay_to));
      const added = read(MandatesReply, await ask(edge, asking(owner, "add", "year.age", signed)));
      expect(added.mandates).toMatchObject(
        [1, 2, 3].map((period_index) => ({ period_index, state: "waiting", amount: terms.terms[0]?.amount })),
      );
      expect(Date.parse(added.mandates[0]?.due ?? "") - paidThroughMs).toBeLessThan(1_000);
      // The same again changes nothing; the terms leave out what is signed.
      expect((await ask(edge, asking(owner, "add", "year.age", signed))).status).toBe(200);
      expect((await termsOf(owner, "year.age", 4)).terms.map(({ period_index }) => period_index)).toEqual([4]);
      expect((await ask(edge, asking(owner, "revoke", "year.age", { period_index: 2 }))).status).toBe(200);
      expect((await listed(owner, "year.age")).map(({ period_index, state }) => [period_index, state])).toEqual([
        [1, "waiting"],
        [3, "waiting"],
        [2, "revoked"],
      ]);
      expect((await ask(edge, asking(owner, "revoke", "year.age"))).status).toBe(200);
      expect(await ask(edge, asking(owner, "revoke", "year.age"))).toMatchObject({ status: 404 });
      expect(await transfersFrom(stack, owner.address)).toHaveLength(1);
    });

    test("are refused, all of them, when one is not exactly what was asked for", async () => {
      const { edge } = live();
      const { owner, paidThroughMs } = await stored("strict.age");
      const stranger = live().wallet();
      const terms = await termsOf(owner, "strict.age", 2);
      const agreed = agreement(owner, paidThroughMs, terms.pay_to);
      const { mandates: signed } = (await signMandates(terms, agreed)).request;
      const [first, second] = signed;
      if (!first || !second) throw new Error("two were asked for");
      const changed = (over: Record<string, string>) => ({
        ...second,
        authorization: { ...second.authorization, ...over },
      });
      const { request: foreign } = await signMandates(terms, { ...agreed, signer: stranger as unknown as Signer });
      const bumped = (text: string | undefined) => String(BigInt(text ?? "0") + 1n);
      const later = terms.terms.map((each) => ({
        ...each,
        valid_after: bumped(each.valid_after),
        valid_before: bumped(each.valid_before),
      }));
      const { request: shifted } = await signMandates({ ...terms, terms: later }, agreed);
      const wrong: [string, object][] = [
        ["wants validAfter", shifted.mandates[1] ?? {}],
        ["pays", changed({ to: owner.address })],
        ["the price now", changed({ value: bumped(second.authorization["value"]) })],
        ["signature", changed({ nonce: `0x${"7".repeat(64)}` })],
        ["asks", foreign.mandates[1] ?? {}],
        ["twice", { ...second, period_index: 1, authorization: first.authorization, signature: first.signature }],
        ["wanted a decimal integer", changed({ value: "1e3" })],
      ];
      for (const [why, mandate] of wrong) {
        const said = await ask(edge, asking(owner, "add", "strict.age", { mandates: [first, mandate] }));
        expect(said.status, why).toBe(400);
        expect(JSON.stringify(said.json), why).toContain(why);
      }
      expect(await listed(owner, "strict.age")).toEqual([]);
      const theirs = asking(owner, "add", "strict.age", { mandates: [first] });
      expect((await ask(edge, { ...theirs, by: stranger })).status).toBe(403);
      expect((await ask(edge, asking(owner, "terms", "none.age"))).status).toBe(404);
    });

    test("are not signed when the terms ask for more than was agreed", async () => {
      const { owner, paidThroughMs } = await stored("wary.age");
      const terms = await termsOf(owner, "wary.age", 2);
      const agreed = agreement(owner, paidThroughMs, terms.pay_to);
      const [one, two] = terms.terms;
      if (!one || !two) throw new Error("two were asked for");
      const lies = [
        { ...terms, pay_to: owner.address },
        { ...terms, network: "eip155:8453" },
        { ...terms, asset: owner.address },
        { ...terms, terms: [{ ...one, amount: "100001" }] },
        { ...terms, terms: [{ ...one, valid_after: String(Math.floor(Date.now() / 1000)) }] },
        { ...terms, terms: [{ ...one, valid_before: String(BigInt(one.valid_before) + 1n) }] },
        { ...terms, terms: [one, { ...two, valid_after: one.valid_after, valid_before: one.valid_before }] },
      ];
      for (const lie of lies) await expect(signMandates(lie, agreed)).rejects.toBeInstanceOf(PaymentRefused);
      await expect(signMandates(terms, { ...agreed, periodsMax: 1 })).rejects.toBeInstanceOf(PaymentRefused);
    });
  });
}
