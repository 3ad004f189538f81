/**
 * Keeping what is stored, as its owner does it: the built command line against the whole stack. One payment for all that is due, also
 * when it is killed in the middle; renewals signed beforehand; what was paid, what is missing, what is read beyond the allowance.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ConfirmReply, UploadReply } from "#contract/api";
import { addrHash } from "#contract/wallet";
import { buildPackage } from "../../client-plugin/build.ts";
import { kek, scratch } from "../plugin/fixture.ts";
import legacy from "../plugin/vectors/legacy.json" with { type: "json" };
import { USDC } from "../stack/chain/client.ts";
import { usdcAbi } from "../stack/chain/usdc.ts";
import { transfersFrom } from "./chain.ts";
import { read, walletOf } from "./door.ts";
import { buy, confirm, put, sha256Of } from "./shop.ts";
import { type Buyer, type Live, newBuyer, startLive } from "./stack.ts";

const room = scratch();
const dist = join(room, "dist");
let live: Live;

beforeAll(async () => {
  await buildPackage(dist);
  live = await startLive({ wallets: 12 });
}, 120_000);
afterAll(() => live?.stop());

// biome-ignore lint/suspicious/noExplicitAny: each command answers something of its own, and the expectations say what.
type Answer = any;
interface Ran {
  readonly code: number | null;
  readonly text: string;
  readonly json: Answer;
}

/** A home of its own with one wallet, and the command line on it. */
function shopper(account: Buyer = live.wallet(), more: Record<string, string> = {}) {
  const home = join(room, account.address);
  const files = join(room, `files-${account.address}`);
  mkdirSync(files, { recursive: true });
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: room,
    NODE_NO_WARNINGS: "1",
    MNEMOSPARK_HOME: home,
    MNEMOSPARK_BACKEND_API_BASE_URL: live.edge,
    MNEMOSPARK_RPC_URL: live.stack.urls.chain,
    MNEMOSPARK_NETWORK: "base-sepolia",
    MNEMOSPARK_WALLET_KEY: account.privateKey,
    ...more,
  };
  const start = (line: string) => spawn(process.execPath, [join(dist, "cli.js"), ...line.split(" ")], { env });
  const run = (line: string, meanwhile?: (kill: () => void) => Promise<void>): Promise<Ran> => {
    const child = start(line);
    let text = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (piece) => (text += piece));
    void meanwhile?.(() => void child.kill("SIGKILL"));
    return new Promise((resolve) => child.on("close", (code) => resolve({ code, text, json: parsed(text) })));
  };
  const must = async (line: string): Promise<Answer> => {
    // What may be tried again is tried again, as its exit code says.
    for (let tries = 1; ; tries++) {
      const ran = await run(`${line} --json`);
      if (ran.code === 0) return ran.json;
      if (ran.code !== 75 || tries >= 10) throw new Error(`${line} ended with ${ran.code}: ${ran.text}`);
      await sleep(500);
    }
  };
  const file = (name: string) => {
    writeFileSync(join(files, name), randomBytes(500));
    return join(files, name);
  };
  return { account, home, files, run, must, file, paid: () => transfersFrom(live.stack, account.address) };
}

function parsed(text: string): Answer {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Something of this wallet's waits to be mined. */
const isSent = async ({ address }: Buyer) => {
  const { transactions } = await live.stack.chain.client.getBlock({ blockTag: "pending", includeTransactions: true });
  return transactions.some(({ input }) => input.includes(address.slice(2).toLowerCase()));
};
const authorizationUsed = (account: Buyer, nonce: `0x${string}`) =>
  live.stack.chain.client.readContract({
    address: USDC,
    abi: usdcAbi,
    functionName: "authorizationState",
    args: [account.address, nonce],
  });

describe.concurrent("the owner of several objects", { timeout: 240_000 }, () => {
  test("sees the statement, pays it by one transfer, also when killed in the middle, and nothing twice", async () => {
    const { account, must, run, file, paid } = shopper();
    for (const name of ["one", "two", "three"]) await must(`upload ${file(name)}`);
    const { statement } = await must("renew");
    expect(statement.lines.map(({ objectKey }: Answer) => objectKey).sort()).toEqual(["one", "three", "two"]);
    expect((await run("renew")).text).toMatch(/cost \$0\.\d+, one payment/);
    expect(await paid()).toHaveLength(3);
    // Killed as soon as the relayer has sent something: the payment is on its way, and nobody waits for its answer.
    const killed = await run("renew --all --json", async (kill) => {
      for (const until = Date.now() + 30_000; Date.now() < until && !(await isSent(account)); ) await sleep(5);
      kill();
    });
    expect(killed.code).not.toBe(0);
    const again = await must("renew --all");
    expect(again.renewed.map(({ name }: Answer) => name).sort()).toEqual(["one", "three", "two"]);
    expect(await must("renew --all")).toEqual({ statements: [], renewed: [] });
    const transfers = await paid();
    expect(transfers).toHaveLength(4);
    expect(transfers[3]).toMatchObject({ amount: BigInt(statement.amount), txHash: again.statements[0].transId });

    const { service, payments } = await must("billing");
    const in60Days = Date.now() + 59 * 86_400_000;
    for (const { paid_through } of service.due) expect(Date.parse(paid_through)).toBeGreaterThan(in60Days);
    expect(service.payments.filter(({ purpose }: Answer) => purpose === "statement")).toMatchObject([
      { trans_id: again.statements[0].transId, amount: statement.amount },
    ]);
    expect(payments.filter(({ state }: Answer) => state !== "settled")).toEqual([]);
    expect((await run("billing")).text).toMatch(/NEXT 30 DAYS[\s\S]*mnemospark renew/);
  });

  test("killed at moments of chance: each time one transfer for the statement", async () => {
    const { must, run, file, paid } = shopper();
    await must(`upload ${file("a")}`);
    await must(`upload ${file("b")}`);
    for (const afterMs of [250, 500, 750, 1_000])
      await run("renew --all --json", async (kill) => {
        await sleep(afterMs);
        kill();
      });
    await must("renew --all");
    expect(await must("renew --all")).toMatchObject({ statements: [] });
    expect(await paid()).toHaveLength(3);
    for (const { paid_through } of (await must("ls")).objects)
      expect(Date.parse(paid_through)).toBeLessThan(Date.now() + 61 * 86_400_000);
  });

  test("switches renewals off and on, renews one by name in the earlier client's words, and gets a link to look", async () => {
    const { must, run, file, paid } = shopper();
    await must(`upload ${file("single")}`);
    expect(await must("renewals off")).toMatchObject({ renewals: "off" });
    expect((await must("status")).renewals).toBe("off");
    expect((await run("doctor")).text).toContain("mnemospark renewals on");
    expect(await must("renewals on")).toMatchObject({ renewals: "on", warning: null });
    expect(await must("renewals now")).toMatchObject({ renewed: [] });
    expect(await must("payment-settle renewal:true object-key:single")).toMatchObject({ renewed: { already: false } });
    expect(await must("renew single")).toMatchObject({ renewed: { already: true } });
    expect(await paid()).toHaveLength(2);
    const { app } = await must("ls-web");
    expect((await fetch(app)).status).toBe(200);
    expect((await must("ls-web --revoke")).closed).toBeGreaterThan(0);
  });

  test("short of funds is told what is missing, where and until when; with the money it is paid and the warning gone", async () => {
    const { account, must, run, file } = shopper(newBuyer());
    const path = file("poor");
    const { amount } = (await must(`price ${path}`)).quote.price;
    await live.stack.chain.fund(account.address, BigInt(amount) + 1n);
    await must(`upload ${path}`);
    const refused = await run("renew --all --json");
    expect(refused.json.error).toMatchObject({ code: "insufficient_balance" });
    const { renewalWarning } = await must("status");
    const missing = (BigInt(amount) - 1n).toString();
    expect(renewalWarning).toMatchObject({
      code: "insufficient_balance",
      missing,
      address: account.address.toLowerCase(),
    });
    expect(renewalWarning.message).toContain(renewalWarning.deleteAfter);
    const doctor = await must("doctor");
    expect(doctor.findings).toContainEqual({ level: "error", what: renewalWarning.message, next: renewalWarning.next });
    await live.stack.chain.fund(account.address, 1_000_000n);
    expect((await must("renew --all")).renewed).toMatchObject([{ name: "poor", amount }]);
    expect((await must("status")).renewalWarning).toBeNull();
  });
});

describe.concurrent("renewals signed beforehand", { timeout: 240_000 }, () => {
  test("come with an upload, are listed, taken back, cancelled on the chain, and no part of the statement", async () => {
    const { account, must, run, file, paid } = shopper();
    const { object } = await must(`upload ${file("year")} periods:3`);
    expect(object.mandates.signed.map(({ period }: Answer) => period)).toEqual([1, 2, 3]);
    expect(BigInt(object.mandates.total)).toBeLessThanOrEqual(3n * BigInt(object.order.amount));
    await must(`upload ${file("month")}`);
    const waiting = async () =>
      (await must("mandates ls year")).mandates
        .filter(({ state }: Answer) => state === "waiting")
        .map(({ period_index }: Answer) => period_index);
    expect(await waiting()).toEqual([1, 2, 3]);
    expect((await must("renew")).statement.lines.map(({ objectKey }: Answer) => objectKey)).toEqual(["month"]);
    expect((await must("mandates add year periods:5")).mandates.signed.map(({ period }: Answer) => period)).toEqual([
      4, 5,
    ]);
    expect((await must("mandates add year periods:5")).mandates.signed).toEqual([]);
    expect((await run("billing")).text).toContain("Signed for later days: 5 mandates");
    await must("mandates revoke year period:2");
    expect(await waiting()).toEqual([1, 3, 4, 5]);
    const nonce = (await must("mandates ls year")).mandates.find(
      ({ period_index }: Answer) => period_index === 2,
    ).nonce;
    expect((await run("mandates revoke year period:2 --on-chain --json")).json.error.code).toBe("no_gas");
    await live.stack.chain.fundGas(account.address, 10n ** 16n);
    expect((await must("mandates revoke year period:2 --on-chain")).cancelled).toMatchObject([{ period: 2 }]);
    expect(await authorizationUsed(account, nonce)).toBe(true);
    expect((await must("mandates add year periods:2")).mandates.signed.map(({ period }: Answer) => period)).toEqual([
      2,
    ]);
    expect((await run("mandates revoke year")).text).toContain("--on-chain");
    expect(await waiting()).toEqual([]);
    expect((await must("renew")).statement.lines).toHaveLength(2);
    expect(await paid()).toHaveLength(2);
  });

  test("asked for with an upload that is killed again and again are signed once each", async () => {
    const { must, run, file, paid } = shopper();
    const line = `upload ${file("stubborn")} periods:2`;
    for (const afterMs of [400, 1_200, 2_500, 4_000])
      await run(`${line} --json`, async (kill) => {
        await sleep(afterMs);
        kill();
      });
    await must(line);
    await must("resume");
    const { mandates } = await must("mandates ls stubborn");
    expect(mandates.map(({ state }: Answer) => state)).toEqual(["waiting", "waiting"]);
    expect(await paid()).toHaveLength(1);
    const signed = (await must("billing")).payments.filter(({ purchase }: Answer) => purchase.startsWith("mandate"));
    expect(signed).toHaveLength(2);
  });

  test("above a cap are not signed: the object is stored all the same, and nothing was handed over", async () => {
    const buyer = live.wallet();
    const { must, file } = shopper(buyer);
    const { amount } = (await must(`price ${file("capped")}`)).quote.price;
    const dollars = (micro: bigint) => `0.${micro.toString().padStart(6, "0")}`;
    const tight = shopper(buyer, { MNEMOSPARK_CAP_PER_MONTH: dollars(BigInt(amount)) });
    // The upload takes the room of this month; the first renewal is due in the next one, the one after that in its own.
    const stored = (await tight.must(`upload ${file("capped")} periods:2`)).object;
    expect(stored.mandates?.signed ?? stored.mandatesFault).toBeDefined();
    const strict = shopper(buyer, { MNEMOSPARK_CAP_PER_CALL: dollars(BigInt(amount) - 1n) });
    expect((await strict.run("mandates add capped periods:4 --json")).json.error.code).toBe("above_cap");
    const { mandates } = await must("mandates");
    expect(mandates).toHaveLength(stored.mandates?.signed.length ?? 0);
  });
});

describe.concurrent("reading", { timeout: 240_000 }, () => {
  test("beyond the allowance is refused, and bought for at most what was agreed", async () => {
    const { must, run, file, files, paid } = shopper();
    const path = file("read-often");
    await must(`upload ${path}`);
    for (const turn of [1, 2, 3]) await must(`download read-often to:${join(files, `back-${turn}`)}`);
    const fourth = `download read-often to:${join(files, "back-4")}`;
    expect((await run(`${fourth} --json`)).json.error.code).toBe("allowance_used");
    expect((await run(`${fourth} max:0.000001 --json`)).json.error.code).toBe("payment_amount");
    expect(await paid()).toHaveLength(1);
    await must(`${fourth} max:0.05`);
    expect(readFileSync(join(files, "back-4"))).toEqual(readFileSync(path));
    expect(await paid()).toHaveLength(2);
  });

  test("what the published client stored opens with its key", async () => {
    const { account, home, must, files } = shopper();
    mkdirSync(join(home, "keys"), { recursive: true, mode: 0o700 });
    writeFileSync(join(home, "keys", `${addrHash(walletOf(account))}.key`), Buffer.from(kek).toString("base64"), {
      mode: 0o600,
    });
    const bytes = Buffer.from(legacy.object, "base64");
    const content = { bytes, sha256: sha256Of(bytes) };
    const { said } = await buy(live.edge, account, "old-one", content, { wrapped_dek: legacy.wrappedDek });
    const plan = read(UploadReply, said);
    expect((await put(plan, bytes)).status).toBe(200);
    read(ConfirmReply, await confirm(live.edge, plan));
    const to = join(files, "old-one");
    expect(await must(`download old-one to:${to}`)).toMatchObject({ file: { format: "legacy" } });
    // It packed gzipped tar.
    expect(gunzipSync(readFileSync(to)).toString("latin1")).toContain(legacy.content);
  });
});
