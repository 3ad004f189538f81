/** Which store serves a region: read from the settings, or a sentence about what is wrong with them. */
import { describe, expect, it } from "vitest";
import * as z from "zod";
import { type Configured, readStores, StoreSettings } from "../../worker/adapters/s3/configured.ts";

const AWS = {
  AWS_ACCOUNT_ID: "123456789012",
  S3_REGIONS: "us-east-1, eu-north-1",
  S3_ACCESS_KEY_ID: "AKIA",
  S3_SECRET_ACCESS_KEY: "secret",
};
const R2 = {
  endpoint: "https://0123456789abcdef.r2.cloudflarestorage.com",
  regions: ["auto"],
  access_key_id: "id",
  secret_access_key: "secret",
};

type Read = { ok: true } & Configured;
const parse = (settings: object) => z.object(StoreSettings).safeParse(settings);
function read(settings: object): Read {
  const parsed = parse(settings);
  if (!parsed.success) throw new Error(parsed.error.message);
  const stores = readStores(parsed.data);
  if (!stores.ok) throw new Error(stores.detail);
  return stores;
}
const refusal = (settings: object) => {
  const parsed = parse(settings);
  return parsed.success ? readStores(parsed.data) : { ok: false, detail: parsed.error.issues[0]?.message };
};

describe("the configured stores", () => {
  it("are AWS alone, where nothing else is said", () => {
    const { stores, regions, storeOf } = read(AWS);
    expect([regions, storeOf]).toEqual([["us-east-1", "eu-north-1"], { "us-east-1": "s3", "eu-north-1": "s3" }]);
    expect(stores.get("s3")).toMatchObject({ kind: "aws", accountId: "123456789012", endpoint: undefined });
  });

  it("are AWS and R2, each for its regions", () => {
    const { stores, regions, storeOf } = read({ ...AWS, STORES: JSON.stringify({ r2: R2 }) });
    expect(regions).toEqual(["us-east-1", "eu-north-1", "auto"]);
    expect(storeOf["auto"]).toBe("r2");
    expect(stores.get("r2")).toMatchObject({ kind: "r2", accountId: undefined, signingRegion: "auto", style: "path" });
  });

  it("are R2 alone for an operator without AWS, and R2's first region is the default", () => {
    const { stores, regions } = read({ STORES: JSON.stringify({ r2: { ...R2, regions: ["auto", "eu-west-1"] } }) });
    expect([regions, [...stores.keys()]]).toEqual([["auto", "eu-west-1"], ["r2"]]);
  });

  it("are any S3-compatible server, by path or by host, with a quota", () => {
    const own = { ...R2, endpoint: "https://s3.example.org", style: "virtual", bucket_quota: 1000 };
    expect(read({ STORES: JSON.stringify({ own }) }).stores.get("own")).toMatchObject({
      kind: "other",
      style: "virtual",
      bucketQuota: 1000,
      signingRegion: undefined,
    });
    const single = { ...AWS, S3_ENDPOINT: "https://s3.example.org", S3_STYLE: "virtual", S3_BUCKET_QUOTA: "100" };
    expect(read(single).stores.get("s3")).toMatchObject({ kind: "other", style: "virtual", bucketQuota: 100 });
    const cloudflare = { ...AWS, S3_ENDPOINT: R2.endpoint };
    expect(read(cloudflare).stores.get("s3")).toMatchObject({
      kind: "r2",
      accountId: undefined,
      signingRegion: "auto",
    });
  });

  it.each([
    [{}, "S3_REGIONS is missing, and there is no STORES instead"],
    [{ ...AWS, S3_ACCESS_KEY_ID: undefined }, "S3_ACCESS_KEY_ID is missing"],
    [{ S3_REGIONS: "us-east-1" }, "AWS_ACCOUNT_ID, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY are missing"],
    [{ ...AWS, STORES: "{" }, "wanted JSON"],
    [
      { ...AWS, STORES: JSON.stringify({ r2: { ...R2, regions: ["us-east-1"] } }) },
      "the region us-east-1 is served by s3 and by r2; wanted one",
    ],
    [{ ...AWS, STORES: JSON.stringify({ s3: R2 }) }, "STORES: the name s3 is that of the S3_ settings"],
    [{ STORES: JSON.stringify({ r2: { ...R2, acess_key_id: "x" } }) }, 'Unrecognized key: "acess_key_id"'],
    [{ ...AWS, S3_REGIONS: "us-east-1,moon" }, "wanted a region such as us-east-1"],
    [{ STORES: JSON.stringify({ "My Store": R2 }) }, "Invalid key in record"],
  ])("%o is refused: %s", (settings, detail) => {
    expect(refusal(settings)).toEqual({ ok: false, detail });
  });
});
