/** The browser view's doors, by hand: what a code, a cookie and an origin open, and what they do not. The page itself is in test/page/. */
import { describe, expect, test } from "vitest";
import { BrowserCodeReply, BrowserListReply, BrowserSession } from "#contract/browser";
import { DownloadReply } from "#contract/objects";
import { ask, read } from "../door.ts";
import { contentOf, storeBytes } from "../shop.ts";
import type { Live } from "../stack.ts";

export function browser(live: () => Live): void {
  describe.concurrent("the browser view's doors", () => {
    const post = (path: string, body: object, headers: Record<string, string> = {}) =>
      ask(live().edge, { path, body, headers: { origin: live().edge, ...headers } });

    const mint = async (owner: Parameters<typeof storeBytes>[1], scope: object = {}) =>
      read(BrowserCodeReply, await ask(live().edge, { path: "/storage/ls-web/session", by: owner, body: scope }));

    const enter = async (code: string) => {
      const said = await post("/app/session", { code });
      const cookie = said.headers.get("set-cookie") ?? "";
      return { said, cookie, headers: { cookie: cookie.split(";")[0] ?? "" } };
    };

    test("a code is traded once for a cookie that no script sees, and the session lists and downloads", async () => {
      const owner = live().wallet();
      await storeBytes(live().edge, owner, "one", contentOf("first"));
      const minted = await mint(owner);
      expect(minted.app).toBe(`${live().edge}/app#code=${minted.code}`);
      const life = Date.parse(minted.expires_at) - Date.now();
      expect(life).toBeGreaterThan(200_000);
      expect(life).toBeLessThanOrEqual(301_000);

      const { said, cookie, headers } = await enter(minted.code);
      expect(read(BrowserSession, said)).toMatchObject({ chain_id: 84_532, agent_id: "*" });
      expect(cookie).toMatch(/; Path=\/; Max-Age=1800; Secure; HttpOnly; SameSite=Strict$/);
      expect(cookie).not.toMatch(/domain/i);
      expect((await enter(minted.code)).said).toMatchObject({
        status: 401,
        json: { error: "invalid_or_expired_code" },
      });

      const listed = read(BrowserListReply, await post("/app/list", {}, headers));
      expect(listed.objects).toMatchObject([{ key: "one" }]);
      expect(listed.session.wallet_address).toBe(owner.address.toLowerCase());
      const url = read(DownloadReply, await post("/app/download", { object_key: "one", agent_id: "main" }, headers));
      expect(await (await fetch(url.download_url)).text()).toBe("first");
    });

    test("a session reads only: what writes, and other wallets, want more than its cookie", async () => {
      const owner = live().wallet();
      await storeBytes(live().edge, owner, "kept", contentOf("kept"));
      const { headers } = await enter((await mint(owner)).code);
      const named = { wallet_address: owner.address, object_key: "kept" };
      for (const path of ["/storage/delete", "/storage/ls", "/storage/download", "/storage/ls-web/session"])
        expect((await post(path, path.endsWith("session") ? {} : named, headers)).status).toBe(401);
      expect((await post("/app/list", { wallet_address: owner.address }, headers)).status).toBe(400);
    });

    test("a request from another origin, or from none, is refused before the session is looked at", async () => {
      const owner = live().wallet();
      const minted = await mint(owner);
      for (const origin of ["https://evil.example", "null", `${live().edge}.evil.example`]) {
        const said = await post("/app/session", { code: minted.code }, { origin });
        expect(said).toMatchObject({ status: 403, json: { code: "origin_foreign" } });
      }
      const { headers } = await enter(minted.code);
      const list = { path: "/app/list", body: {}, headers };
      expect(await ask(live().edge, list)).toMatchObject({ status: 403, json: { code: "origin_foreign" } });
    });

    test("a scope binds list and download alike", async () => {
      const owner = live().wallet();
      await storeBytes(live().edge, owner, "log-1", contentOf("a"));
      await storeBytes(live().edge, owner, "diary", contentOf("b"));
      const { headers } = await enter((await mint(owner, { agent_id: "main", prefix: "log-" })).code);
      const listed = read(BrowserListReply, await post("/app/list", {}, headers));
      expect(listed.objects.map(({ key }) => key)).toEqual(["log-1"]);
      for (const asked of [
        { object_key: "diary", agent_id: "main" },
        { object_key: "log-1", agent_id: "scribe" },
      ])
        expect(await post("/app/download", asked, headers)).toMatchObject({ json: { code: "outside_session" } });
      expect((await post("/app/download", { object_key: "log-1", agent_id: "main" }, headers)).status).toBe(200);
    });

    test("signing out ends one session, revoking ends all, and codes with them", async () => {
      const owner = live().wallet();
      const first = await enter((await mint(owner)).code);
      const second = await enter((await mint(owner)).code);
      const unused = await mint(owner);
      const left = await post("/app/sign-out", {}, first.headers);
      expect(left.headers.get("set-cookie")).toMatch(/=; Path=\/; Max-Age=0;/);
      expect((await post("/app/list", {}, first.headers)).json).toMatchObject({ code: "browser_session_ended" });
      expect((await post("/app/list", {}, second.headers)).status).toBe(200);
      const revoke = { path: "/storage/ls-web/revoke", by: owner, body: {} };
      expect(await ask(live().edge, revoke)).toMatchObject({ status: 200, json: { closed: 2 } });
      expect((await post("/app/list", {}, second.headers)).status).toBe(401);
      expect((await enter(unused.code)).said.status).toBe(401);
    });

    test("invented codes and cookies reach no wallet's object", async () => {
      const address = "ab".repeat(20);
      const forged = `mbs_${address}_${"0".repeat(64)}_${"0".repeat(32)}`;
      expect((await enter(forged.replace("mbs", "mbc"))).said.status).toBe(401);
      for (const cookie of ["", `mnemospark=${forged}`, "mnemospark=%00", "mnemospark"])
        expect((await post("/app/list", {}, { cookie })).json).toMatchObject({ code: "browser_session_ended" });
    });

    test("the page is served under headers that let it do its work and nothing else", async () => {
      const page = await fetch(`${live().edge}/app`);
      const policy = page.headers.get("content-security-policy") ?? "";
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain(`connect-src 'self' ${live().stack.urls.s3}`);
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toMatch(/unsafe|\*|data:|https?:\/\/(?!127\.0\.0\.1)/);
      expect(page.headers.get("cache-control")).toBe("no-store");
      const html = await page.text();
      expect(html).not.toMatch(/<script(?![^>]* src="\/app\/)|<style| style=| on\w+=|https?:/);
      for (const [, file] of html.matchAll(/"(\/app\/[^"]+)"/g)) {
        const asset = await fetch(new URL(file ?? "", live().edge));
        expect(asset.status).toBe(200);
        expect(asset.headers.get("cache-control")).toContain("immutable");
        expect(await asset.text()).not.toMatch(/https?:\/\/(?!www\.w3\.org)/);
      }
      expect((await fetch(`${live().edge}/app/..%2fsecret`)).status).toBe(404);
      expect((await fetch(`${live().edge}/app/constructor`)).status).toBe(404);
    });
  });
}
