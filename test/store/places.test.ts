/** Every call goes to the store its place names, in the style and with the headers that store understands. */
import { describe, expect, it } from "vitest";
import { openStore, type StoreConfig } from "../../worker/adapters/s3/store.ts";
import { openStores } from "../../worker/adapters/stores.ts";
import { rawRequest } from "../s3/raw-request.ts";
import { bucketOf, configOf, freshWallet, startShelf } from "./shelf.ts";

const CLOCK = { nowMs: () => Date.now() };
const PLACE = { store: "s3", region: "eu-north-1", bucket: "mnemospark-x", key: "agent=main/a b/order.1" };
const TARGET = { ...PLACE, lengthBytes: 1, sha256Hex: "ab".repeat(32), wrappedDek: undefined, expiresInS: 60 };
const open = (over: Partial<StoreConfig>) => openStore({ ...configOf("https://s3.example.org"), ...over }, CLOCK);

async function signed(over: Partial<StoreConfig>) {
  const { url, headers } = await open(over).signPut(TARGET);
  const { host, pathname, searchParams } = new URL(url);
  const names = Object.keys(headers).filter((name) => name.startsWith("x-amz-"));
  return { host, pathname, scope: searchParams.get("X-Amz-Credential")?.split("/").slice(2), names, searchParams };
}

describe("a URL", () => {
  it("of AWS names the bucket in the host, and binds the content by checksum", async () => {
    const { host, pathname, scope, names, searchParams } = await signed({ kind: "aws", endpoint: undefined });
    expect([host, pathname]).toEqual(["mnemospark-x.s3.eu-north-1.amazonaws.com", "/agent%3Dmain/a%20b/order.1"]);
    expect(scope).toEqual(["eu-north-1", "s3", "aws4_request"]);
    expect(names).toEqual(["x-amz-checksum-sha256", "x-amz-expected-bucket-owner"]);
    const bound = searchParams.get("X-Amz-SignedHeaders")?.split(";");
    expect(bound).toEqual(expect.arrayContaining(["content-length", "if-none-match", ...names]));
  });

  it("of R2 is signed for auto, and names no owner", async () => {
    const endpoint = "https://abc.r2.cloudflarestorage.com";
    const { host, pathname, scope, names } = await signed({
      kind: "r2",
      endpoint,
      signingRegion: "auto",
      accountId: undefined,
    });
    expect([host, pathname]).toEqual(["abc.r2.cloudflarestorage.com", "/mnemospark-x/agent%3Dmain/a%20b/order.1"]);
    expect(scope).toEqual(["auto", "s3", "aws4_request"]);
    expect(names).toEqual(["x-amz-checksum-sha256"]);
  });

  it("of another server binds the content in both ways, by path or by host", async () => {
    const byPath = await signed({});
    expect([byPath.host, byPath.pathname]).toEqual(["s3.example.org", "/mnemospark-x/agent%3Dmain/a%20b/order.1"]);
    expect(byPath.names).toEqual(["x-amz-checksum-sha256", "x-amz-content-sha256", "x-amz-expected-bucket-owner"]);
    const byHost = await signed({ style: "virtual" });
    expect([byHost.host, byHost.pathname]).toEqual(["mnemospark-x.s3.example.org", "/agent%3Dmain/a%20b/order.1"]);
  });

  it("by host is what a server that knows buckets by host accepts", async () => {
    const shelf = await startShelf();
    const bucket = bucketOf(freshWallet());
    await shelf.store.ensureBucket(bucket);
    const { host } = new URL(shelf.subject.origin);
    const hosted = open({ endpoint: `http://localhost:${host.split(":")[1]}`, style: "virtual" });
    const place = { ...PLACE, region: "us-east-1", bucket: bucket.name };
    const sha256Hex = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
    const { url, headers } = await hosted.signPut({ ...TARGET, ...place, sha256Hex });
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const at = new URL(url);
    const answer = await rawRequest(
      `${shelf.subject.origin}${at.pathname}${at.search}`,
      "PUT",
      `${lines.join("")}connection: close\r\n`,
      "x",
      { host: at.host },
    );
    expect(answer).toMatch(/^HTTP\/1.1 200 /);
    expect(await shelf.store.look(place)).toMatchObject({ end: "found", lengthBytes: 1, sha256Hex });
    await shelf.close();
  });
});

describe("several stores", () => {
  it("each get the calls whose place names them", async () => {
    const [one, two] = [await startShelf(), await startShelf()];
    const stores = openStores(
      new Map([
        ["one", one.store],
        ["two", two.store],
      ]),
    );
    const bucket = bucketOf(freshWallet(), { store: "two" });
    expect(await stores.ensureBucket(bucket)).toEqual({ end: "ready" });
    expect([one.asked.length, two.asked.length > 0]).toEqual([0, true]);
    const place = { ...PLACE, region: "us-east-1", bucket: bucket.name };
    expect(await stores.look({ ...place, store: "two" })).toEqual({ end: "absent" });
    expect(new URL((await stores.signPut({ ...TARGET, store: "one" })).url).origin).toBe(one.subject.origin);
    expect(() => stores.look({ ...place, store: "gone" })).toThrow('the store "gone" holds what is asked for');
    await Promise.all([one.close(), two.close()]);
  });
});
