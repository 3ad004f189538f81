/** Reading through the public door: lists in pages, parts of objects, what is left of an allowance, and what never comes back. */
import { createHash, randomBytes } from "node:crypto";
import type { PrivateKeyAccount } from "viem/accounts";
import { describe, expect, test } from "vitest";
import { UploadReply } from "#contract/api";
import { DownloadReply, ListReply, StatReply } from "#contract/objects";
import { type Ask, ask, prove, read, type Said } from "../door.ts";
import { buy, type Content, confirm, contentOf, put, refusedBy, storeBytes, untilAnswered } from "../shop.ts";
import type { Live } from "../stack.ts";

const named = (owner: PrivateKeyAccount, more: object) => ({ wallet_address: owner.address, ...more });

export function reads(live: () => Live): void {
  const post = (owner: PrivateKeyAccount, path: string, more: object = {}): Promise<Said> =>
    ask(live().edge, { path, by: owner, body: named(owner, more) });
  const listOf = async (owner: PrivateKeyAccount, more: object = {}) =>
    read(ListReply, await post(owner, "/storage/ls", more));
  const downloadOf = async (owner: PrivateKeyAccount, more: object) =>
    read(DownloadReply, await post(owner, "/storage/download", more));

  /** Every page of a list, with a page size of its own. */
  const pagesOf = async (owner: PrivateKeyAccount, size: number, more: object = {}) => {
    const pages: ListReply[] = [];
    let token: string | null = null;
    do {
      pages.push(
        await listOf(owner, { max_keys: size, ...more, ...(token === null ? {} : { continuation_token: token }) }),
      );
      token = pages.at(-1)?.next_continuation_token ?? null;
    } while (token !== null && pages.length < 100);
    return pages;
  };
  const namesIn = (pages: readonly ListReply[]) =>
    pages.flatMap(({ objects }) => objects.map(({ agent_id, key }) => `${agent_id}/${key}`));

  describe.concurrent("a list", () => {
    test("has pages, prefixes and agents, and says of each object what it is, costs and still owes", async () => {
      const { edge } = live();
      const owner = live().wallet();
      const content = contentOf("x".repeat(1_500));
      const bought = [
        ["main", "a 1"],
        ["main", "a+2"],
        ["main", "b%2f"],
        ["night", "a 3"],
        ["night", "é😀"],
      ] as const;
      const plans = await Promise.all(
        bought.map(async ([agent_id, name]) => {
          const plan = read(UploadReply, (await buy(edge, owner, name, content, { agent_id })).said);
          if (name !== "a+2") expect((await put(plan, content.bytes)).status).toBe(200);
          if (name !== "a+2" && name !== "a 3") expect((await confirm(edge, plan)).status).toBe(200);
          return plan;
        }),
      );
      expect(plans).toHaveLength(bought.length);
      const mine = ["main/a 1", "main/a+2", "main/b%2f"];
      const all = [...mine, "night/a 3", "night/é😀"];
      expect(namesIn(await pagesOf(owner, 1_000))).toEqual(mine);
      expect(namesIn(await pagesOf(owner, 1_000, { agent_id: "*" }))).toEqual(all);
      for (const size of [1, 2, 3]) expect(namesIn(await pagesOf(owner, size, { agent_id: "*" }))).toEqual(all);
      for (const size of [1, 1_000])
        expect(namesIn(await pagesOf(owner, size, { agent_id: "*", prefix: "a" }))).toEqual([
          "main/a 1",
          "main/a+2",
          "night/a 3",
        ]);
      expect(namesIn(await pagesOf(owner, 1_000, { prefix: "a " }))).toEqual(["main/a 1"]);
      expect(namesIn(await pagesOf(owner, 1_000, { prefix: "zz" }))).toEqual([]);
      expect(namesIn(await pagesOf(owner, 1_000, { region: "eu-north-1" }))).toEqual([]);

      const { objects, lists_left } = await listOf(owner, { agent_id: "*" });
      const [stored, unsent, , unconfirmed] = objects;
      expect(stored).toMatchObject({
        state: "stored",
        size_bytes: 1_500,
        size: "1.5 KB",
        content_sha256: content.sha256,
        downloads_left: 3,
        next_amount: stored?.amount,
      });
      expect(stored).not.toHaveProperty("awaiting");
      expect(Date.parse(stored?.delete_after ?? "") - Date.parse(stored?.paid_through ?? "")).toBe(2 * 86_400_000);
      expect(unsent).toMatchObject({
        state: "paid",
        awaiting: "upload",
        size_bytes: 0,
        size: "0 B",
        content_sha256: "",
      });
      expect(unconfirmed).toMatchObject({ state: "paid", awaiting: "confirm", size_bytes: 1_500 });
      expect(await listOf(owner)).toMatchObject({ lists_left: (lists_left ?? 0) - 1 });
      const look = async (object_key: string, agent_id = "main") =>
        read(StatReply, await post(owner, "/storage/ls", { object_key, agent_id }));
      expect(await look("a 1")).toMatchObject({ state: "stored", size_bytes: 1_500 });
      expect(await look("a+2")).toMatchObject({ state: "paid", awaiting: "upload" });
      expect(await look("a 3", "night")).toMatchObject({ state: "paid", awaiting: "confirm", size_bytes: 1_500 });
    });

    test("goes on where it was, whatever was deleted and stored meanwhile", async () => {
      const { edge } = live();
      const owner = live().wallet();
      const names = ["k1", "k2", "k3", "k4", "k5"];
      await Promise.all(names.map((name) => storeBytes(edge, owner, name, contentOf(`bytes of ${name}`))));
      const first = await listOf(owner, { max_keys: 2 });
      expect(first.objects.map(({ key }) => key)).toEqual(["k1", "k2"]);
      await post(owner, "/storage/delete", { object_key: "k2" });
      await post(owner, "/storage/delete", { object_key: "k4" });
      await storeBytes(edge, owner, "k0", contentOf("before what was shown"));
      await storeBytes(edge, owner, "k35", contentOf("behind it"));
      const rest = await listOf(owner, { continuation_token: first.next_continuation_token });
      expect(rest.objects.map(({ key }) => key)).toEqual(["k3", "k35", "k5"]);
      expect(rest.is_truncated).toBe(false);
    });

    test("shows every object once while many are confirmed, and none whose bytes S3 has as lost", async () => {
      const { edge } = live();
      const owner = live().wallet();
      const names = Array.from({ length: 12 }, (_, n) => `many-${String(n).padStart(2, "0")}`);
      const plans = await Promise.all(
        names.map(async (name) => {
          const content = contentOf(name);
          const plan = read(UploadReply, (await buy(edge, owner, name, content)).said);
          return { plan, content };
        }),
      );
      let storing = true;
      const stored = Promise.all(
        plans.map(async ({ plan, content }) => {
          expect((await put(plan, content.bytes)).status).toBe(200);
          expect((await confirm(edge, plan)).status).toBe(200);
        }),
      ).finally(() => {
        storing = false;
      });
      while (storing) {
        const { objects } = await listOf(owner);
        expect(objects.map(({ key }) => key)).toEqual(names);
        expect(objects.filter(({ awaiting }) => awaiting === "operator")).toEqual([]);
        for (const each of objects) if (each.state === "stored") expect(each.size_bytes).toBe(each.key.length);
      }
      await stored;
      expect(namesIn(await pagesOf(owner, 5))).toEqual(names.map((name) => `main/${name}`));
    });
  });

  describe.concurrent("a download", () => {
    test("of a part admits that part, and no other byte; a resumed one pays for the rest", async () => {
      const { edge } = live();
      const owner = live().wallet();
      const bytes = randomBytes(40_000);
      const content: Content = { bytes, sha256: createHash("sha256").update(bytes).digest("hex") };
      await storeBytes(edge, owner, "parts", content);
      const head = await downloadOf(owner, { object_key: "parts", range: "bytes=0-9999" });
      expect(head).toMatchObject({
        range: { first: 0, last: 9_999 },
        download_headers: { range: "bytes=0-9999" },
        size_bytes: 40_000,
        downloads_left: 2,
        download_bytes_left: 110_000,
      });
      const get = (url: string, headers: Record<string, string> = {}) => fetch(url, { headers });
      const part = await get(head.download_url, head.download_headers);
      expect(part.status).toBe(206);
      expect(Buffer.from(await part.arrayBuffer())).toEqual(bytes.subarray(0, 10_000));
      expect(await refusedBy(await get(head.download_url))).toMatch(/^403 /);
      expect(await refusedBy(await get(head.download_url, { range: "bytes=0-39999" }))).toBe(
        "403 SignatureDoesNotMatch",
      );
      const rest = await downloadOf(owner, { object_key: "parts", range: "bytes=10000-" });
      expect(rest).toMatchObject({ range: { first: 10_000, last: 39_999 }, download_bytes_left: 80_000 });
      const tail = await get(rest.download_url, rest.download_headers);
      expect(Buffer.from(await tail.arrayBuffer())).toEqual(bytes.subarray(10_000));
      // Named, it is debited once, for all of it and for any part, by whichever method it is asked.
      const once = { object_key: "parts", download_id: "one.download-1" };
      for (const range of ["bytes=0-19999", "bytes=0-19999", "bytes=15000-19999"])
        expect((await downloadOf(owner, { ...once, range })).download_bytes_left).toBe(60_000);
      const query = new URLSearchParams({ wallet_address: owner.address, ...once, range: "bytes=5-9" });
      const asked = await ask(edge, { method: "GET", path: `/storage/download?${query}`, by: owner });
      expect(read(DownloadReply, asked)).toMatchObject({ range: { first: 5, last: 9 }, download_bytes_left: 60_000 });
      const bad = await post(owner, "/storage/download", { ...once, download_id: "no good" });
      expect(bad).toMatchObject({
        status: 400,
        json: { detail: expect.stringContaining("download_id: wanted 8 to 100") },
      });
      // A URL for the whole object is the browser's and the published client's: it wants no header, and admits any range.
      const whole = await downloadOf(owner, { object_key: "parts" });
      expect(whole).toMatchObject({ download_headers: {}, download_bytes_left: 20_000, downloads_left: 0 });
      expect(whole).not.toHaveProperty("range");
      expect(Buffer.from(await (await get(whole.download_url, { range: "bytes=5-6" })).arrayBuffer())).toEqual(
        bytes.subarray(5, 7),
      );
    });

    test("is saved under a name that deceives nobody, and is never rendered", async () => {
      const { edge } = live();
      const owner = live().wallet();
      const name = `é "x"; 100% \u202egpj.html`;
      await storeBytes(edge, owner, name, contentOf("<script>alert(1)</script>"));
      const { download_url } = await downloadOf(owner, { object_key: name, expires_in_seconds: 60 });
      const { headers } = await fetch(download_url);
      expect(headers.get("content-type")).toBe("application/octet-stream");
      expect(headers.get("content-disposition")).toBe(
        `attachment; filename="e_ _x__ 100_ _gpj.html"; filename*=UTF-8''%C3%A9%20_x_%3B%20100_%20_gpj.html`,
      );
    });

    test("whose reply was lost is asked for again with the same proof and debits nothing; two for the last one, one gets it", async () => {
      const { edge } = live();
      const owner = live().wallet();
      await storeBytes(edge, owner, "last", contentOf("the last of three"));
      const body = named(owner, { object_key: "last" });
      const proof = await prove(owner, "POST", new URL("/storage/download", edge), JSON.stringify(body));
      const again: Ask = { path: "/storage/download", body, headers: { "x-wallet-signature": proof } };
      for (let turn = 0; turn < 3; turn++) expect(read(DownloadReply, await ask(edge, again)).downloads_left).toBe(2);
      expect((await downloadOf(owner, { object_key: "last" })).downloads_left).toBe(1);
      const both = await Promise.all([1, 2].map(() => post(owner, "/storage/download", { object_key: "last" })));
      expect(both.map(({ status }) => status).sort()).toEqual([200, 402]);
      const refused = both.find(({ status }) => status === 402);
      expect(refused?.json).toMatchObject({
        code: "payment_required",
        downloads_left: 0,
        details: { download_bytes_left: 0 },
      });
    });
  });

  describe.concurrent("what was deleted", () => {
    test("comes back by no old URL, repeated payment or late confirm, and its name can be bought again", async () => {
      const { edge } = live();
      const owner = live().wallet();
      const content = contentOf("once and no more");
      const { asked, said } = await buy(edge, owner, "gone", content);
      const plan = read(UploadReply, said);
      expect((await put(plan, content.bytes)).status).toBe(200);
      expect((await confirm(edge, plan)).status).toBe(200);
      const { download_url } = await downloadOf(owner, { object_key: "gone" });
      expect((await post(owner, "/storage/delete", { object_key: "gone" })).json).toMatchObject({
        success: true,
        key: "gone",
        bucket: plan.bucket_name,
        bucket_deleted: false,
      });
      expect((await fetch(download_url)).status).toBe(404);
      // The old URL still admits its bytes, until it dies; nobody sees them, and they are erased after that.
      expect((await put(plan, content.bytes)).status).toBe(200);
      expect(await confirm(edge, plan)).toMatchObject({ status: 410, json: { code: "gone" } });
      expect(await untilAnswered(edge, asked)).toMatchObject({ status: 410, json: { code: "gone" } });
      for (const path of ["/storage/download", "/storage/delete", "/storage/ls"])
        expect(await post(owner, path, { object_key: "gone" })).toMatchObject({
          status: 404,
          json: { code: "object_not_found" },
        });
      expect((await listOf(owner, { agent_id: "*" })).objects).toEqual([]);
      const { plan: anew } = await storeBytes(edge, owner, "gone", contentOf("another life"));
      expect(anew.plan.s3_key).not.toBe(plan.plan.s3_key);
      expect((await listOf(owner)).objects).toMatchObject([{ key: "gone", order_id: anew.order_id }]);
    });

    test("while it is confirmed, listed and downloaded is either there or gone, never half", async () => {
      const { edge } = live();
      const owner = live().wallet();
      const content = contentOf("deleted in the middle of everything");
      const plan = read(UploadReply, (await buy(edge, owner, "middle", content)).said);
      expect((await put(plan, content.bytes)).status).toBe(200);
      const [confirmed, removed, listed, downloaded] = await Promise.all([
        confirm(edge, plan),
        post(owner, "/storage/delete", { object_key: "middle" }),
        post(owner, "/storage/ls"),
        post(owner, "/storage/download", { object_key: "middle" }),
      ]);
      expect([200, 404, 410]).toContain(confirmed.status);
      expect(removed.status).toBe(200);
      expect(read(ListReply, listed).objects.filter(({ awaiting }) => awaiting === "operator")).toEqual([]);
      expect([200, 404]).toContain(downloaded.status);
      expect((await listOf(owner)).objects).toEqual([]);
      expect(await confirm(edge, plan)).toMatchObject({ status: 410 });
      if (downloaded.status === 200)
        expect((await fetch(read(DownloadReply, downloaded).download_url)).status).toBe(404);
    });
  });
}
