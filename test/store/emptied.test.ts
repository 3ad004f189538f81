/** Our own calls against the strict dialect: an emptied bucket goes, an occupied one stays, a foreign one is never touched; pages. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseWallet, type Wallet } from "#contract/wallet";
import { WALLET_TAG } from "../../worker/adapters/s3/ownership.ts";
import { base64Hash, expectRefusal, expectStatus, makeBucket, send } from "../s3/client.ts";
import type { Subject } from "../s3/subject.ts";
import { type Opened, type Shelf, startShelf } from "./shelf.ts";

let shelf: Shelf;
let server: Subject;
let s3: Opened;
beforeAll(async () => {
  shelf = await startShelf({ config: { kind: "aws" } });
  server = shelf.subject;
  s3 = shelf.store;
});
afterAll(() => shelf.close());

const store = "s3";
const region = "us-east-1";
const wallet = walletOf("a");

function walletOf(digit: string): Wallet {
  const parsed = parseWallet(`0x${digit.repeat(40)}`);
  if (!parsed) throw new Error("40 hex digits are a wallet");
  return parsed;
}

/** A bucket as the service makes it, as far as its owner goes. */
async function bucketOf(owner: Wallet): Promise<string> {
  const name = await makeBucket(server);
  const body = `<Tagging><TagSet><Tag><Key>${WALLET_TAG}</Key><Value>${owner}</Value></Tag></TagSet></Tagging>`;
  const headers = { "content-md5": base64Hash("md5", body) };
  await expectStatus(await send(server, `/${name}?tagging`, { method: "PUT", headers, body }), 204);
  return name;
}

const pathOf = (bucket: string, key: string) => `/${bucket}/${key.split("/").map(encodeURIComponent).join("/")}`;

test("a bucket is removed when it is empty, and only then", async () => {
  const name = await bucketOf(wallet);
  const key = "agent=main/a b+c/0123.1";
  await expectStatus(await send(server, pathOf(name, key), { method: "PUT", body: "abc" }), 200);
  expect(await s3.removeBucket({ store, region, name, wallet })).toEqual({ end: "occupied", keys: [key] });
  await expectStatus(await send(server, pathOf(name, key)), 200);
  await expectStatus(await send(server, pathOf(name, key), { method: "DELETE" }), 204);
  expect(await s3.removeBucket({ store, region, name, wallet })).toEqual({ end: "gone" });
  await expectRefusal(await send(server, `/${name}`), 404, "NoSuchBucket");
  expect(await s3.removeBucket({ store, region, name, wallet })).toEqual({ end: "gone" });
  expect(await s3.list({ store, region, bucket: name, prefix: "", maxKeys: 5, startAfter: undefined })).toEqual({
    end: "done",
    entries: [],
    truncated: false,
  });
});

test("a bucket that is another wallet's, or has lost its tag, is not removed", async () => {
  const foreign = await bucketOf(walletOf("b"));
  expect(await s3.removeBucket({ store, region, name: foreign, wallet })).toEqual({ end: "gone" });
  await expectStatus(await send(server, `/${foreign}?list-type=2`), 200);
  const untagged = await makeBucket(server);
  expect(await s3.removeBucket({ store, region, name: untagged, wallet })).toMatchObject({ end: "unknown" });
  await expectStatus(await send(server, `/${untagged}?list-type=2`), 200);
});

test("a store that does not answer has said nothing", async () => {
  const silent = shelf.another({ endpoint: "http://127.0.0.1:1" });
  expect(await silent.removeBucket({ store, region, name: "any", wallet })).toMatchObject({ end: "unknown" });
});

test("pages go on behind any key, one that was never there too, whatever the names are", async () => {
  const bucket = await bucketOf(wallet);
  const names = ["a b", "a+b", "a%2b", "é", "\ufffd", "\u{1f600}"];
  const keys = names.map((name) => `agent=main/${name}/0123.1`);
  for (const key of keys)
    await expectStatus(await send(server, pathOf(bucket, key), { method: "PUT", body: "abc" }), 200);
  const page = async (startAfter: string | undefined, maxKeys = 2, prefix = "agent=main/") => {
    const got = await s3.list({ store, region, bucket, prefix, maxKeys, startAfter });
    return got.end === "done" ? [...got.entries.map(({ key }) => key), got.truncated ? "…" : "."] : got;
  };
  const inOrder = [...keys].sort((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right)));
  expect(await page(undefined, 1_000)).toEqual([...inOrder, "."]);
  for (const [index, key] of inOrder.entries())
    expect(await page(key)).toEqual([...inOrder.slice(index + 1, index + 3), index + 3 < inOrder.length ? "…" : "."]);
  const behind = inOrder.slice(inOrder.indexOf("agent=main/a b/0123.1") + 1);
  expect(await page("agent=main/a b/~")).toEqual([...behind.slice(0, 2), "…"]);
  expect(await page(undefined, 9, "agent=main/a+")).toEqual(["agent=main/a+b/0123.1", "."]);
  expect(await page(undefined, 9, "agent=main/a ")).toEqual(["agent=main/a b/0123.1", "."]);
});
