/**
 * What is paid lives and what is unpaid goes, through the public door, in a world whose time moves (test/time): an object that nobody
 * renews, one that is renewed in its grace, and one whose owner signed ahead and is never heard of again.
 */
import { createHash } from "node:crypto";
import { AwsClient } from "aws4fetch";
import type { PrivateKeyAccount } from "viem/accounts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BillingReply, EventsReply } from "#contract/billing";
import { MandateTermsReply } from "#contract/mandates";
import { DownloadReply, ListReply, StatReply } from "#contract/objects";
import { SettleReply } from "#contract/settling";
import { StatementReply, StatementSettled } from "#contract/statements";
import { parseWallet } from "#contract/wallet";
import { networkOf } from "#contract/x402";
import { signMandates } from "../../client-plugin/mandates.ts";
import type { Signer } from "../../client-plugin/signer.ts";
import { REGION } from "../stack/settings.ts";
import { startTravelling, type Travelling } from "../time/travel.ts";
import { transfersFrom } from "./chain.ts";
import { ask, read, walletOf } from "./door.ts";
import { contentOf, offerFor, paying, storeBytes, untilAnswered } from "./shop.ts";
import type { Buyer } from "./stack.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const content = contentOf("kept as long as it is paid");

/** Four megabytes cost $0.0000857 a month; what AWS expects is near it, and is not it. */
const large = contentOf("x".repeat(4_000_000));
const USD_A_DAY = "0.000004";
/** Whom Cost Explorer has seen spend something, and how often it was asked. */
const spenders = new Set<string>();
let forecastsAsked = 0;
let world: Travelling;
beforeAll(async () => {
  world = await startTravelling({
    wallets: 8,
    // A statement is worth a forecast from ten cents.
    edgeVars: { PRICE_MIN_MICRO_USDC: "100000" },
    dailyCosts: () => {
      forecastsAsked += 1;
      return [...spenders].map((wallet) => ({
        tags: { "mnemospark:wallet": wallet },
        usageType: "TimedStorage-ByteHrs",
        service: "Amazon Simple Storage Service",
        usd: USD_A_DAY,
      }));
    },
  });
}, 120_000);
afterAll(() => world?.stop());

const edge = () => world.live.edge;
const about = (owner: PrivateKeyAccount, more: object = {}) => ({ wallet_address: owner.address, ...more });
const get = (owner: PrivateKeyAccount, path: string) => ask(edge(), { method: "GET", path, by: owner });
const statOf = (owner: PrivateKeyAccount, name: string) =>
  ask(edge(), { path: "/storage/ls", by: owner, body: about(owner, { object_key: name }) });
const namesOf = async (owner: PrivateKeyAccount) =>
  read(ListReply, await ask(edge(), { path: "/storage/ls", by: owner, body: about(owner) })).objects.map(
    ({ key }) => key,
  );
const paidThrough = async (owner: PrivateKeyAccount, name: string) =>
  Date.parse(read(StatReply, await statOf(owner, name)).paid_through);
const eventsOf = async (owner: PrivateKeyAccount) => read(EventsReply, await get(owner, "/events")).events;
const warningsOf = async (owner: PrivateKeyAccount) =>
  (await eventsOf(owner))
    .filter(({ kind }) => kind.startsWith("warning."))
    .map(({ kind, data }) => `${kind.slice("warning.".length)} ${data["object_key"]}`)
    .sort();
const soon = { timeout: 30_000, interval: 500 };

describe("time passes", () => {
  test("and takes what nobody paid for: warned, kept to the end of its grace, then gone; its neighbours stay", async () => {
    const [owner, absent] = [world.live.wallet(), world.live.wallet()];
    const stored = await storeBytes(edge(), owner, "lapses", content);
    await storeBytes(edge(), owner, "renewed", content);
    await storeBytes(edge(), absent, "signed ahead", content);
    await signAhead(absent, "signed ahead", 2);
    const endMs = await paidThrough(owner, "lapses");
    const endOfAbsentMs = await paidThrough(absent, "signed ahead");
    const held = await inS3(stored.confirmed.bucket_name, stored.confirmed.s3_key);
    expect(held).toBe(200);
    expect(await warningsOf(owner)).toEqual([]);

    // An outage of three weeks, over before anything is due: it costs nobody anything.
    await world.to(endMs - 6 * DAY_MS, "at once");
    await expect.poll(() => warningsOf(owner), soon).toEqual(["due_soon lapses", "due_soon renewed"]);
    const told = (await eventsOf(absent)).find(({ kind }) => kind === "warning.due_soon");
    expect(told?.data).toMatchObject({ mandate: true, message: expect.stringContaining("A mandate pays for it") });

    // The end of what was paid. The mandate settles on its day; nobody calls.
    await world.to(endMs - 5 * MINUTE_MS, "at once");
    await world.to(Math.max(endMs, endOfAbsentMs) + 10 * MINUTE_MS);
    await expect.poll(() => transfersFrom(world.live.stack, absent.address), soon).toHaveLength(2);
    await expect
      .poll(() => warningsOf(owner), soon)
      .toEqual(["due_soon lapses", "due_soon renewed", "unpaid lapses", "unpaid renewed"]);
    // From its block on, which came when the window had opened.
    const renewed = expect.poll(() => paidThrough(absent, "signed ahead"), soon);
    await renewed.toBeGreaterThan(endOfAbsentMs + 30 * DAY_MS);
    expect(await paidThrough(absent, "signed ahead")).toBeLessThan(endOfAbsentMs + 30 * DAY_MS + 30 * MINUTE_MS);

    // A day into the grace one of the two is renewed.
    await world.to(endMs + DAY_MS + 10 * MINUTE_MS);
    await expect.poll(() => warningsOf(owner), soon).toContain("ending lapses");
    const renewing = {
      path: "/payment/settle",
      by: owner,
      body: about(owner, { renewal: true, object_key: "renewed" }),
    };
    const signed = await offerFor(edge(), owner, renewing);
    read(SettleReply, await untilAnswered(edge(), paying(renewing, signed)));

    // Minutes before the deadline everything is there, and can be had.
    await world.to(endMs + 2 * DAY_MS - 10 * MINUTE_MS);
    expect(read(StatReply, await statOf(owner, "lapses"))).toMatchObject({ state: "stored" });
    expect(Date.parse(read(StatReply, await statOf(owner, "lapses")).delete_after)).toBe(endMs + 2 * DAY_MS);
    const asked = { path: "/storage/download", by: owner, body: about(owner, { object_key: "lapses" }) };
    const download = read(DownloadReply, await ask(edge(), asked));
    expect(download).toMatchObject({ delete_after: new Date(endMs + 2 * DAY_MS).toISOString(), next_amount: "100000" });
    const bytes = Buffer.from(await (await fetch(download.download_url)).arrayBuffer());
    expect(createHash("sha256").update(bytes).digest("hex")).toBe(content.sha256);
    const due = read(BillingReply, await get(owner, "/billing")).due;
    expect(due.map(({ object_key }) => object_key)).toEqual(["lapses", "renewed"]);

    // Past it: gone everywhere, and nothing else with it.
    await world.to(endMs + 2 * DAY_MS + 10 * MINUTE_MS);
    await expect.poll(async () => (await statOf(owner, "lapses")).status, soon).toBe(404);
    await expect.poll(() => inS3(stored.confirmed.bucket_name, stored.confirmed.s3_key), soon).toBe(404);
    expect((await ask(edge(), asked)).status).toBe(404);
    expect(await namesOf(owner)).toEqual(["renewed"]);
    const after = read(BillingReply, await get(owner, "/billing"));
    expect(after.due.map(({ object_key }) => object_key)).toEqual(["renewed"]);
    expect(after.payments).toHaveLength(3);
    const lapsed = (await eventsOf(owner)).filter(({ kind }) => kind === "order.lapsed");
    expect(lapsed.map(({ data }) => [data["order_id"], data["ended"]])).toEqual([[stored.plan.order_id, "unpaid"]]);
    expect(await warningsOf(owner)).toHaveLength(new Set(await warningsOf(owner)).size);
    expect(read(StatReply, await statOf(owner, "renewed"))).toMatchObject({ state: "stored" });
    expect(await namesOf(absent)).toEqual(["signed ahead"]);
    // A repeated renewal of what is gone charges nothing.
    const late = { ...renewing, body: about(owner, { renewal: true, object_key: "lapses" }) };
    expect((await ask(edge(), late)).status).toBe(404);
  }, 300_000);
});

async function signAhead(owner: Buyer, name: string, periods: number): Promise<void> {
  const about_ = about(owner, { object_key: name });
  const asked = { path: "/mandates/terms", by: owner, body: { ...about_, periods } };
  const terms = read(MandateTermsReply, await ask(edge(), asked));
  const [network, payTo] = [networkOf(84_532), parseWallet(terms.pay_to)];
  if (!network || !payTo) throw new Error("the local chain is not known");
  const signer = owner as unknown as Signer;
  const paidThroughMs = await paidThrough(owner, name);
  const signed = await signMandates(terms, {
    signer,
    network,
    payTo,
    amountMax: 200_000n,
    paidThroughMs,
    periodsMax: 12,
    write: (wanted) => wanted,
  });
  const body = { ...about_, ...signed.request };
  expect((await ask(edge(), { path: "/mandates/add", by: owner, body })).status).toBe(200);
}

/** What the store itself says, asked with its own key. */
async function inS3(bucket: string, key: string): Promise<number> {
  const { keys, urls } = world.live.stack;
  const client = new AwsClient({ ...keys.s3, service: "s3", region: REGION });
  const path = key.split("/").map(encodeURIComponent).join("/");
  return (await client.fetch(`${urls.s3}/${bucket}/${path}`, { method: "HEAD" })).status;
}

describe("a statement", () => {
  const made = async (owner: PrivateKeyAccount, key?: string) =>
    read(
      StatementReply,
      await ask(edge(), {
        path: "/billing/statement",
        by: owner,
        body: about(owner),
        ...(key === undefined ? {} : { headers: { "idempotency-key": key } }),
      }),
    );
  const settling = (owner: PrivateKeyAccount, { statement_id }: StatementReply) => ({
    path: "/payment/settle",
    by: owner,
    body: about(owner, { statement_id }),
  });

  test("is priced by AWS's forecast where AWS has data, by the card where it has none; both say so", async () => {
    const [seen, unseen] = [world.live.wallet(), world.live.wallet()];
    spenders.add(walletOf(seen));
    for (const owner of [seen, unseen]) {
      await storeBytes(edge(), owner, "forecast", large);
      // Nothing was forecast for a first one: no quote waits for AWS.
      expect(await made(owner)).toMatchObject({ basis: "card", amount: "100000", minimum_applied: true });
    }
    await expect.poll(async () => (await made(seen)).basis, soon).toBe("forecast");
    await expect.poll(() => forecastsAsked, soon).toBe(2);
    const statement = await made(seen);
    const asked = settling(seen, statement);
    const signed = await offerFor(edge(), seen, asked);
    expect(signed.authorization.value).toBe(BigInt(statement.amount));
    expect(read(StatementSettled, await untilAnswered(edge(), paying(asked, signed))).amount).toBe(statement.amount);
    expect(await made(unseen)).toMatchObject({ basis: "card", amount: "100000" });
    // A forecast costs money: one for each of the two, however many statements were made.
    expect(forecastsAsked).toBe(2);
  }, 120_000);

  test("gives back the share of an object that was deleted while its payment was on its way", async () => {
    const { chain } = world.live.stack;
    const owner = world.live.wallet();
    for (const name of ["stays", "goes"]) await storeBytes(edge(), owner, name, content);
    // Blocks may be seconds ahead of the service's clock, and what begins in over 30 days is on no statement.
    await expect.poll(async () => (await made(owner)).lines.length, soon).toBe(2);
    const statement = await made(owner, "the month's");
    expect(await made(owner, "the month's")).toEqual(statement);
    const asked = settling(owner, statement);
    const paid = paying(asked, await offerFor(edge(), owner, asked));
    // No block comes until the deletion is through.
    await chain.client.setIntervalMining({ interval: 0 });
    const answered = ask(edge(), paid);
    try {
      const open = async () =>
        read(BillingReply, await get(owner, "/billing")).payments.some(
          ({ purpose, payment_state }) => purpose === "statement" && payment_state === "pending",
        );
      await expect.poll(open, soon).toBe(true);
      const deleting = { path: "/storage/delete", by: owner, body: about(owner, { object_key: "goes" }) };
      expect((await ask(edge(), deleting)).status).toBe(200);
    } finally {
      await chain.client.setIntervalMining({ interval: 2 });
    }
    await answered;
    const settled = read(StatementSettled, await untilAnswered(edge(), paid));
    const orderOf = (name: string) => statement.lines.find(({ object_key }) => object_key === name)?.order_id;
    const lineOf = (name: string) => settled.lines.find(({ order_id }) => order_id === orderOf(name));
    expect(lineOf("stays")?.state).toBe("granted");
    expect(["homeless", "credited"]).toContain(lineOf("goes")?.state);
    const share = lineOf("goes")?.amount;
    // Once its block cannot be taken back: two minutes later by the service's clock.
    await world.to(Date.now() + 5 * MINUTE_MS);
    await expect.poll(async () => read(BillingReply, await get(owner, "/billing")).credit, soon).toBe(share);
    expect((await transfersFrom(world.live.stack, owner.address)).at(-1)?.amount).toBe(BigInt(statement.amount));
  }, 120_000);
});
