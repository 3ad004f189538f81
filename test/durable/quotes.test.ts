import { describe, expect, it } from "vitest";
import { OPEN_QUOTES_PER_WALLET_MAX, QUOTE_TTL_S } from "#contract/limits";
import { walletOfId } from "#contract/wallet";
import { advance, claimOf, freshHex, freshWallet, good, settledAt, sqlOf, walletAt, wantedOf } from "./fixture.ts";
import { clockOf } from "./world.ts";

const HOUR_MS = 3_600_000;

describe("a quote", () => {
  it("is held for one hour under an id that carries its wallet", async () => {
    const wallet = freshWallet();
    const beforeMs = clockOf(wallet).nowMs();
    const { quote } = good(await walletAt(wallet).quote(undefined, wantedOf()));
    expect(walletOfId("quote", quote.quoteId)).toBe(wallet);
    expect(quote.expiresMs - beforeMs).toBeGreaterThanOrEqual(QUOTE_TTL_S * 1000);
    expect(quote.expiresMs - beforeMs).toBeLessThan(QUOTE_TTL_S * 1000 + 2_000);
    expect(good(await walletAt(wallet).readQuote(undefined, quote.quoteId)).quote).toMatchObject(wantedOf());
  });

  it("can be paid a second before its hour is over and not a second after", async () => {
    const wallet = freshWallet();
    const { quote: early } = good(await walletAt(wallet).quote(undefined, wantedOf({ objectKey: "early" })));
    const { quote: late } = good(await walletAt(wallet).quote(undefined, wantedOf({ objectKey: "late" })));
    await advance(wallet, HOUR_MS - 2_000);
    const inTime = { quoteId: early.quoteId, objectKey: "early" };
    good(await walletAt(wallet).beginPayment(undefined, claimOf(wallet), inTime, undefined));
    await advance(wallet, 4_000);
    const tooLate = { quoteId: late.quoteId, objectKey: "late" };
    expect(await walletAt(wallet).beginPayment(undefined, claimOf(wallet), tooLate, undefined)).toMatchObject({
      ok: false,
      code: "quote_expired",
    });
  });

  it("of another wallet, or of nobody, reads as absent", async () => {
    const { quote } = good(await walletAt(freshWallet()).quote(undefined, wantedOf()));
    const other = walletAt(freshWallet());
    expect(await other.readQuote(undefined, quote.quoteId)).toMatchObject({ code: "quote_not_found" });
    const purchase = { quoteId: quote.quoteId, objectKey: "x" };
    const claim = claimOf(freshWallet());
    expect(await other.beginPayment(undefined, claim, purchase, undefined)).toMatchObject({ code: "quote_not_found" });
  });

  it("that nobody bought is forgotten a day after it expired; a bought one stays", async () => {
    const wallet = freshWallet();
    const { quote: idle } = good(await walletAt(wallet).quote(undefined, wantedOf({ objectKey: "idle" })));
    const { quote: bought } = good(await walletAt(wallet).quote(undefined, wantedOf({ objectKey: "bought" })));
    const purchase = { quoteId: bought.quoteId, objectKey: "bought" };
    const claim = claimOf(wallet);
    good(await walletAt(wallet).beginPayment(undefined, claim, purchase, undefined));
    await walletAt(wallet).finishPayment(claim.claimKey, settledAt(clockOf(wallet).nowMs()));
    const ids = async () =>
      (await sqlOf<{ quote_id: string }>(wallet, "SELECT quote_id FROM quotes")).map((row) => row.quote_id);
    await advance(wallet, 24 * HOUR_MS);
    await walletAt(wallet).quote(undefined, wantedOf());
    expect(await ids()).toContain(idle.quoteId);
    await advance(wallet, 2 * HOUR_MS);
    await walletAt(wallet).quote(undefined, wantedOf());
    expect(await ids()).not.toContain(idle.quoteId);
    expect(await ids()).toContain(bought.quoteId);
  });

  it("is refused to a wallet that holds too many open ones, until they expire", async () => {
    const wallet = freshWallet();
    await walletAt(wallet).quote(undefined, wantedOf());
    await sqlOf(
      wallet,
      `WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < ${OPEN_QUOTES_PER_WALLET_MAX})
       INSERT INTO quotes SELECT 'copy' || i, agent_id, object_key, object_id, object_id_hash, region, size_max, amount, card,
         created_ms, expires_ms, NULL FROM n, quotes`,
    );
    expect(await walletAt(wallet).quote(undefined, wantedOf())).toMatchObject({ code: "too_many_requests" });
    await advance(wallet, HOUR_MS + 1_000);
    good(await walletAt(wallet).quote(undefined, wantedOf()));
  });
});

describe("a proof's nonce", () => {
  const proofOf = (wallet: string, nonce: string, request: string) => ({
    nonce,
    request,
    expiresMs: clockOf(wallet).nowMs() + 360_000,
  });

  it("is bound to the first request that shows it", async () => {
    const wallet = freshWallet();
    const nonce = freshHex();
    good(await walletAt(wallet).prove(proofOf(wallet, nonce, "first")));
    good(await walletAt(wallet).prove(proofOf(wallet, nonce, "first")));
    expect(await walletAt(wallet).prove(proofOf(wallet, nonce, "second"))).toMatchObject({ code: "proof_replayed" });
  });

  it("bound elsewhere stops every method before it does anything", async () => {
    const wallet = freshWallet();
    const nonce = freshHex();
    good(await walletAt(wallet).prove(proofOf(wallet, nonce, "first")));
    const replayed = proofOf(wallet, nonce, "second");
    const object = walletAt(wallet);
    const ref = { orderId: "order" };
    const answers = [
      await object.quote(replayed, wantedOf()),
      await object.readQuote(replayed, "quote"),
      await object.bought(replayed, wantedOf()),
      await object.beginPayment(replayed, claimOf(wallet), { wanted: wantedOf() }, undefined),
      await object.readOrder(replayed, ref),
      await object.plan(
        replayed,
        ref,
        { lengthBytes: 1, sha256: "", wrappedDek: undefined },
        "wallet",
        undefined,
        undefined,
      ),
      await object.beginConfirm(replayed, ref),
      await object.stat(replayed, "main", "x"),
      await object.takeList(replayed, { agentId: undefined, region: undefined, prefix: "" }, undefined),
      await object.takeDownload(replayed, { agentId: "main", objectKey: "x", range: undefined }),
      await object.beginDelete(replayed, "main", "x"),
    ];
    for (const answer of answers) expect(answer).toMatchObject({ ok: false, code: "proof_replayed" });
    expect(await sqlOf(wallet, "SELECT * FROM quotes")).toEqual([]);
    expect(await sqlOf(wallet, "SELECT * FROM orders")).toEqual([]);
  });

  it("is forgotten only after the proof itself is too old to be shown", async () => {
    const wallet = freshWallet();
    const nonce = freshHex();
    good(await walletAt(wallet).prove(proofOf(wallet, nonce, "first")));
    await advance(wallet, 359_000);
    good(await walletAt(wallet).prove(proofOf(wallet, freshHex(), "other")));
    expect(await walletAt(wallet).prove(proofOf(wallet, nonce, "second"))).toMatchObject({ code: "proof_replayed" });
    await advance(wallet, 3_000);
    good(await walletAt(wallet).prove(proofOf(wallet, freshHex(), "other")));
    expect(await sqlOf(wallet, "SELECT * FROM proofs")).toHaveLength(2);
  });
});
