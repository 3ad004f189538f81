/** What becomes of a settlement after its transaction was signed. */
import { describe, expect, it } from "vitest";
import { jobOf, type Lane, nonceIn, openLane, taken } from "./relayer-fixture.ts";

function later(lane: Lane, ms: number): void {
  lane.world.aheadMs += ms;
}

async function rawsOf(lane: Lane): Promise<string[]> {
  return (await lane.sql<{ raw: string }>("SELECT raw FROM txs ORDER BY rowid")).map((row) => row.raw);
}

describe("a signed transaction", () => {
  it("is written down before it is sent: a send that fails leaves it, and the same bytes go out again", async () => {
    const lane = openLane();
    const job = jobOf(lane);
    lane.world.rpc.down.add("send");
    const end = await lane.settle(job, 1_000);
    const [raw] = await rawsOf(lane);
    expect(end).toMatchObject({ end: "unknown", txHash: (await taken(raw as `0x${string}`)).hash });
    expect(await lane.sql("SELECT state FROM jobs")).toEqual([{ state: "sent" }]);
    lane.world.rpc.down.clear();
    later(lane, 7_000);
    expect(await lane.alarm()).toBe(true);
    expect(lane.world.rpc.sent).toEqual([raw]);
    expect((await lane.settle(job, 1_000)).end).toBe("settled");
    expect(await rawsOf(lane)).toEqual([raw]);
  });

  it("survives a crash before it was sent: the alarm sends the very same bytes", async () => {
    const lane = openLane();
    const job = jobOf(lane);
    lane.world.rpc.beforeSend = async () => {
      lane.world.rpc.beforeSend = undefined;
      await lane.world.crash?.();
    };
    const crashed = await lane.settle(job, 1_000).catch((error: unknown) => error);
    expect(String(crashed)).toContain("the machine went away");
    expect(lane.world.rpc.sent).toEqual([]);
    const [raw] = await rawsOf(lane);
    expect(await lane.alarmAt()).not.toBeNull();
    later(lane, 11_000);
    await lane.alarm();
    expect(lane.world.rpc.sent).toEqual([raw]);
    expect((await lane.settle(job, 1_000)).end).toBe("settled");
    expect(lane.world.rpc.sent).toHaveLength(1);
  });

  it("whose receipts nobody gives is unknown, never refused", async () => {
    const lane = openLane();
    const job = jobOf(lane);
    lane.world.rpc.down.add("receipts");
    expect(await lane.settle(job, 3_000)).toMatchObject({ end: "unknown", txHash: expect.stringMatching(/^0x/) });
    await lane.alarm();
    expect((await lane.settle(job, 1_000)).end).toBe("unknown");
    lane.world.rpc.down.clear();
    expect((await lane.settle(job, 1_000)).end).toBe("settled");
    expect(new Set(lane.world.rpc.sent).size).toBe(1);
  });

  it("that cannot be judged yet does not keep the others from their ends", async () => {
    const lane = openLane();
    lane.world.rpc.onSend = undefined;
    const stuck = jobOf(lane);
    await lane.settle(stuck, 0);
    const fine = jobOf(lane);
    await lane.settle(fine, 0);
    const raws = lane.world.rpc.sent;
    lane.world.rpc.undecided.add(stuck.authorization.nonce);
    for (const raw of raws) lane.world.rpc.mine(raw, "paid");
    expect((await lane.settle(fine, 2_000)).end).toBe("settled");
    expect((await lane.settle(stuck, 0)).end).toBe("unknown");
    lane.world.rpc.undecided.clear();
    expect((await lane.settle(stuck, 2_000)).end).toBe("settled");
  });

  it("that reverted has paid nonetheless, when somebody else's transfer used the authorization", async () => {
    const lane = openLane();
    const job = jobOf(lane);
    lane.world.rpc.onSend = "reverted";
    lane.world.rpc.used.add(job.authorization.nonce);
    lane.world.rpc.transfers.set(job.authorization.nonce, lane.world.rpc.proof(`0x${"99".repeat(32)}`));
    expect(await lane.settle(job)).toMatchObject({ end: "settled", proof: { txHash: `0x${"99".repeat(32)}` } });
  });

  it("that reverted with its authorization burnt elsewhere is refused, as one that left us", async () => {
    const lane = openLane();
    const job = jobOf(lane);
    lane.world.rpc.onSend = "reverted";
    lane.world.rpc.used.add(job.authorization.nonce);
    const refusal = { end: "refused", reason: "invalid_exact_evm_nonce_already_used", leftUs: true };
    expect(await lane.settle(job)).toMatchObject(refusal);
    // Void is not sent again, by nobody; a proof that shows up still counts.
    expect(await lane.settle(job)).toMatchObject(refusal);
    expect(lane.world.rpc.sent).toHaveLength(1);
    lane.world.rpc.transfers.set(job.authorization.nonce, lane.world.rpc.proof(`0x${"99".repeat(32)}`));
    expect((await lane.settle({ ...job, ask: "look" })).end).toBe("settled");
  });

  it("is looked for and never sent once its claim was given up, even by a lane that never heard of it", async () => {
    const lane = openLane();
    const job = { ...jobOf(lane), ask: "look" as const };
    expect(await lane.settle(job)).toMatchObject({ end: "refused", leftUs: false });
    lane.world.rpc.transfers.set(job.authorization.nonce, lane.world.rpc.proof(`0x${"98".repeat(32)}`));
    expect((await lane.settle(job)).end).toBe("settled");
    expect(lane.world.rpc.sent).toEqual([]);
  });

  it("that reverted with its authorization unused is refused too", async () => {
    const lane = openLane();
    lane.world.rpc.onSend = "reverted";
    expect(await lane.settle(jobOf(lane))).toMatchObject({
      end: "refused",
      reason: "invalid_exact_evm_transaction_failed",
      leftUs: true,
    });
  });

  it("that nobody mined is refused when a final block is past its window, and not before", async () => {
    const lane = openLane();
    lane.world.rpc.onSend = undefined;
    const job = jobOf(lane);
    await lane.settle(job, 0);
    lane.world.rpc.finalizedTimeS = job.authorization.validBeforeS;
    await lane.alarm();
    expect((await lane.settle(job, 0)).end).toBe("unknown");
    lane.world.rpc.finalizedTimeS += 1n;
    await lane.alarm();
    expect(await lane.settle(job, 0)).toMatchObject({ end: "refused", reason: "expired", leftUs: true });
  });

  it("that nobody mined still holds its nonce, so the lane goes on until that is used", async () => {
    const lane = openLane();
    lane.world.rpc.onSend = undefined;
    const job = jobOf(lane);
    await lane.settle(job, 0);
    lane.world.rpc.finalizedTimeS = job.authorization.validBeforeS + 1n;
    await lane.alarm();
    expect((await lane.settle(job, 0)).end).toBe("refused");
    expect(await lane.alarmAt()).not.toBeNull();
    later(lane, 30_000);
    lane.world.rpc.maxFeePerGas *= 2n;
    await lane.alarm();
    const raw = lane.world.rpc.sent.at(-1) ?? "0x";
    expect(await taken(raw)).toMatchObject({ nonce: 0, to: lane.address, value: 0n, transfers: [] });
    lane.world.rpc.mine(raw, "paid");
    lane.world.rpc.onSend = "paid";
    await lane.alarm();
    expect(await lane.sql("SELECT nonce FROM slots WHERE open = 1")).toEqual([]);
    expect((await lane.settle(jobOf(lane))).end).toBe("settled");
  });

  it("that waits too long is replaced under its own nonce by a dearer one with the same payment", async () => {
    const lane = openLane();
    lane.world.rpc.onSend = undefined;
    const job = jobOf(lane);
    await lane.settle(job, 0);
    later(lane, 21_000);
    await lane.alarm();
    // It offers what the market asks, so something else holds it up.
    expect(await rawsOf(lane)).toHaveLength(1);
    lane.world.rpc.maxFeePerGas *= 2n;
    await lane.alarm();
    const raws = await rawsOf(lane);
    expect(raws).toHaveLength(2);
    const [first, second] = await Promise.all(raws.map((raw) => taken(raw as `0x${string}`)));
    expect(second).toMatchObject({ nonce: first?.nonce, signer: lane.address });
    expect(second?.transfers.map(nonceIn)).toEqual([job.authorization.nonce]);
    expect((second?.maxFeePerGas ?? 0n) * 10n).toBeGreaterThanOrEqual((first?.maxFeePerGas ?? 0n) * 11n);
    // Whichever of the two is mined, it is the one payment.
    lane.world.rpc.mine(raws[0] as `0x${string}`, "paid");
    expect(await lane.settle(job, 2_000)).toMatchObject({ end: "settled", proof: { txHash: first?.hash } });
  });
});

describe("a nonce that only a price above the ceiling could use", () => {
  it("is freed by a transfer of nothing to oneself, and its payment is queued again", async () => {
    const lane = openLane();
    lane.world.rpc.onSend = undefined;
    const job = jobOf(lane);
    await lane.settle(job, 0);
    later(lane, 21_000);
    const { maxFeePerGas } = lane.world.rpc;
    lane.world.rpc.maxFeePerGas = lane.world.feeCeilingWei + 1n;
    await lane.alarm();
    const raw = lane.world.rpc.sent.at(-1) ?? "0x";
    expect(await taken(raw)).toMatchObject({ nonce: 0, to: lane.address, value: 0n, transfers: [] });
    lane.world.rpc.mine(raw, "paid");
    lane.world.rpc.notCarried.add(job.authorization.nonce);
    await lane.alarm();
    lane.world.rpc.notCarried.clear();
    lane.world.rpc.maxFeePerGas = maxFeePerGas;
    lane.world.rpc.onSend = "paid";
    expect((await lane.settle(job)).end).toBe("settled");
    const last = await taken(lane.world.rpc.sent.at(-1) ?? "0x");
    expect(last).toMatchObject({ nonce: 1 });
    expect(last.transfers.map(nonceIn)).toEqual([job.authorization.nonce]);
  });
});

describe("the relayer's alarm", () => {
  it("is not put off by whoever comes after: the first payment under way is looked at in time", async () => {
    const lane = openLane();
    lane.world.rpc.onSend = undefined;
    await lane.settle(jobOf(lane), 0);
    const first = await lane.alarmAt();
    await new Promise((resolve) => setTimeout(resolve, 30));
    await lane.settle(jobOf(lane), 0);
    expect(await lane.alarmAt()).toBe(first);
    await lane.evict();
    expect(await lane.alarmAt()).toBe(first);
  });

  it("never throws, and comes back while something is under way", async () => {
    const lane = openLane();
    lane.world.rpc.onSend = undefined;
    await lane.settle(jobOf(lane), 0);
    lane.world.rpc.down.add("receipts").add("head").add("send").add("findTransfer");
    expect(await lane.alarm()).toBe(true);
    expect(await lane.alarmAt()).not.toBeNull();
  });
});

describe("a transfer that was seen", () => {
  it("is final, standing, vanished or unknown, as the chain says", async () => {
    const lane = openLane();
    const job = jobOf(lane);
    const end = await lane.settle(job);
    if (end.end !== "settled") throw new Error("the payment settles");
    expect(await lane.recheck(job, end.proof)).toMatchObject({ end: "standing" });
    lane.world.rpc.settledBlock = 10n;
    expect(await lane.recheck(job, end.proof)).toMatchObject({ end: "final", proof: { txHash: end.proof.txHash } });
    lane.world.rpc.down.add("receipts");
    expect(await lane.recheck(job, end.proof)).toEqual({ end: "unknown" });
    lane.world.rpc.down.clear();
    lane.world.rpc.forget(end.proof.txHash);
    expect(await lane.recheck(job, end.proof)).toEqual({ end: "vanished" });
    // The same bytes go out again, and land again.
    later(lane, 7_000);
    expect(await lane.settle(job, 2_000)).toMatchObject({ end: "settled", proof: { txHash: end.proof.txHash } });
    expect(new Set(lane.world.rpc.sent).size).toBe(1);
  });
});
