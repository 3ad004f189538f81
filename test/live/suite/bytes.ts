/** Bytes: in by a URL that admits nothing else, out by a URL that dies, and never through the service. */
import { createHash, randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AwsV4Signer } from "aws4fetch";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { describe, expect, test } from "vitest";
import { UploadReply } from "#contract/api";
import { DeleteReply, DownloadReply, ListReply, StatReply } from "#contract/objects";
import { openClient } from "../../demo/client.ts";
import { transfersFrom } from "../chain.ts";
import { ask, read } from "../door.ts";
import { buy, confirm, contentOf, put, REGION, refusedBy, storeBytes, uploadBody } from "../shop.ts";
import type { Live } from "../stack.ts";

/** Everything a URL, a form or a signature may stumble over. */
const NAME = "séen & réad 😀+%2f (1)'*!~.age";

export function bytes(live: () => Live): void {
  describe.concurrent("the upload URL", () => {
    test("admits the announced bytes, once, and S3 itself refuses everything else", async () => {
      const { edge } = live();
      const content = contentOf("exactly these bytes");
      const plan = read(UploadReply, (await buy(edge, live().wallet(), "strict", content)).said);
      const tampered = Buffer.from("exactly those bytes");
      const longer = Buffer.from("exactly these bytes and some more");
      const elsewhere = { ...plan, upload_url: plan.upload_url.replace("/strict/", "/other/") };
      expect(await refusedBy(await put(plan, tampered))).toBe("400 XAmzContentSHA256Mismatch");
      expect(await refusedBy(await put(plan, longer))).toBe("403 SignatureDoesNotMatch");
      expect(await refusedBy(await put(elsewhere, content.bytes))).toBe("403 SignatureDoesNotMatch");
      const sha = createHash("sha256").update(tampered).digest("base64");
      expect(await refusedBy(await put(plan, tampered, { "x-amz-checksum-sha256": sha }))).toBe(
        "403 SignatureDoesNotMatch",
      );
      expect(await refusedBy(await put(plan, content.bytes, { "x-amz-meta-more": "1" }))).toMatch(/^403 /);
      expect(await refusedBy(await put(await signedBefore(live(), plan, 901), content.bytes))).toBe("403 AccessDenied");
      expect(await confirm(edge, plan)).toMatchObject({ status: 404, json: { code: "bytes_not_found" } });
      expect((await put(await signedBefore(live(), plan, 600), content.bytes)).status).toBe(200);
      expect(await refusedBy(await put(plan, content.bytes))).toBe("412 PreconditionFailed");
      expect((await confirm(edge, plan)).status).toBe(200);
    });
  });

  describe.concurrent("a Content-MD5", () => {
    test("that was given is signed into the URL: S3 wants it, and wants it to be right", async () => {
      const { edge } = live();
      const content = contentOf("summed twice");
      const md5 = (bytes: Buffer) => createHash("md5").update(bytes).digest("base64");
      const wrong = md5(Buffer.from("something else"));
      const { said } = await buy(edge, live().wallet(), "summed", content, { content_md5: wrong });
      const refusing = read(UploadReply, said);
      expect(refusing.upload_headers["content-md5"]).toBe(wrong);
      expect(await refusedBy(await put(refusing, content.bytes))).toBe("400 BadDigest");
      expect(await refusedBy(await put(refusing, content.bytes, { "content-md5": md5(content.bytes) }))).toMatch(
        /^403 /,
      );
      const right = { order_id: refusing.order_id, content_md5: md5(content.bytes) };
      const headers = { "x-mnemospark-ticket": refusing.ticket };
      const asked = { path: "/storage/upload", body: uploadBody("summed", content, right), headers };
      const plan = read(UploadReply, await ask(edge, asked));
      expect((await put(plan, content.bytes)).status).toBe(200);
      expect((await confirm(edge, plan)).status).toBe(200);
      const malformed = uploadBody("other", content, { content_md5: "not base64" });
      expect(await ask(edge, { path: "/storage/upload", body: malformed })).toMatchObject({ status: 400 });
    });
  });

  describe.concurrent("an object", () => {
    test("is listed, looked at, downloaded by GET with a query, and deleted once", async () => {
      const { edge } = live();
      const owner = live().wallet();
      const content = contentOf("seen through GET");
      const { plan } = await storeBytes(edge, owner, NAME, content);
      const get = (path: string, more: Record<string, string>, method = "GET") => {
        const query = new URLSearchParams({ wallet_address: owner.address, ...more });
        return ask(edge, { method, path: `${path}?${query}`, by: owner });
      };
      const listed = { key: NAME, size_bytes: content.bytes.length, state: "stored" };
      const list = read(ListReply, await get("/storage/ls", { max_keys: "1" }));
      expect(list).toMatchObject({ list_mode: true, bucket: plan.bucket_name, objects: [listed], is_truncated: false });
      const named = { object_key: NAME };
      expect(read(StatReply, await get("/storage/ls", named))).toMatchObject(listed);
      expect(await get("/storage/ls", { max_keys: "x" })).toMatchObject({ status: 400, json: { code: "malformed" } });
      const download = read(DownloadReply, await get("/storage/download", { ...named, expires_in_seconds: "60" }));
      expect(download).toMatchObject({ expires_in_seconds: 60, downloads_left: 2 });
      const back = await fetch(download.download_url);
      expect(Buffer.from(await back.arrayBuffer())).toEqual(content.bytes);
      expect(read(DeleteReply, await get("/storage/delete", named, "DELETE"))).toMatchObject({ key: named.object_key });
      expect(await get("/storage/delete", named, "DELETE")).toMatchObject({
        status: 404,
        json: { code: "object_not_found" },
      });
      expect((await fetch(download.download_url)).status).toBe(404);
      expect(read(ListReply, await get("/storage/ls", {})).objects).toEqual([]);
      // The order is over: its ticket and its id bring nothing back.
      expect(await confirm(edge, plan)).toMatchObject({ status: 410, json: { code: "gone" } });
    });

    test("in another region has a bucket of its own and is found without naming the region", async () => {
      const { edge } = live();
      const owner = live().wallet();
      const content = contentOf("far away");
      const plan = read(UploadReply, (await buy(edge, owner, "far", content, { region: "eu-north-1" })).said);
      expect(plan).toMatchObject({ location: "eu-north-1", bucket_name: `mnemospark-${plan.addr_hash}-eu-north-1` });
      expect((await put(plan, content.bytes)).status).toBe(200);
      expect((await confirm(edge, plan)).status).toBe(200);
      const body = { wallet_address: owner.address, object_key: "far" };
      const download = read(DownloadReply, await ask(edge, { path: "/storage/download", body, by: owner }));
      expect(await (await fetch(download.download_url)).text()).toBe("far away");
      const list = { path: "/storage/ls", by: owner, body: { wallet_address: owner.address } };
      expect(read(ListReply, await ask(edge, list)).objects).toMatchObject([{ key: "far", region: "eu-north-1" }]);
    });

    test("is replaced by its owner within the room that was paid for, and the old bytes go", async () => {
      const { edge, stack } = live();
      const owner = live().wallet();
      const { plan: old } = await storeBytes(edge, owner, "note", contentOf("the first version, which is long"));
      const newer = contentOf("the second version");
      const { content_length_bytes, content_sha256 } = uploadBody("note", newer);
      const body = { order_id: old.order_id, content_length_bytes, content_sha256 };
      const plan = read(UploadReply, await ask(edge, { path: "/storage/upload", body, by: owner }));
      expect(plan.plan.s3_key).not.toBe(old.plan.s3_key);
      const named = { wallet_address: owner.address, object_key: "note" };
      const download = { path: "/storage/download", body: named, by: owner };
      // Until the new bytes are there, the old ones are the object.
      const before = read(DownloadReply, await ask(edge, download));
      expect(await (await fetch(before.download_url)).text()).toBe("the first version, which is long");
      expect((await put(plan, newer.bytes)).status).toBe(200);
      expect((await confirm(edge, plan)).status).toBe(200);
      const after = read(DownloadReply, await ask(edge, download));
      expect(await (await fetch(after.download_url)).text()).toBe("the second version");
      expect((await put(old, Buffer.from("the first version, which is long"))).status).toBe(412);
      expect(await transfersFrom(stack, owner.address)).toHaveLength(1);
    });

    test("is read three times and no more within what was paid", async () => {
      const { edge } = live();
      const owner = live().wallet();
      await storeBytes(edge, owner, "thrice", contentOf("read me"));
      const body = { wallet_address: owner.address, object_key: "thrice" };
      const statuses: number[] = [];
      for (let turn = 0; turn < 4; turn++)
        statuses.push((await ask(edge, { path: "/storage/download", body, by: owner })).status);
      expect(statuses).toEqual([200, 200, 200, 402]);
    });

    test("of a few megabytes goes straight to S3; the service sees only small messages", async ({ onTestFinished }) => {
      const { edge, stack } = live();
      const home = await mkdtemp(join(tmpdir(), "live-home-"));
      onTestFinished(() => rm(home, { recursive: true, force: true }));
      const folder = join(home, "folder");
      await mkdir(folder);
      for (const name of ["a.bin", "b.bin"]) await writeFile(join(folder, name), randomBytes(2_000_000));
      const privateKey = generatePrivateKey();
      await stack.chain.fund(privateKeyToAccount(privateKey).address, 1_000_000n);
      const seen: number[] = [];
      const counting: typeof fetch = async (input, init) => {
        const response = await fetch(input, init);
        seen.push(String(init?.body ?? "").length, (await response.clone().arrayBuffer()).byteLength);
        return response;
      };
      const { payTo, urls } = stack;
      const place = { edgeUrl: edge, chainUrl: urls.chain, home, payTo };
      const core = await openClient({ ...place, key: privateKey, fetch: counting });
      onTestFinished(() => core.close());
      const stored = await core.store({ path: folder, objectKey: "folder", region: REGION });
      const back = await core.fetch({ objectKey: "folder", destination: join(home, "back") });
      expect(await readFile(join(back.path, "b.bin"))).toEqual(await readFile(join(folder, "b.bin")));
      expect(stored.sealed.sealedBytes).toBeGreaterThan(4_000_000);
      expect(seen.length).toBeGreaterThan(6);
      expect(Math.max(...seen)).toBeLessThan(8_192);
      const log = await readFile(join(stack.paths.logs, "s3.log"), "utf8");
      const entries = log.split("\n").flatMap((line) => (line.startsWith("{") ? [JSON.parse(line) as object] : []));
      const key = stored.stored?.s3Key;
      expect(entries.filter((entry) => "key" in entry && entry.key === key && "operation" in entry)).toMatchObject([
        {
          operation: "PutObject",
          status: 200,
          userAgent: "mnemospark-client",
          requestBytes: stored.sealed.sealedBytes,
        },
        { operation: "HeadObject" },
        { operation: "GetObject", userAgent: "mnemospark-client" },
      ]);
    });
  });

  test("a wallet that never stored gets its empty list free", async () => {
    const nobody = privateKeyToAccount(generatePrivateKey());
    const body = { wallet_address: nobody.address };
    const said = await ask(live().edge, { path: "/storage/ls", body, by: nobody });
    expect(read(ListReply, said)).toMatchObject({ objects: [], is_truncated: false });
  });
}

/** The plan's URL as it would have been signed so many seconds ago: time cannot be moved through the door. */
async function signedBefore({ stack }: Live, plan: UploadReply, seconds: number): Promise<UploadReply> {
  const url = new URL(plan.upload_url);
  for (const name of [...url.searchParams.keys()])
    if (name.startsWith("X-Amz-") && name !== "X-Amz-Expires") url.searchParams.delete(name);
  const at = new Date(Date.now() - seconds * 1000).toISOString().replace(/[:-]|\.\d{3}/g, "");
  const { url: signed } = await new AwsV4Signer({
    method: "PUT",
    url: url.href,
    headers: plan.upload_headers,
    ...stack.keys.s3,
    service: "s3",
    region: REGION,
    signQuery: true,
    allHeaders: true,
    datetime: at,
  }).sign();
  return { ...plan, upload_url: signed.href };
}
