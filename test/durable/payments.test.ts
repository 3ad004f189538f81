import { describe, expect, it } from "vitest";
import { DAY_MS } from "#rules/calendar";
import {
  advance,
  buy,
  claimOf,
  evict,
  freshWallet,
  good,
  refusedAs,
  settledAt,
  sqlOf,
  thrownBy,
  UNKNOWN,
  walletAt,
  wantedOf,
} from "./fixture.ts";
import { clockOf, worldOf } from "./world.ts";

const BLOCK_MS = 1_800_000_000_000;

function begin(wallet: ReturnType<typeof freshWallet>, claim = claimOf(wallet), over = {}) {
  return walletAt(wallet).beginPayment(undefined, claim, { wanted: wantedOf(over) }, undefined);
}

async function creditOf(wallet: string): Promise<string | undefined> {
  return (await sqlOf<{ value: string }>(wallet, "SELECT value FROM meta WHERE key = 'credit'"))[0]?.value;
}

async function stateOf(wallet: string, claimKey: string): Promise<string | undefined> {
  const rows = await sqlOf<{ claim_key: string; state: string }>(wallet, "SELECT claim_key, state FROM payments");
  return rows.find((row) => row.claim_key === claimKey)?.state;
}

describe("a claim", () => {
  it("presented again for the same request gives the same open payment", async () => {
    const wallet = freshWallet();
    const claim = claimOf(wallet);
    const first = good(await begin(wallet, claim));
    const second = good(await begin(wallet, claim));
    expect(second.begun).toBe("open");
    expect(second.payment.paymentId).toBe(first.payment.paymentId);
    expect(second.payment.orderId).toBe(first.payment.orderId);
    expect(await sqlOf(wallet, "SELECT * FROM orders")).toHaveLength(1);
  });

  it("presented for another request is bound already, open or settled", async () => {
    const wallet = freshWallet();
    const claim = claimOf(wallet);
    const elsewhere = { ...claim, fingerprint: "another request" };
    good(await begin(wallet, claim));
    expect(await begin(wallet, elsewhere)).toMatchObject({ code: "authorization_bound" });
    await walletAt(wallet).finishPayment(claim.claimKey, settledAt(BLOCK_MS));
    expect(await begin(wallet, elsewhere)).toMatchObject({ code: "authorization_bound" });
  });

  it("that would not pay leaves no trace, but one that has paid is answered whatever its window says now", async () => {
    const wallet = freshWallet();
    const fault = { reason: "too_late", detail: "the window is over" };
    const claim = claimOf(wallet);
    expect(await begin(wallet, { ...claim, fault })).toMatchObject({
      code: "payment_invalid",
      facts: { reason: "too_late" },
    });
    expect(await sqlOf(wallet, "SELECT * FROM orders")).toEqual([]);
    good(await begin(wallet, claim));
    await walletAt(wallet).finishPayment(claim.claimKey, settledAt(BLOCK_MS));
    expect(await begin(wallet, { ...claim, fault })).toMatchObject({ ok: true, begun: "bought", sameClaim: true });
  });

  it("of another amount than the price is a broken invariant and writes nothing", async () => {
    const wallet = freshWallet();
    const wanted = wantedOf({ amount: "20001" });
    const thrown = await thrownBy(wallet, (object) =>
      object.beginPayment(undefined, claimOf(wallet), { wanted }, undefined),
    );
    expect(thrown).toContain("invariant");
    expect(await sqlOf(wallet, "SELECT * FROM orders")).toEqual([]);
    expect(await sqlOf(wallet, "SELECT * FROM journal")).toEqual([]);
  });
});

describe("two payments for one name", () => {
  it("at once: one is open, the other hears that a payment is pending", async () => {
    const wallet = freshWallet();
    const answers = await Promise.all([begin(wallet), begin(wallet), begin(wallet)]);
    expect(answers.filter((each) => each.ok)).toHaveLength(1);
    for (const answer of answers.filter((each) => !each.ok)) expect(answer).toMatchObject({ code: "payment_pending" });
    expect(await sqlOf(wallet, "SELECT * FROM payments")).toHaveLength(1);
  });

  it("at once by two quotes of one name: the same", async () => {
    const wallet = freshWallet();
    const { quote: a } = good(await walletAt(wallet).quote(undefined, wantedOf()));
    const { quote: b } = good(await walletAt(wallet).quote(undefined, wantedOf()));
    const pay = (quoteId: string) =>
      walletAt(wallet).beginPayment(
        undefined,
        claimOf(wallet),
        { quoteId, objectKey: wantedOf().objectKey },
        undefined,
      );
    const answers = await Promise.all([pay(a.quoteId), pay(b.quoteId)]);
    expect(answers.map((each) => (each.ok ? "open" : each.code)).sort()).toEqual(["open", "payment_pending"]);
  });

  it("of two agents are two purchases", async () => {
    const wallet = freshWallet();
    good(await begin(wallet));
    good(await begin(wallet, claimOf(wallet), { agentId: "other" }));
  });
});

describe("a settled payment", () => {
  it("buys 30 days from the time of its block, not from now", async () => {
    const wallet = freshWallet();
    const claim = claimOf(wallet);
    good(await begin(wallet, claim));
    const finished = await walletAt(wallet).finishPayment(claim.claimKey, settledAt(BLOCK_MS));
    expect(finished).toMatchObject({
      state: "settled",
      order: { state: "paid", paidMs: BLOCK_MS, paidThroughMs: BLOCK_MS + 30 * DAY_MS },
    });
  });

  it("is not moved by whatever end arrives after it", async () => {
    const wallet = freshWallet();
    const claim = claimOf(wallet);
    good(await begin(wallet, claim));
    const first = await walletAt(wallet).finishPayment(claim.claimKey, settledAt(BLOCK_MS));
    for (const late of [settledAt(BLOCK_MS + 90_000), UNKNOWN, refusedAs(true), refusedAs(false)])
      expect(await walletAt(wallet).finishPayment(claim.claimKey, late)).toEqual(first);
  });

  it("answers its own claim as bought, without a job for the chain", async () => {
    const wallet = freshWallet();
    const { claim, orderId } = await buy(wallet);
    expect(await begin(wallet, claim)).toMatchObject({
      ok: true,
      begun: "bought",
      sameClaim: true,
      order: { orderId },
    });
  });

  it("survives an eviction between begin and finish", async () => {
    const wallet = freshWallet();
    const claim = claimOf(wallet);
    const begun = good(await begin(wallet, claim));
    await evict(wallet);
    const finished = await walletAt(wallet).finishPayment(claim.claimKey, settledAt(BLOCK_MS));
    expect(finished).toMatchObject({ state: "settled", order: { orderId: begun.payment.orderId } });
  });
});

describe("a payment refused before it left us", () => {
  it("is forgotten: name, quote and the very same authorization are usable again", async () => {
    const wallet = freshWallet();
    const { quote } = good(await walletAt(wallet).quote(undefined, wantedOf()));
    const purchase = { quoteId: quote.quoteId, objectKey: quote.objectKey };
    const claim = claimOf(wallet);
    good(await walletAt(wallet).beginPayment(undefined, claim, purchase, undefined));
    const finished = await walletAt(wallet).finishPayment(claim.claimKey, refusedAs(false));
    expect(finished).toMatchObject({ state: "refused", leftUs: false });
    expect(good(await walletAt(wallet).readQuote(undefined, quote.quoteId)).order).toBeUndefined();
    const rebound = { ...claim, fingerprint: "another request" };
    expect(await walletAt(wallet).beginPayment(undefined, rebound, purchase, undefined)).toMatchObject({
      ok: true,
      begun: "open",
    });
  });

  it("and claimed anew is not withdrawn by a caller of the earlier attempt who comes home late", async () => {
    const wallet = freshWallet();
    const claim = claimOf(wallet);
    const first = good(await begin(wallet, claim));
    await walletAt(wallet).finishPayment(claim.claimKey, refusedAs(false), first.payment.attempt);
    const second = good(await begin(wallet, claim));
    expect(second.payment).toMatchObject({ state: "open", attempt: first.payment.attempt + 1 });
    expect(second.payment.claimedMs).toBe(first.payment.claimedMs);
    const late = await walletAt(wallet).finishPayment(claim.claimKey, refusedAs(false), first.payment.attempt);
    expect(late).toMatchObject({ state: "open", order: { orderId: second.payment.orderId } });
    // A transfer is news whoever brings it.
    const paid = await walletAt(wallet).finishPayment(claim.claimKey, settledAt(BLOCK_MS), first.payment.attempt);
    expect(paid).toMatchObject({ state: "settled", order: { orderId: second.payment.orderId } });
  });

  it("is refused the same way to a second caller who waited for the same end", async () => {
    const wallet = freshWallet();
    const claim = claimOf(wallet);
    good(await begin(wallet, claim));
    await walletAt(wallet).finishPayment(claim.claimKey, refusedAs(false));
    expect(await walletAt(wallet).finishPayment(claim.claimKey, refusedAs(false))).toMatchObject({ state: "refused" });
  });

  it("and settled after all by a second caller's hand becomes credit once, never a loss", async () => {
    const wallet = freshWallet();
    const claim = claimOf(wallet);
    good(await begin(wallet, claim));
    good(await begin(wallet, claim));
    await walletAt(wallet).finishPayment(claim.claimKey, refusedAs(false));
    const late = settledAt(BLOCK_MS);
    expect(await walletAt(wallet).finishPayment(claim.claimKey, late)).toMatchObject({ reason: "credited" });
    expect(await walletAt(wallet).finishPayment(claim.claimKey, late)).toMatchObject({ reason: "credited" });
    expect(await creditOf(wallet)).toBe("20000");
    // What became credit cannot buy a second time.
    expect(await begin(wallet, claim)).toMatchObject({ code: "payment_invalid" });
  });

  it("and unknown to a second caller stays watched until the chain has spoken", async () => {
    const wallet = freshWallet();
    const claim = claimOf(wallet);
    good(await begin(wallet, claim));
    await walletAt(wallet).finishPayment(claim.claimKey, refusedAs(false));
    await walletAt(wallet).finishPayment(claim.claimKey, { end: "unknown", txHash: `0x${"12".repeat(32)}` });
    worldOf(wallet).settle = () => settledAt(BLOCK_MS);
    await advance(wallet, 600_000);
    expect(await creditOf(wallet)).toBe("20000");
  });
});

describe("a payment refused after it left us", () => {
  it("frees the name, is never taken again, and becomes credit when it is proven after all", async () => {
    const wallet = freshWallet();
    const claim = claimOf(wallet);
    good(await begin(wallet, claim));
    await walletAt(wallet).finishPayment(claim.claimKey, refusedAs(true));
    expect(await stateOf(wallet, claim.claimKey)).toBe("void");
    expect(await begin(wallet, claim)).toMatchObject({ code: "payment_invalid" });
    good(await begin(wallet));
    expect(await walletAt(wallet).finishPayment(claim.claimKey, settledAt(BLOCK_MS))).toMatchObject({
      state: "refused",
      reason: "credited",
    });
    expect(await creditOf(wallet)).toBe("20000");
  });

  it("is credited once, however many callers bring the proof or an older end", async () => {
    const wallet = freshWallet();
    const claim = claimOf(wallet);
    good(await begin(wallet, claim));
    const proof = settledAt(BLOCK_MS);
    for (const end of [refusedAs(true), proof, proof, refusedAs(true), UNKNOWN, proof])
      await walletAt(wallet).finishPayment(claim.claimKey, end);
    expect(await creditOf(wallet)).toBe("20000");
    expect(await stateOf(wallet, claim.claimKey)).toBe("credited");
  });

  it("is asked about with pauses while the chain does not answer, and given up an hour after its window", async () => {
    const wallet = freshWallet();
    const claim = claimOf(wallet);
    good(await begin(wallet, claim));
    await walletAt(wallet).finishPayment(claim.claimKey, refusedAs(true));
    const ran = await advance(wallet, 1_800_000);
    expect(ran).toBeGreaterThanOrEqual(5);
    expect(ran).toBeLessThanOrEqual(12);
    worldOf(wallet).settle = () => refusedAs(true);
    await advance(wallet, 2_400_000);
    expect(await stateOf(wallet, claim.claimKey)).toBe("dead");
    const asked = worldOf(wallet).asked.length;
    await advance(wallet, 3_600_000);
    expect(worldOf(wallet).asked).toHaveLength(asked);
  });

  it("keeps its record when a lane that has forgotten it says it never left", async () => {
    const wallet = freshWallet();
    const claim = claimOf(wallet);
    good(await begin(wallet, claim));
    await walletAt(wallet).finishPayment(claim.claimKey, { end: "unknown", txHash: `0x${"12".repeat(32)}` });
    await walletAt(wallet).finishPayment(claim.claimKey, refusedAs(false));
    expect(await stateOf(wallet, claim.claimKey)).toBe("void");
    await walletAt(wallet).finishPayment(claim.claimKey, refusedAs(false));
    expect(await stateOf(wallet, claim.claimKey)).toBe("void");
  });
});

describe("an unknown end", () => {
  it("keeps the payment open and the name taken, and remembers the transaction", async () => {
    const wallet = freshWallet();
    const claim = claimOf(wallet);
    good(await begin(wallet, claim));
    const txHash = `0x${"12".repeat(32)}` as const;
    const finished = await walletAt(wallet).finishPayment(claim.claimKey, { end: "unknown", txHash });
    expect(finished).toMatchObject({ state: "open", payment: { txHash }, order: { state: "paying" } });
    expect(await walletAt(wallet).finishPayment(claim.claimKey, UNKNOWN)).toMatchObject({ payment: { txHash } });
    expect(await begin(wallet)).toMatchObject({ code: "payment_pending" });
  });

  it("is asked about again by the alarm, twice as long apart each time, up to five minutes", async () => {
    const wallet = freshWallet();
    const beganMs = clockOf(wallet).nowMs();
    good(await begin(wallet));
    await advance(wallet, 1_500_000);
    const times = [beganMs, ...worldOf(wallet).asked.map((each) => each.atMs)];
    const gaps = times.slice(1).map((atMs, index) => Math.round((atMs - (times[index] ?? 0)) / 1000));
    expect(gaps.slice(0, 9)).toEqual([35, 5, 10, 20, 40, 80, 160, 300, 300]);
  });

  it("is asked about with the same pauses when asking itself fails", async () => {
    const wallet = freshWallet();
    worldOf(wallet).settle = () => {
      throw new Error("the lane cannot be reached");
    };
    const claim = claimOf(wallet);
    good(await begin(wallet, claim));
    await advance(wallet, 900_000);
    expect(worldOf(wallet).asked.length).toBeGreaterThanOrEqual(6);
    expect(worldOf(wallet).asked.length).toBeLessThanOrEqual(10);
    worldOf(wallet).settle = () => settledAt(BLOCK_MS);
    await advance(wallet, 600_000);
    expect(await stateOf(wallet, claim.claimKey)).toBe("settled");
  });

  it("of one payment does not keep the alarm from another's", async () => {
    const wallet = freshWallet();
    const claims = Array.from({ length: 25 }, () => claimOf(wallet));
    const last = claims.at(-1);
    for (const [index, claim] of claims.entries()) good(await begin(wallet, claim, { objectKey: `object ${index}` }));
    worldOf(wallet).settle = (job) => {
      if (job.claimKey === last?.claimKey) return settledAt(BLOCK_MS);
      throw new Error("the lane cannot be reached");
    };
    await advance(wallet, 60_000);
    expect(await stateOf(wallet, last?.claimKey ?? "")).toBe("settled");
  });
});
