/** Many payers on one relayer, honest and not; and what takes more patience than a short test has. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { UploadReply } from "#contract/api";
import { PendingReply } from "#contract/settling";
import { parseWallet } from "#contract/wallet";
import { obedient, place } from "../chain/contract-wallets.ts";
import { landTogether, sentSoFar } from "./attacks/chain.ts";
import { Gate } from "./attacks/gate.ts";
import { TWO_FACED } from "./attacks/signatures.ts";
import { transfersFrom } from "./chain.ts";
import { type Ask, ask, read } from "./door.ts";
import { transfersTo, written } from "./kill/books.ts";
import { required, sign } from "./purse.ts";
import { contentOf, offerFor, paying, untilAnswered, uploadBody } from "./shop.ts";
import { type Live, startLive } from "./stack.ts";

let live: Live;
let gate: Gate;
beforeAll(async () => {
  gate = await Gate.open();
  live = await startLive({ wallets: 160, edgeVars: { RPC_URLS: gate.url } });
  gate.target = live.stack.urls.chain;
});
afterAll(async () => {
  await live?.stop();
  await gate?.close();
});

const bare = (name: string): Ask => ({ path: "/storage/upload", body: uploadBody(name, contentOf("one of many")) });
const wallets = (count: number) => Array.from({ length: count }, () => live.wallet());
const minedSoFar = () =>
  live.stack.chain.client.getTransactionCount({ address: live.stack.relayerAddress, blockTag: "latest" });

test("fifty wallets at once are settled by fewer transactions than there are payments", {
  timeout: 90_000,
}, async () => {
  const { edge, stack } = live;
  const buyers = wallets(50);
  const offer = required((await ask(edge, bare("crowd"))).headers);
  const paid = await Promise.all(buyers.map(async (buyer) => paying(bare("crowd"), await sign(buyer, offer))));
  const before = await minedSoFar();
  const startedMs = Date.now();
  const said = await Promise.all(paid.map((each) => untilAnswered(edge, each, 60_000)));
  const plans = said.map((each) => read(UploadReply, each));
  const sent = (await minedSoFar()) - before;
  const hashes = [...new Set(plans.map(({ trans_id }) => trans_id as `0x${string}`))];
  const receipts = await Promise.all(hashes.map((hash) => stack.chain.client.getTransactionReceipt({ hash })));
  const gasEach = receipts.reduce((sum, { gasUsed }) => sum + gasUsed, 0n) / BigInt(buyers.length);
  console.log(`50 payments: ${sent} transactions, ${gasEach} gas each, ${Date.now() - startedMs} ms`);
  expect(sent).toBe(hashes.length);
  expect(sent).toBeLessThanOrEqual(10);
  expect(gasEach).toBeLessThan(65_000n);
  expect(receipts.map(({ status }) => status)).toEqual(hashes.map(() => "success"));
  for (const [index, buyer] of buyers.entries())
    expect(await transfersFrom(stack, buyer.address)).toMatchObject([{ txHash: plans[index]?.trans_id }]);
});

test("two-faced wallets of code among honest ones: the honest are paid in time, the liars get nothing", {
  timeout: 120_000,
}, async () => {
  const { edge, stack } = live;
  const [honest, coded, liars] = [wallets(25), wallets(3), wallets(12)];
  const [signer] = honest;
  if (!signer) throw new Error("nobody signs");
  await Promise.all(liars.map(({ address }) => place(stack.chain, address, TWO_FACED)));
  await Promise.all(coded.map(({ address }) => place(stack.chain, address, obedient(signer.address))));
  const offer = required((await ask(edge, bare("mixed"))).headers);
  // Signed by another key, so that the contract has to be asked.
  const byCode = async ({ address }: (typeof liars)[number]) => {
    const from = parseWallet(address);
    if (!from) throw new Error("not an address");
    return untilAnswered(edge, paying(bare("mixed"), await sign(signer, offer, { authorization: { from } })), 40_000);
  };
  const byKey = async (buyer: (typeof honest)[number]) => {
    const startedMs = Date.now();
    const said = await untilAnswered(edge, paying(bare("mixed"), await sign(buyer, offer)), 40_000);
    return { said, tookMs: Date.now() - startedMs };
  };
  const [lies, contracts, truths] = await Promise.all([
    Promise.all(liars.map(byCode)),
    Promise.all(coded.map(byCode)),
    Promise.all(honest.map(byKey)),
  ]);
  for (const { said, tookMs } of truths) {
    read(UploadReply, said);
    expect(tookMs).toBeLessThan(15_000);
  }
  for (const said of contracts) read(UploadReply, said);
  console.log(
    `the liars: ${lies.map(({ status, json }) => `${status} ${String(json["reason"] ?? json["code"])}`).join(", ")}`,
  );
  for (const said of lies) expect([402, 503]).toContain(said.status);
  for (const { address } of liars) expect(await transfersFrom(stack, address)).toEqual([]);
  const known = new Set(liars.map(({ address }) => address.toLowerCase()));
  const granted = written(stack).orders.filter(
    ({ wallet, state }) => known.has(wallet) && /^(paid|stored)$/.test(state),
  );
  expect(granted).toEqual([]);
});

test("a payment that landed long before it was shown here paid for something else", { timeout: 150_000 }, async () => {
  const { edge, stack } = live;
  const buyer = live.wallet();
  const validBeforeS = BigInt(Math.floor(Date.now() / 1000)) + 300n;
  const signed = await offerFor(edge, buyer, bare("old"), { authorization: { validBeforeS } });
  await landTogether(stack, [signed]);
  // A minute is forgiven for clocks.
  await sleep(75_000);
  const said = await untilAnswered(edge, paying(bare("old"), signed));
  expect(said).toMatchObject({ status: 402, json: { reason: "invalid_exact_evm_nonce_already_used" } });
  const { orders } = written(stack);
  expect(orders.filter(({ wallet, state }) => wallet === buyer.address.toLowerCase() && state !== "ended")).toEqual([]);
  // What it bought is between the payer and whoever landed it; here a new payment buys.
  expect((await untilAnswered(edge, paying(bare("old"), await offerFor(edge, buyer, bare("old"))))).status).toBe(200);
});

test.each(["gone", "faulty"] as const)(
  "endpoints that are %s for longer than we wait: pending, never 402, then settled once",
  { timeout: 120_000 },
  async (state) => {
    const { edge, stack } = live;
    const buyers = wallets(4);
    const asked = await Promise.all(
      buyers.map(async (buyer) => paying(bare(state), await offerFor(edge, buyer, bare(state)))),
    );
    const before = await sentSoFar(stack);
    const answers = Promise.all(asked.map((each) => ask(edge, each)));
    while ((await sentSoFar(stack)) === before) await sleep(2);
    gate.state = state;
    const said = await answers.finally(() => {
      gate.state = "open";
    });
    for (const each of said) {
      expect([202, 503]).toContain(each.status);
      expect(each.headers.get("payment-required")).toBeNull();
      if (each.status === 202) PendingReply.parse(each.json);
      else expect(each.json).toMatchObject({ code: "settlement_unavailable" });
    }
    expect(said.some(({ status }) => status === 202)).toBe(true);
    for (const [index, each] of asked.entries()) {
      const plan = read(UploadReply, await untilAnswered(edge, each, 40_000));
      const payer = buyers[index]?.address.toLowerCase();
      expect((await transfersTo(stack)).filter((paid) => paid.payer === payer)).toMatchObject([
        { txHash: plan.trans_id },
      ]);
    }
  },
);
