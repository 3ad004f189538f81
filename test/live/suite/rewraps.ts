/** Another wrapped key for the same bytes, through the public door: who may, and what is answered from then on. */
import { describe, expect, test } from "vitest";
import { UploadReply } from "#contract/api";
import { DownloadReply, RewrapReply, StatReply } from "#contract/objects";
import { type Ask, ask, read } from "../door.ts";
import { buy, confirm, contentOf, put } from "../shop.ts";
import type { Live } from "../stack.ts";

const FIRST = Buffer.from("the first").toString("base64");
const SECOND = Buffer.from("the second").toString("base64");

export function rewraps(live: () => Live): void {
  describe.concurrent("a wrapped key", () => {
    test("is replaced by the wallet's proof of version 2, by nothing less, and then answered by list and download", async () => {
      const { edge } = live();
      const owner = live().wallet();
      const content = contentOf("sealed under a key of long ago");
      const plan = read(UploadReply, (await buy(edge, owner, "rotated", content, { wrapped_dek: FIRST })).said);
      await put(plan, content.bytes);
      expect((await confirm(edge, plan)).status).toBe(200);

      const named = { wallet_address: owner.address, object_key: "rotated" };
      const body = { ...named, replaces: FIRST, wrapped_dek: SECOND };
      const path = "/storage/rewrap";
      const refused = async (asked: Partial<Ask>) => {
        const { status, json } = await ask(edge, { path, body, ...asked });
        return `${status} ${json["code"]} ${json["reason"] ?? ""}`.trim();
      };
      expect(await refused({})).toBe("401 proof_missing");
      expect(await refused({ headers: { "x-mnemospark-ticket": plan.ticket } })).toBe("401 proof_missing");
      expect(await refused({ by: owner, lie: { version: "1" } })).toBe("401 proof_invalid proof_version");
      expect(await refused({ by: live().wallet() })).toBe("403 wallet_mismatch wallet_mismatch");
      expect(await refused({ by: owner, body: { ...body, replaces: SECOND, wrapped_dek: "QQ==" } })).toBe(
        "409 wrapped_dek_changed",
      );
      expect(await refused({ by: owner, body: { ...body, wrapped_dek: "" } })).toBe("400 malformed");
      expect(await refused({ by: owner, body: { ...body, wrapped_dek: "A".repeat(2_000) } })).toBe("400 malformed");

      const done = read(RewrapReply, await ask(edge, { path, body, by: owner }));
      expect(done).toMatchObject({ object_key: "rotated", wrapped_dek: SECOND, content_sha256: content.sha256 });
      read(RewrapReply, await ask(edge, { path, body, by: owner }));
      const stat = read(StatReply, await ask(edge, { path: "/storage/ls", body: named, by: owner }));
      expect(stat.wrapped_dek).toBe(SECOND);
      const download = read(DownloadReply, await ask(edge, { path: "/storage/download", body: named, by: owner }));
      expect(download.wrapped_dek).toBe(SECOND);
      const got = await fetch(download.download_url);
      expect(Buffer.from(await got.arrayBuffer()).equals(content.bytes)).toBe(true);
    });
  });
}
