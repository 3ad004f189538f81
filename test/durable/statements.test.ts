/** Statements: what is on them, when they hold no more, that no line is paid twice, and what becomes of shares that find nothing. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { OPEN_STATEMENTS_MAX } from "#contract/limits";
import type { Wallet } from "#contract/wallet";
import type { StatementStepped } from "../../durable/statements.ts";
import {
  advance,
  authorizationOf,
  claimOf,
  contentOf,
  freshHex,
  freshWallet,
  good,
  putPlanOf,
  refusedAs,
  settledAt,
  sqlOf,
  store,
  walletAt,
} from "./fixture.ts";
import type { WalletDO } from "./worker.ts";
import { clockOf, worldOf } from "./world.ts";

const DAY_MS = 86_400_000;
const PERIOD_MS = 30 * DAY_MS;
/** Enough for a forecast to be worth its price. */
const SHARE = 60_000n;

const proof = () => ({ nonce: `0x${freshHex()}`, request: "r", expiresMs: 2e13 });
const nowS = (wallet: Wallet) => Math.floor(clockOf(wallet).nowMs() / 1000) * 1000;
const begin = (wallet: Wallet) => walletAt(wallet).statement(proof(), { step: "begin", key: undefined, gaps: [] });
const look = (wallet: Wallet, statementId: string, claimKey?: string) =>
  walletAt(wallet).statement(proof(), { step: "look", statementId, claimKey });
const creditOf = async (wallet: Wallet) =>
  (await sqlOf(wallet, "SELECT value FROM meta WHERE key = 'credit'"))[0]?.["value"] ?? "0";
const throughOf = (wallet: Wallet) =>
  sqlOf<{ object_key: string; paid_through_ms: number }>(
    wallet,
    "SELECT object_key, paid_through_ms FROM orders ORDER BY object_key",
  );

function step<S extends "weigh" | "kept" | "settled">(said: StatementStepped, wanted: S) {
  const told = good(said);
  if (told.step !== wanted) throw new Error(`wanted ${wanted}, got ${told.step}`);
  return told as Extract<StatementStepped, { step: S }>;
}

/** As the edge does it, each line at the same price. */
async function made(wallet: Wallet) {
  const { due, more } = step(await begin(wallet), "weigh");
  const lines = due.map((line) => ({ ...line, amount: SHARE.toString(), card: "a card", sizeBytes: 900 }));
  const weighing = { lines, amount: (SHARE * BigInt(lines.length)).toString(), card: "a card", more, missing: 0 };
  const keep = {
    step: "keep",
    key: undefined,
    weighing: { ...weighing, basis: "card", minimumApplied: false },
  } as const;
  return step(await walletAt(wallet).statement(undefined, keep), "kept").statement;
}
const claimFor = (wallet: Wallet, amount: string) =>
  claimOf(wallet, {}, authorizationOf(wallet, { value: BigInt(amount) }));

async function claimed(wallet: Wallet, statement: { statementId: string; amount: string }) {
  const claim = claimFor(wallet, statement.amount);
  const begun = await walletAt(wallet).beginPayment(
    undefined,
    claim,
    { statementId: statement.statementId },
    undefined,
  );
  return { claim, begun };
}

async function paid(wallet: Wallet, statement: { statementId: string; amount: string }) {
  const { claim, begun } = await claimed(wallet, statement);
  expect(begun).toMatchObject({ ok: true, begun: "open" });
  const finished = await walletAt(wallet).finishPayment(claim.claimKey, settledAt(nowS(wallet)));
  return { claim, finished };
}

async function three(wallet: Wallet) {
  const ids: string[] = [];
  for (const objectKey of ["a", "b", "c"]) ids.push((await store(wallet, { objectKey })).orderId);
  return ids as [string, string, string];
}

describe("a statement", () => {
  it("has a line for what begins within 30 days, and none for what is paid ahead or holds no bytes", async () => {
    const wallet = freshWallet();
    const [a] = await three(wallet);
    const renewal = { orderId: a, index: 1, amount: "20000", card: "", sizeBytes: 900 };
    const ahead = claimOf(wallet);
    good(await walletAt(wallet).beginPayment(undefined, ahead, { renewal }, undefined));
    const keys = async () =>
      step(await begin(wallet), "weigh")
        .due.map(({ objectKey }) => objectKey)
        .sort();
    expect(await keys()).toEqual(["b", "c"]);
    await walletAt(wallet).finishPayment(ahead.claimKey, settledAt(nowS(wallet)));
    expect(await keys()).toEqual(["b", "c"]);
    worldOf(wallet).aheadMs += PERIOD_MS + DAY_MS;
    expect(await keys()).toEqual(["a", "b", "c"]);
    worldOf(wallet).aheadMs += DAY_MS + 60_000;
    expect(await keys()).toEqual(["a"]);
  });

  it("pays the next period of each line, once, by one claim", async () => {
    const wallet = freshWallet();
    const ids = await three(wallet);
    const before = await throughOf(wallet);
    const statement = await made(wallet);
    const { claim, finished } = await paid(wallet, statement);
    expect(finished).toMatchObject({ state: "settled", payment: { purpose: "statement", amount: "180000" } });
    expect((await throughOf(wallet)).map(({ paid_through_ms }) => paid_through_ms)).toEqual(
      before.map(({ paid_through_ms }) => paid_through_ms + PERIOD_MS),
    );
    const settled = step(await look(wallet, statement.statementId), "settled");
    expect(settled.payment.claimKey).toBe(claim.claimKey);
    expect(settled.renewals.map(({ orderId, state, period }) => [orderId, state, period])).toEqual(
      [...ids].sort().map((id) => [id, "granted", 1]),
    );
    // A fresh authorization for it, the same one again, and a late reply: nothing is claimed any more.
    const again = await claimed(wallet, statement);
    expect(again.begun).toMatchObject({ begun: "bought", sameClaim: false, payment: { claimKey: claim.claimKey } });
    const purchase = { statementId: statement.statementId };
    expect(await walletAt(wallet).beginPayment(undefined, claim, purchase, undefined)).toMatchObject({
      begun: "bought",
      sameClaim: true,
    });
    expect(step(await begin(wallet), "weigh").due).toEqual([]);
    expect(await sqlOf(wallet, "SELECT * FROM renewals")).toHaveLength(3);
  });

  it("holds no more when a line was paid otherwise, is being paid, was deleted or replaced", async () => {
    const changes: ((wallet: Wallet, orderId: string) => Promise<unknown>)[] = [
      async (wallet, orderId) => {
        const renewal = { orderId, index: 1, amount: "20000", card: "", sizeBytes: 900 };
        const claim = claimOf(wallet);
        good(await walletAt(wallet).beginPayment(undefined, claim, { renewal }, undefined));
      },
      async (wallet, orderId) => {
        const renewal = { orderId, index: 1, amount: "20000", card: "", sizeBytes: 900 };
        const claim = claimOf(wallet);
        good(await walletAt(wallet).beginPayment(undefined, claim, { renewal }, undefined));
        await walletAt(wallet).finishPayment(claim.claimKey, settledAt(nowS(wallet)));
      },
      async (wallet) => good(await walletAt(wallet).beginDelete(undefined, "main", "b")),
      async (wallet, orderId) => {
        const { plan } = await putPlanOf(wallet, orderId, contentOf({ lengthBytes: 10, sha256: "cd".repeat(32) }));
        good(await walletAt(wallet).finishConfirm(orderId, plan.plan));
      },
      async (wallet) => paid(wallet, await made(wallet)),
    ];
    for (const change of changes) {
      const wallet = freshWallet();
      const [, b] = await three(wallet);
      const statement = await made(wallet);
      await change(wallet, b);
      const before = await sqlOf(wallet, "SELECT * FROM renewals");
      expect(await look(wallet, statement.statementId)).toMatchObject({ code: "statement_changed" });
      expect((await claimed(wallet, statement)).begun).toMatchObject({ code: "statement_changed" });
      expect(await walletAt(wallet).spendCredit(proof(), statement, undefined)).toMatchObject({ bought: undefined });
      expect(await sqlOf(wallet, "SELECT * FROM renewals")).toEqual(before);
    }
  });

  it("is open once: a second payment waits, a refused one leaves every line free", async () => {
    const wallet = freshWallet();
    await three(wallet);
    const statement = await made(wallet);
    const { claim } = await claimed(wallet, statement);
    expect((await claimed(wallet, statement)).begun).toMatchObject({ code: "payment_pending" });
    expect(await look(wallet, statement.statementId)).toMatchObject({ code: "payment_pending" });
    expect(await look(wallet, statement.statementId, claim.claimKey)).toMatchObject({ step: "pay", known: true });
    expect(step(await begin(wallet), "weigh").due).toEqual([]);
    await walletAt(wallet).finishPayment(claim.claimKey, refusedAs(true));
    expect(await sqlOf(wallet, "SELECT * FROM renewals")).toEqual([]);
    await paid(wallet, statement);
    // The first one turns up after all.
    await walletAt(wallet).finishPayment(claim.claimKey, settledAt(nowS(wallet)));
    expect(await creditOf(wallet)).toBe(statement.amount);
    expect(await sqlOf(wallet, "SELECT * FROM renewals")).toHaveLength(3);
  });

  it("gives back the share of an object that was deleted meanwhile, once its block is final", async () => {
    const wallet = freshWallet();
    const [, b] = await three(wallet);
    const statement = await made(wallet);
    const { claim } = await claimed(wallet, statement);
    good(await walletAt(wallet).beginDelete(undefined, "main", "b"));
    expect(await walletAt(wallet).finishPayment(claim.claimKey, settledAt(nowS(wallet)))).toMatchObject({
      state: "settled",
    });
    const states = async () =>
      step(await look(wallet, statement.statementId), "settled").renewals.map(({ orderId, state }) =>
        orderId === b ? state : state === "granted",
      );
    expect((await states()).filter((each) => each !== true)).toEqual(["homeless"]);
    await advance(wallet, 600_000);
    expect((await states()).filter((each) => each !== true)).toEqual(["credited"]);
    expect(await creditOf(wallet)).toBe(SHARE.toString());
  });

  it("of which nothing is left when the money comes is credit, and is told so to everyone who brings it", async () => {
    const wallet = freshWallet();
    await store(wallet, { objectKey: "a" });
    const statement = await made(wallet);
    const { claim } = await claimed(wallet, statement);
    good(await walletAt(wallet).beginDelete(undefined, "main", "a"));
    const gone = { code: "gone", facts: { credited: SHARE.toString() } };
    expect(await walletAt(wallet).finishPayment(claim.claimKey, settledAt(nowS(wallet)))).toMatchObject({
      state: "homeless",
      refusal: gone,
    });
    for (const ms of [0, 600_000]) {
      await advance(wallet, ms);
      expect(await look(wallet, statement.statementId, claim.claimKey)).toMatchObject({ step: "pay", known: true });
      expect(await walletAt(wallet).beginPayment(undefined, claim, statement, undefined)).toMatchObject(gone);
      expect(await look(wallet, statement.statementId)).toMatchObject({ code: "statement_changed" });
    }
    expect(await creditOf(wallet)).toBe(SHARE.toString());
  });

  it("of which a reorg takes the payment for good takes 30 days off each line", async () => {
    const wallet = freshWallet();
    await three(wallet);
    const before = await throughOf(wallet);
    const { claim } = await paid(wallet, await made(wallet));
    await runInDurableObject(env.WALLET.getByName(wallet), (object: WalletDO) =>
      object.finishRecheck(claim.claimKey, { end: "vanished" }),
    );
    await walletAt(wallet).finishPayment(claim.claimKey, refusedAs(true));
    expect(await throughOf(wallet)).toEqual(before);
    expect((await made(wallet)).lines).toHaveLength(3);
  });

  it("is bought with credit where there is enough, lives an hour, and is kept a few at a time", async () => {
    const wallet = freshWallet();
    await three(wallet);
    const first = await made(wallet);
    const { claim } = await claimed(wallet, first);
    await walletAt(wallet).finishPayment(claim.claimKey, refusedAs(true));
    await walletAt(wallet).finishPayment(claim.claimKey, settledAt(nowS(wallet)));
    worldOf(wallet).aheadMs += 3_600_000;
    expect(await look(wallet, first.statementId)).toMatchObject({ code: "quote_expired" });
    const second = await made(wallet);
    expect(await walletAt(wallet).spendCredit(proof(), second, undefined)).toMatchObject({
      bought: { payment: { purpose: "statement" } },
    });
    expect(await creditOf(wallet)).toBe("0");
    expect(step(await look(wallet, second.statementId), "settled").renewals).toHaveLength(3);

    const other = freshWallet();
    await three(other);
    for (let n = 0; n <= OPEN_STATEMENTS_MAX; n++) await made(other);
    expect(await sqlOf(other, "SELECT 1 FROM statements")).toHaveLength(OPEN_STATEMENTS_MAX);
  });

  it("under a key is the same statement as long as it lives", async () => {
    const wallet = freshWallet();
    await three(wallet);
    const key = { route: "/billing/statement", key: "November", fields: {} };
    const ask = () => walletAt(wallet).statement(proof(), { step: "begin", key, gaps: [] });
    expect(await ask()).toMatchObject({ step: "weigh" });
    const { lines, amount, card, more, missing } = await made(wallet);
    const weighing = { lines, amount, card, more, missing, basis: "card", minimumApplied: false } as const;
    const kept = step(await walletAt(wallet).statement(undefined, { step: "keep", key, weighing }), "kept");
    expect(step(await ask(), "kept").statement.statementId).toBe(kept.statement.statementId);
    worldOf(wallet).aheadMs += 3_600_000;
    expect(await ask()).toMatchObject({ step: "weigh" });
  });
});

describe("a forecast", () => {
  it("is fetched once for a wallet and period, whatever came of it, and the next one before the next month", async () => {
    const wallet = freshWallet();
    await three(wallet);
    const asked: number[] = [];
    const answers = [{ end: "unknown", detail: "AWS is away" } as const, { end: "done", amount: 150_000n } as const];
    worldOf(wallet).forecast = async () => {
      asked.push(clockOf(wallet).nowMs());
      return answers[asked.length - 1] ?? { end: "no_data", detail: "" };
    };
    const statement = await made(wallet);
    await made(wallet);
    await advance(wallet, 60_000);
    expect(asked).toHaveLength(1);
    await made(wallet);
    await advance(wallet, DAY_MS);
    expect(asked).toHaveLength(1);
    expect(step(await begin(wallet), "weigh").forecast).toBeUndefined();
    await paid(wallet, await made(wallet));
    await advance(wallet, 26 * DAY_MS);
    expect(asked).toHaveLength(2);
    expect(step(await begin(wallet), "weigh")).toMatchObject({ forecast: "150000", bytes: 2_700 });
    await advance(wallet, 5 * DAY_MS);
    expect((await made(wallet)).lines).toHaveLength(3);
    await advance(wallet, DAY_MS);
    expect(asked).toHaveLength(2);
    expect(statement.basis).toBe("card");
  });

  it("is not bought for a statement that costs little more than it", async () => {
    const wallet = freshWallet();
    await store(wallet);
    let asked = 0;
    worldOf(wallet).forecast = async () => {
      asked += 1;
      return { end: "no_data", detail: "" };
    };
    await made(wallet);
    await advance(wallet, DAY_MS);
    expect(asked).toBe(0);
  });
});
