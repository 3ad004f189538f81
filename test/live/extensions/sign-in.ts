/** Sign-in-with-X and read sessions: what they open, and that nothing else opens by them. */
import type { PrivateKeyAccount } from "viem/accounts";
import { beforeAll, describe, expect, test } from "vitest";
import { ConfirmReply, SessionReply, UploadReply } from "#contract/api";
import { DownloadReply, ListReply } from "#contract/objects";
import { SiwxChallenge } from "#contract/siwx";
import { type Ask, ask, read } from "../door.ts";
import { contentOf, priceOf, storeBytes, uploadBody } from "../shop.ts";
import type { Live } from "../stack.ts";
import { bearing, challengeOf, openSession, reasonOf, signedIn, signInHeader } from "./signing.ts";

const content = contentOf("bytes of one who signs in");

export function signIn(live: () => Live): void {
  describe("sign-in-with-x", () => {
    let owner: PrivateKeyAccount;
    let stranger: PrivateKeyAccount;
    const ls = (account: PrivateKeyAccount) => ({ path: "/storage/ls", body: { wallet_address: account.address } });

    beforeAll(async () => {
      owner = live().wallet();
      stranger = live().wallet();
      await storeBytes(live().edge, owner, "mine.age", content);
    });

    test("lists and downloads what the wallet has bought", async () => {
      const { edge } = live();
      const listed = read(ListReply, await ask(edge, await signedIn(edge, owner, ls(owner))));
      expect(listed.objects.map(({ key }) => key)).toEqual(["mine.age"]);
      const query = `?wallet_address=${owner.address}&object_key=mine.age`;
      const asked = await signedIn(edge, owner, { method: "GET", path: `/storage/download${query}` });
      const { download_url } = read(DownloadReply, await ask(edge, asked));
      expect(Buffer.from(await (await fetch(download_url)).arrayBuffer())).toEqual(content.bytes);
    });

    test("prices, and uses a purchase, but pays no quote and deletes nothing", async () => {
      const { edge } = live();
      const price = { wallet_address: owner.address, object_id: "priced.age", size_bytes: 10, region: "us-east-1" };
      const priced = await ask(edge, await signedIn(edge, owner, { path: "/price-storage", body: price }));
      expect(priced.status).toBe(200);
      const bought = await signedIn(edge, owner, { path: "/storage/upload", body: uploadBody("mine.age", content) });
      const plan = read(UploadReply, await ask(edge, bought));
      expect(plan.already_stored).toBe(true);
      const confirm = { path: "/storage/upload/confirm", body: { order_id: plan.order_id } };
      expect(read(ConfirmReply, await ask(edge, await signedIn(edge, owner, confirm))).state).toBe("stored");
      expect(reasonOf(await ask(edge, await signedIn(edge, stranger, confirm)))).toBe("404 not_found");
      const body = uploadBody("priced.age", contentOf("0123456789"), { quote_id: priced.json["quote_id"] });
      expect(reasonOf(await ask(edge, await signedIn(edge, owner, { path: "/storage/upload", body })))).toBe(
        "409 not_paid",
      );
      const erase = { path: "/storage/delete", body: { wallet_address: owner.address, object_key: "mine.age" } };
      expect(reasonOf(await ask(edge, { method: "GET", path: "/auth/challenge?path=/storage/delete" }))).toBe(
        "400 malformed",
      );
      const header = await signInHeader(owner, await challengeOf(edge, "POST", "/storage/ls"));
      expect(reasonOf(await ask(edge, { ...erase, headers: { "sign-in-with-x": header } }))).toBe("401 proof_missing");
    });

    test("is good for one call, however many come at once", async () => {
      const { edge } = live();
      const asked = await signedIn(edge, owner, ls(owner));
      const said = await Promise.all(Array.from({ length: 8 }, () => ask(edge, asked)));
      const outcomes = said.map(({ status, json }) => (status === 200 ? "200" : `${status} ${String(json["code"])}`));
      expect(outcomes.filter((each) => each === "200")).toHaveLength(1);
      expect(outcomes.filter((each) => each === "401 proof_replayed")).toHaveLength(7);
    });

    test("for another route, method, site or time opens nothing", async () => {
      const { edge } = live();
      const tried = async (path: string, method: string, lie: object = {}) => {
        const header = await signInHeader(owner, await challengeOf(edge, method, path), lie);
        return reasonOf(await ask(edge, { ...ls(owner), headers: { "sign-in-with-x": header } }));
      };
      const uri = `${edge}/storage/ls`;
      expect(await tried("/storage/download", "POST")).toBe("401 proof_invalid resource_mismatch");
      expect(await tried("/storage/download", "POST", { uri })).toBe("401 proof_invalid foreign_nonce");
      expect(await tried("/storage/ls", "GET")).toBe("401 proof_invalid foreign_nonce");
      expect(await tried("/storage/ls", "POST", { domain: "evil.example" })).toBe("401 proof_invalid domain_mismatch");
      expect(await tried("/storage/ls", "POST", { nonce: "0".repeat(32) })).toBe("401 proof_invalid foreign_nonce");
      expect(await tried("/storage/ls", "POST", { statement: "Anything else" })).toBe("401 proof_invalid altered");
      const at = (agoMs: number) => new Date(Date.now() - agoMs).toISOString();
      const old = { issuedAt: at(400_000), expirationTime: at(100_000) };
      expect(await tried("/storage/ls", "POST", old)).toBe("401 proof_invalid expired");
      // An old nonce under new times: the MAC covers the time of issue.
      const issued = Date.now() + 1_000;
      const fresh = {
        issuedAt: new Date(issued).toISOString(),
        expirationTime: new Date(issued + 300_000).toISOString(),
      };
      expect(await tried("/storage/ls", "POST", fresh)).toBe("401 proof_invalid foreign_nonce");
    });

    test("never shows another wallet's objects", async () => {
      const { edge } = live();
      expect(reasonOf(await ask(edge, await signedIn(edge, stranger, ls(owner))))).toBe(
        "403 wallet_mismatch wallet_mismatch",
      );
      expect(read(ListReply, await ask(edge, await signedIn(edge, stranger, ls(stranger)))).objects).toEqual([]);
      const body = { wallet_address: stranger.address, object_key: "mine.age" };
      const asked = await signedIn(edge, stranger, { path: "/storage/download", body });
      expect(reasonOf(await ask(edge, asked))).toBe("404 object_not_found");
      // The owner's address over the stranger's signature.
      const info = await challengeOf(edge, "POST", "/storage/ls");
      const [mine, theirs] = [await signInHeader(owner, info), await signInHeader(stranger, info)].map(
        (header) => JSON.parse(Buffer.from(header, "base64").toString()) as Record<string, unknown>,
      );
      const forged = Buffer.from(JSON.stringify({ ...mine, signature: theirs?.["signature"] })).toString("base64");
      expect(reasonOf(await ask(edge, { ...ls(owner), headers: { "sign-in-with-x": forged } }))).toBe(
        "401 proof_invalid invalid_signature",
      );
    });

    test("is offered by the 401 of a read, ready to sign", async () => {
      const { edge } = live();
      const said = await ask(edge, ls(owner));
      expect(reasonOf(said)).toBe("401 proof_missing");
      const extensions = said.json["extensions"] as Record<string, unknown>;
      const { info, supportedChains } = SiwxChallenge.parse(extensions["sign-in-with-x"]);
      expect(supportedChains).toEqual([{ chainId: "eip155:84532", type: "eip191" }]);
      const headers = { "sign-in-with-x": await signInHeader(owner, info) };
      expect((await ask(edge, { ...ls(owner), headers })).status).toBe(200);
    });

    test("opens a session that reads and does nothing else", async () => {
      const { edge } = live();
      const { token, wallet_address, scope } = await openSession(edge, owner);
      expect([wallet_address, scope]).toEqual([owner.address.toLowerCase(), "read"]);
      for (let again = 0; again < 2; again++)
        expect(read(ListReply, await ask(edge, bearing(ls(owner), token))).objects).toHaveLength(1);
      const named = { wallet_address: owner.address, object_key: "mine.age" };
      expect((await ask(edge, bearing({ path: "/storage/ls", body: named }, token))).status).toBe(200);
      expect(reasonOf(await ask(edge, bearing(ls(stranger), token)))).toBe("403 wallet_mismatch wallet_mismatch");
      const price = { wallet_address: owner.address, object_id: "x", size_bytes: 1, region: "us-east-1" };
      const refused: Ask[] = [
        { path: "/storage/delete", body: named },
        { path: "/auth/session" },
        { path: "/price-storage", body: price },
        { path: "/storage/upload/confirm", body: { quote_id: "x" } },
        { path: "/payment/settle", body: { wallet_address: owner.address, quote_id: "x" } },
      ];
      for (const asked of refused) {
        const said = await ask(edge, bearing(asked, token));
        expect(`${asked.path} ${said.status} ${String(said.json["code"])}`).toBe(`${asked.path} 401 proof_missing`);
      }
      const flipped = token.replace(/.$/, (last) => (last === "0" ? "1" : "0"));
      const longer = token.replace(/_([0-9]+)_/, (_, end: string) => `_${Number(end) + 1}_`);
      const another = token.replace(owner.address.slice(2).toLowerCase(), stranger.address.slice(2).toLowerCase());
      for (const forged of [flipped, longer, another])
        expect(reasonOf(await ask(edge, bearing(ls(owner), forged)))).toBe("401 proof_invalid invalid_session");
    });

    test("a wallet proof opens a session too, and a bad proof is not saved by a good session", async () => {
      const { edge } = live();
      const { token } = read(SessionReply, await ask(edge, { path: "/auth/session", by: owner }));
      const bad = { ...ls(owner), by: owner, lie: { ageS: 1_000 } };
      expect(reasonOf(await ask(edge, bearing(bad, token)))).toBe("401 proof_invalid expired_signature");
      await priceOf(edge, owner, "unrelated.age", 10);
    });
  });
}
