import { describe, expect, it } from "vitest";
import { NETWORKS } from "#contract/x402";
import { freshWallet } from "./fixture.ts";
import { claimedAgain, jobOf, nonceIn, openLane, taken } from "./relayer-fixture.ts";

const USDC = NETWORKS[84532].usdc.toLowerCase();

describe("a settlement", () => {
  it("is one transaction, signed by the relayer for this chain, with exactly what was authorized", async () => {
    const lane = openLane();
    lane.world.rpc.pendingCount = 7;
    const job = jobOf(lane);
    const end = await lane.settle(job);
    expect(lane.world.rpc.sent).toHaveLength(1);
    const [sent] = await Promise.all(lane.world.rpc.sent.map(taken));
    const a = job.authorization;
    expect(sent).toMatchObject({ signer: lane.address, chainId: 84532, nonce: 7, to: USDC, value: 0n });
    // Addresses come back checksummed.
    const plain = (values: readonly unknown[]) => values.map((value) => String(value).toLowerCase());
    const authorized = [a.from, a.to, a.value, a.validAfterS, a.validBeforeS, a.nonce, job.signature];
    expect(sent?.transfers.map(plain)).toEqual([plain(authorized)]);
    expect(end).toMatchObject({ end: "settled", proof: { txHash: sent?.hash } });
  });

  it("asked for again, at once or later, is the same transaction and the same end", async () => {
    const lane = openLane();
    const job = jobOf(lane);
    const ends = await Promise.all([lane.settle(job), lane.settle(job), lane.settle(job)]);
    await lane.evict();
    ends.push(await lane.settle(job));
    expect(lane.world.rpc.sent).toHaveLength(1);
    for (const end of ends) expect(end).toEqual(ends[0]);
    expect(ends[0]?.end).toBe("settled");
  });

  it("of many claims at once puts each into exactly one transaction, and leaves no gap between nonces", async () => {
    const lane = openLane();
    const jobs = Array.from({ length: 12 }, () => jobOf(lane));
    const ends = await Promise.all(jobs.map((job) => lane.settle(job)));
    expect(ends.map((end) => end.end)).toEqual(jobs.map(() => "settled"));
    const sent = await Promise.all(lane.world.rpc.sent.map(taken));
    expect(sent.map((each) => each.nonce)).toEqual(sent.map((_, index) => index));
    expect(sent.flatMap((each) => each.transfers.map(nonceIn)).sort()).toEqual(
      jobs.map((job) => job.authorization.nonce).sort(),
    );
    expect(sent.length).toBeLessThan(jobs.length);
  });

  it("of payers with code goes alone, each under a nonce of its own", async () => {
    const lane = openLane();
    const jobs = Array.from({ length: 6 }, () => jobOf(lane));
    for (const job of jobs) lane.world.rpc.contracts.add(job.authorization.from);
    await Promise.all(jobs.map((job) => lane.settle(job)));
    const sent = await Promise.all(lane.world.rpc.sent.map(taken));
    expect(sent.map((each) => each.transfers.length)).toEqual([1, 1, 1, 1, 1, 1]);
    expect(sent.map((each) => each.nonce).sort()).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it("that a batch did not carry is tried again by itself", async () => {
    const lane = openLane();
    const first = jobOf(lane);
    const jobs = Array.from({ length: 4 }, () => jobOf(lane));
    const odd = jobs[1] ?? first;
    lane.world.rpc.notCarried.add(odd.authorization.nonce);
    lane.world.rpc.beforeSend = async () => {
      // By the time it goes alone, whatever was in its way is gone.
      if (lane.world.rpc.sent.length >= 2) lane.world.rpc.notCarried.clear();
    };
    const ends = await Promise.all([first, ...jobs].map((job) => lane.settle(job)));
    expect(ends.map((end) => end.end)).toEqual(ends.map(() => "settled"));
    const sent = await Promise.all(lane.world.rpc.sent.map(taken));
    const carrying = sent.filter((each) => each.transfers.map(nonceIn).includes(odd.authorization.nonce));
    expect(carrying.map((each) => each.transfers.length).at(-1)).toBe(1);
    expect(carrying.length).toBe(2);
  });

  it("of more than the payer has, all promises together, waits unsent for what is under way", async () => {
    const lane = openLane();
    const from = freshWallet();
    lane.world.rpc.usdc = 30_000n;
    lane.world.rpc.onSend = undefined;
    const jobs = [0, 1].map(() => jobOf(lane, { from }));
    const first = await Promise.all(jobs.map((job) => lane.settle(job, 1_000)));
    expect(first.map((end) => end.end)).toEqual(["unknown", "unknown"]);
    expect(lane.world.rpc.sent).toHaveLength(1);
    // What was under way lands and takes the money; now the other certainly cannot.
    lane.world.rpc.mine(lane.world.rpc.sent[0] ?? "0x", "paid");
    lane.world.rpc.usdc = 10_000n;
    const then = await Promise.all(jobs.map((job) => lane.settle(job, 2_000)));
    expect(then.map((end) => end.end).sort()).toEqual(["refused", "settled"]);
    expect(then.find((end) => end.end === "refused")).toMatchObject({
      reason: "invalid_exact_evm_insufficient_balance",
      leftUs: false,
    });
  });

  it("that the endpoint chokes on does not keep the others from theirs", async () => {
    const lane = openLane();
    const odd = jobOf(lane);
    lane.world.rpc.undecided.add(odd.authorization.nonce);
    const jobs = [odd, ...Array.from({ length: 3 }, () => jobOf(lane))];
    const ends = await Promise.all(jobs.map((job) => lane.settle(job)));
    expect(ends.map((end) => end.end)).toEqual(["refused", "settled", "settled", "settled"]);
    expect(ends[0]).toMatchObject({ reason: "settlement_unavailable", leftUs: false });
  });

  it("above the limit is believed at the safe head only", async () => {
    const lane = openLane();
    const job = jobOf(lane, { value: 10_000_001n });
    expect((await lane.settle(job, 2_000)).end).toBe("unknown");
    lane.world.rpc.settledBlock = 10n;
    expect((await lane.settle(job, 2_000)).end).toBe("settled");
    expect(lane.world.rpc.sent).toHaveLength(1);
  });
});

describe("a settlement refused before anything was signed", () => {
  const refusal = { end: "refused", leftUs: false };

  it.each([
    ["FiatTokenV2: authorization is used or canceled", "invalid_exact_evm_nonce_already_used"],
    ["ERC20: transfer amount exceeds balance", "invalid_exact_evm_insufficient_balance"],
    ["FiatTokenV2: invalid signature", "invalid_exact_evm_signature"],
    ["FiatTokenV2: authorization is expired", "invalid_exact_evm_payload_authorization_valid_before"],
    ["FiatTokenV2: authorization is not yet valid", "invalid_exact_evm_payload_authorization_valid_after"],
    ["Pausable: paused", "invalid_exact_evm_transaction_simulation_failed"],
  ])("because it would revert (%s) is given back, for every caller of that claim", async (fault, reason) => {
    const lane = openLane();
    const job = jobOf(lane);
    lane.world.rpc.simulation = fault;
    expect(await lane.settle(job)).toMatchObject({ ...refusal, reason, detail: fault });
    lane.world.rpc.simulation = undefined;
    expect(await lane.settle(job)).toMatchObject({ ...refusal, reason, detail: fault });
    expect(lane.world.rpc.sent).toEqual([]);
    expect(await lane.sql("SELECT * FROM txs")).toEqual([]);
    expect(await lane.sql("SELECT state, left_us FROM jobs")).toEqual([{ state: "returned", left_us: 0 }]);
  });

  it("because the authorization is used is settled, when the transfer that used it paid us", async () => {
    const lane = openLane();
    const job = jobOf(lane);
    lane.world.rpc.simulation = "authorization is used or canceled";
    lane.world.rpc.transfers.set(job.authorization.nonce, lane.world.rpc.proof(`0x${"99".repeat(32)}`));
    expect(await lane.settle(job)).toMatchObject({ end: "settled", proof: { txHash: `0x${"99".repeat(32)}` } });
    expect(lane.world.rpc.sent).toEqual([]);
  });

  it.each(["simulate", "hasCode", "balanceOfUsdc", "fees", "transactionCount", "balanceWei"] as const)(
    "because %s does not answer may be claimed again, and then goes through",
    async (name) => {
      const lane = openLane();
      const job = jobOf(lane);
      lane.world.rpc.down.add(name);
      expect(await lane.settle(job)).toMatchObject({ ...refusal, reason: "settlement_unavailable" });
      expect(await lane.sql("SELECT * FROM txs")).toEqual([]);
      lane.world.rpc.down.clear();
      expect((await lane.settle(claimedAgain(job))).end).toBe("settled");
    },
  );

  it("because its key is another's, or cannot be read, is signed with no key at all", async () => {
    const lane = openLane();
    const key = lane.world.relayerKey;
    lane.world.relayerKey = async () => `0x${"12".repeat(32)}`;
    const job = jobOf(lane);
    expect(await lane.settle(job)).toMatchObject({ ...refusal, reason: "settlement_unavailable" });
    lane.world.relayerKey = async () => {
      throw new Error("Secrets Manager answered 400");
    };
    const again = claimedAgain(job);
    expect(await lane.settle(again)).toMatchObject({ ...refusal, reason: "settlement_unavailable" });
    expect(lane.world.rpc.sent).toEqual([]);
    lane.world.relayerKey = key;
    expect((await lane.settle(claimedAgain(again))).end).toBe("settled");
  });

  it("because gas is above the ceiling, or the relayer has none, costs nothing", async () => {
    const lane = openLane();
    const job = jobOf(lane);
    lane.world.rpc.maxFeePerGas = lane.world.feeCeilingWei + 1n;
    expect(await lane.settle(job)).toMatchObject({ ...refusal, detail: expect.stringContaining("ceiling") });
    lane.world.rpc.maxFeePerGas = lane.world.feeCeilingWei;
    lane.world.rpc.balance = 1_000n;
    expect(await lane.settle(claimedAgain(job))).toMatchObject({
      ...refusal,
      detail: expect.stringContaining("gas money"),
    });
    expect(lane.world.rpc.sent).toEqual([]);
  });

  it("because its window is closing is not sent to revert at our cost", async () => {
    const lane = openLane();
    const validBeforeS = BigInt(Math.floor(Date.now() / 1000) + 3);
    expect(await lane.settle(jobOf(lane, { validBeforeS }))).toMatchObject({
      ...refusal,
      reason: "invalid_exact_evm_payload_authorization_valid_before",
    });
  });
});

describe("a relayer object", () => {
  it("has one lane: no other spelling of its address opens a second", async () => {
    const lane = openLane();
    const shouted = `0x${lane.address.slice(2).toUpperCase()}`;
    expect(await lane.settledUnder(shouted, jobOf(lane))).toContain("lower-case address");
    expect(lane.world.rpc.sent).toEqual([]);
  });
});
