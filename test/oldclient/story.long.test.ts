/**
 * npm's `mnemospark@2026.4.13`, unmodified, against this service: real chain, real S3, money that moves. What it says on the wire is
 * read off between its proxy and the edge.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { base64ToJson } from "#contract/base64";
import { BrowserSession } from "#contract/browser";
import { INLINE_BYTES_MAX } from "#contract/limits";
import { transfersFrom } from "../live/chain.ts";
import { ask, read } from "../live/door.ts";
import { type Live, newBuyer, startLive } from "../live/stack.ts";
import { archiveOf } from "./client.ts";
import { type Customer, newCustomer } from "./customer.ts";
import { type Mainnet, startMainnet } from "./mainnet.ts";
import { lost, none } from "./tap.ts";

let live: Live;
let mainnet: Mainnet;
const customers: Customer[] = [];

beforeAll(async () => {
  live = await startLive({ wallets: 24 });
  mainnet = await startMainnet(live.stack.chain);
}, 120_000);
afterAll(async () => {
  for (const customer of customers) await customer.stop();
  await mainnet?.stop();
  await live?.stop();
});

async function customer(account = live.wallet()): Promise<Customer> {
  const made = await newCustomer(live, mainnet, account);
  customers.push(made);
  return made;
}

const sha256 = (file: string) => createHash("sha256").update(readFileSync(file)).digest("hex");
const spent = ({ account }: Customer) => transfersFrom(live.stack, account.address);

describe("the published client", { timeout: 120_000 }, () => {
  test("keeps what is small: quote, payment and bytes in the request, then lists, shows, fetches, renews and deletes it", async () => {
    const { chain, payTo } = live.stack;
    const buyer = await customer();
    const { run, tap, account } = buyer;
    const before = await chain.usdcBalance(payTo);
    expect((await run("wallet")).text).toContain("$1.00");
    expect((await run(`cloud ls wallet-address:${account.address}`)).text).toContain("No objects in this bucket.");

    const backup = await buyer.backup("notes", 20_000);
    const quote = await buyer.quote(backup);
    const uploaded = await buyer.upload(backup, quote);
    expect(uploaded).toMatchObject({ code: 0, text: expect.stringContaining(`Your file \`${backup.objectId}\``) });

    // One proof for the question and the paid repetition, both header families with the same words, one key for the upload.
    const [probe, paid] = tap.of("/payment/settle");
    expect([probe?.status, paid?.status]).toEqual([402, 200]);
    expect(paid?.headers["x-wallet-signature"]).toBe(probe?.headers["x-wallet-signature"]);
    expect(paid?.headers["x-payment"]).toBe(paid?.headers["payment-signature"]);
    expect(paid?.answerHeaders.get("payment-response")).toBeTruthy();
    expect(paid?.answerHeaders.get("x-payment-response")).toBeTruthy();
    const [upload, ...more] = tap.of("/storage/upload");
    expect(more).toEqual([]);
    expect(upload).toMatchObject({
      status: 200,
      asked: { mode: "inline" },
      answered: { confirmation_required: false },
    });
    expect(upload?.headers["idempotency-key"]).toBeTruthy();
    expect(tap.of("/storage/upload/confirm")).toEqual([]);

    const { accepts } = base64ToJson(probe?.answerHeaders.get("payment-required") ?? "") as {
      accepts: { amount: string }[];
    };
    const price = BigInt(accepts[0]?.amount ?? 0);
    expect(await spent(buyer)).toMatchObject([{ amount: price, txHash: paid?.answered["trans_id"] }]);
    expect(await chain.usdcBalance(account.address)).toBe(1_000_000n - price);
    expect(await chain.usdcBalance(payTo)).toBe(before + price);

    const again = await run(`cloud payment-settle wallet-address:${account.address} quote-id:${quote}`);
    expect(again.text).toContain(`Payment settled for quote ${quote} (trans-id: ${paid?.answered["trans_id"]})`);
    expect(tap.of("/payment/settle").at(-1)?.answered["result"]).toBe("already_settled");

    const listed = await run(`cloud ls wallet-address:${account.address}`);
    expect(listed.text).toContain(`notes (${backup.objectId})`);
    const web = await run(`cloud ls-web wallet-address:${account.address}`);
    const [link, code] = /http\S+\/app#code=(\S+)/.exec(web.text) ?? [];
    expect(link).toBe(`${live.edge}/app#code=${code}`);
    const origin = new URL(live.edge).origin;
    const entered = await ask(live.edge, { path: "/app/session", headers: { origin }, body: { code } });
    expect(read(BrowserSession, entered).wallet_address.toLowerCase()).toBe(account.address.toLowerCase());
    const looked = await run(`cloud ls wallet-address:${account.address} object-key:${backup.objectId}`);
    expect(looked.code).toBe(0);
    const fetched = await run(`cloud download wallet-address:${account.address} object-key:${backup.objectId}`);
    expect(sha256(archiveOf(fetched.text))).toBe(backup.hash);

    const [job] = buyer.cron();
    if (!job) throw new Error("the upload left no cron job");
    expect(job.schedule).toMatchObject({ expr: "0 0 1 * *", tz: "UTC" });
    const until = async () => Date.parse(String((await buyer.stat(backup))["paid_through"]));
    const paidThrough = await until();
    const renewed = await buyer.obey(job);
    expect(renewed).toMatchObject({
      code: 0,
      text: expect.stringContaining(`Payment settled for object ${backup.objectId}`),
    });
    expect(await until()).toBe(paidThrough + 30 * 86_400_000);
    expect(await buyer.obey(job)).toMatchObject({ code: 0 });
    expect(tap.of("/payment/settle").at(-1)?.answered).toMatchObject({ renewal: true, result: "already_settled" });
    expect(await until()).toBe(paidThrough + 30 * 86_400_000);
    expect(await spent(buyer)).toHaveLength(2);

    const deleted = await run(`cloud delete wallet-address:${account.address} object-key:${backup.objectId}`);
    expect(deleted.text).toContain("has been deleted from the cloud and the cron job");
    expect(buyer.cron()).toEqual([]);
    expect((await run(`cloud ls wallet-address:${account.address}`)).text).toContain("No objects in this bucket.");
    const twice = await run(`cloud delete wallet-address:${account.address} object-key:${backup.objectId}`);
    expect(twice).toMatchObject({ code: 1, text: expect.stringContaining("Cannot delete file") });
    expect(await spent(buyer)).toHaveLength(2);
    expect(mainnet.asked.filter((asked) => asked.startsWith("refused"))).toEqual([]);
  });

  test("keeps what is large: six megabytes by presigned URL, confirmed", async () => {
    const buyer = await customer();
    const { run, tap, account } = buyer;
    const backup = await buyer.backup("film", 6_000_000);
    expect(await buyer.upload(backup, await buyer.quote(backup))).toMatchObject({ code: 0 });
    const paths = tap.said.map(({ path, status }) => `${path} ${status}`);
    expect(paths).toEqual([
      "/price-storage 200",
      "/payment/settle 402",
      "/payment/settle 200",
      "/storage/upload 200",
      "/storage/upload/confirm 200",
    ]);
    const [upload] = tap.of("/storage/upload");
    expect(upload?.asked).toMatchObject({ mode: "presigned" });
    expect(Number(upload?.asked["content_length_bytes"])).toBeGreaterThan(INLINE_BYTES_MAX);
    expect(tap.of("/storage/upload/confirm")[0]?.answered).not.toHaveProperty("upload_url");
    const fetched = await run(`cloud download wallet-address:${account.address} name:film latest:true`);
    expect(sha256(archiveOf(fetched.text))).toBe(backup.hash);
    expect(await spent(buyer)).toHaveLength(1);
  });

  test("hears nothing of its payment, then nothing of its upload: it is run again and pays nothing more", async () => {
    const buyer = await customer();
    const { tap } = buyer;
    const backup = await buyer.backup("lost", 5_000);
    const quote = await buyer.quote(backup);
    tap.faults("/payment/settle", none, lost);
    expect(await buyer.upload(backup, quote)).toMatchObject({ code: 1 });
    tap.faults("/storage/upload", lost);
    expect(await buyer.upload(backup, quote)).toMatchObject({ code: 1 });
    expect(tap.of("/payment/settle").at(-1)).toMatchObject({ status: 200, answered: { result: "already_settled" } });
    expect(await buyer.upload(backup, quote)).toMatchObject({ code: 0 });
    expect(await spent(buyer)).toHaveLength(1);
  });

  test("is told 207 when the store is down after its payment, tries again under its key, and is served", async () => {
    const buyer = await customer();
    const { tap } = buyer;
    const backup = await buyer.backup("down", 5_000);
    const quote = await buyer.quote(backup);
    await live.kill("s3");
    tap.faults("/storage/upload", none, async () => {
      await live.restart("s3");
      return undefined;
    });
    expect(await buyer.upload(backup, quote)).toMatchObject({ code: 0 });
    const tries = tap.of("/storage/upload");
    expect(tries.map(({ status }) => status)).toEqual([207, 200]);
    expect(tries[0]?.answered).toMatchObject({ upload_failed: true, trans_id: expect.stringMatching(/^0x/) });
    expect(new Set(tries.map(({ headers }) => headers["idempotency-key"])).size).toBe(1);
    expect(await spent(buyer)).toHaveLength(1);
    expect(await buyer.fetched(backup)).toBe(backup.hash);
  });

  test("is refused in sentences that it shows, and its empty wallet is not charged", async () => {
    const buyer = await customer(newBuyer());
    const { run, account, tap } = buyer;
    const wallet = `wallet-address:${account.address}`;
    const backup = await buyer.backup("refused", 5_000);
    const elsewhere = await run(
      `cloud price-storage ${wallet} object-id:x object-id-hash:y gb:0.001 provider:aws region:eu-west-9`,
    );
    expect(elsewhere.text).toContain("eu-west-9 is not sold here; sold are us-east-1, eu-north-1");
    const tooMuch = await run(
      `cloud price-storage ${wallet} object-id:x object-id-hash:y gb:1e9 provider:aws region:us-east-1`,
    );
    expect(tooMuch.text).toContain("bytes are sold in one object");
    const unknown = await run(`cloud payment-settle ${wallet} quote-id:nobodys`);
    expect(unknown).toMatchObject({ code: 1, text: expect.stringContaining("no such quote of this wallet") });

    // Its own look at the chain says that there is not enough.
    const quote = await buyer.quote(backup);
    const poor = await buyer.upload(backup, quote);
    expect(poor.text).toContain("Insufficient USDC balance. Current: $0.00, Required: $0.01");
    expect(tap.of("/payment/settle").filter(({ asked }) => asked["quote_id"] === quote)).toEqual([]);
    // Without that look it signs, and once more for every 402 that comes back; nothing is sent.
    const settled = await run(`cloud payment-settle ${wallet} quote-id:${quote}`);
    expect(settled.text).toContain("HTTP 402");
    const signed = tap
      .of("/payment/settle")
      .flatMap(({ asked, headers }) =>
        asked["quote_id"] === quote && headers["x-payment"] !== undefined ? [headers["x-payment"]] : [],
      );
    expect(new Set(signed).size).toBe(3);
    expect(await spent(buyer)).toEqual([]);
  });
});
