/** The service itself with a radosgw for one of its regions: real chain, real Worker, bytes in a store that other people wrote. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { UploadReply } from "#contract/api";
import { DeleteReply, DownloadReply, ListReply } from "#contract/objects";
import { transfersFrom } from "../live/chain.ts";
import { ask, read } from "../live/door.ts";
import { buy, confirm, contentOf, put, refusedBy } from "../live/shop.ts";
import { type Live, startLive } from "../live/stack.ts";
import { send } from "../s3/client.ts";
import { type Account, alice, type Subject } from "../s3/subject.ts";
import { type Radosgw, startRadosgw } from "./radosgw.ts";

/** Whose buckets a quota is counted over. */
const full: Account = {
  accessKeyId: "AKIAFULL000000000000",
  secretAccessKey: "full-secret",
  accountId: "333333333333",
};
const region = "ap-northeast-1";

describe("the service on radosgw", () => {
  let radosgw: Radosgw | undefined;
  let live: Live;
  let subject: Subject;
  beforeAll(async () => {
    radosgw = await startRadosgw([full]);
    const { origin, stop } = radosgw;
    subject = { origin, close: stop };
    const storeOf = ({ accountId, accessKeyId, secretAccessKey }: Account) => ({
      endpoint: origin,
      account_id: accountId,
      access_key_id: accessKeyId,
      secret_access_key: secretAccessKey,
    });
    const stores = {
      ceph: { ...storeOf(alice), regions: [region] },
      // Every account may have one bucket here, and has it.
      small: { ...storeOf(full), regions: ["auto"], bucket_quota: 1 },
    };
    await send(subject, "/the-only-one", { method: "PUT", account: full });
    live = await startLive({ wallets: 4, edgeVars: { STORES: JSON.stringify(stores) } });
  }, 300_000);
  afterAll(async () => {
    await live?.stop();
    await radosgw?.stop();
  });

  it("a paid upload goes in, is confirmed, listed, read and deleted, and paid once", async () => {
    const owner = live.wallet();
    const content = contentOf("kept by another store");
    const { said } = await buy(live.edge, owner, "elsewhere.age", content, { region });
    const plan = read(UploadReply, said);
    expect(new URL(plan.upload_url).origin).toBe(radosgw?.origin);
    expect(await refusedBy(await put(plan, Buffer.from("kept by another STORE")))).toBe(
      "400 XAmzContentSHA256Mismatch",
    );
    expect((await put(plan, content.bytes)).status).toBe(200);
    expect(await refusedBy(await put(plan, content.bytes))).toBe("412 PreconditionFailed");
    expect((await confirm(live.edge, plan)).status).toBe(200);

    const wallet_address = owner.address;
    const ls = { path: "/storage/ls", body: { wallet_address }, by: owner };
    expect(read(ListReply, await ask(live.edge, ls)).objects).toMatchObject([
      { key: "elsewhere.age", size_bytes: content.bytes.length, region, bucket: plan.bucket_name },
    ]);
    const named = { wallet_address, object_key: "elsewhere.age" };
    const got = read(DownloadReply, await ask(live.edge, { path: "/storage/download", body: named, by: owner }));
    expect(new URL(got.download_url).origin).toBe(radosgw?.origin);
    expect(await (await fetch(got.download_url)).text()).toBe("kept by another store");

    const deleted = await ask(live.edge, { path: "/storage/delete", body: named, by: owner });
    expect(deleted.status).toBe(200);
    read(DeleteReply, deleted);
    expect((await fetch(got.download_url)).status).toBe(404);
    expect(read(ListReply, await ask(live.edge, ls)).objects).toEqual([]);
    expect(await transfersFrom(live.stack, owner.address)).toHaveLength(1);
  });

  it("the other region of the same service is served by the embedded S3", async () => {
    const plan = read(UploadReply, (await buy(live.edge, live.wallet(), "here.age", contentOf("kept here"))).said);
    expect(new URL(plan.upload_url).origin).toBe(live.stack.urls.s3);
    expect((await put(plan, Buffer.from("kept here"))).status).toBe(200);
    expect((await confirm(live.edge, plan)).status).toBe(200);
  });

  it("a region whose account has no bucket left asks nobody new to pay", async () => {
    const body = {
      object_key: "late.age",
      content_length_bytes: 1,
      content_sha256: contentOf("x").sha256,
      region: "auto",
    };
    const said = await ask(live.edge, { path: "/storage/upload", body });
    expect([said.status, said.json["code"]]).toEqual([503, "no_room"]);
    expect(said.headers.get("payment-required")).toBeNull();
    expect(said.headers.get("retry-after")).toMatch(/^\d+$/);
  });

  it("a region that is not sold is a clear 400", async () => {
    const body = {
      object_key: "a",
      content_length_bytes: 1,
      content_sha256: contentOf("x").sha256,
      region: "sa-east-1",
    };
    const said = await ask(live.edge, { path: "/storage/upload", body });
    expect([said.status, said.json["code"]]).toEqual([400, "region_unknown"]);
    expect(said.json["detail"]).toContain(`us-east-1, eu-north-1, ${region}, auto`);
  });
});
