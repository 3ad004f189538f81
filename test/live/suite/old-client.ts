/** The published client's habits: proofs of version 1, one proof for the probe and the paid retry, both payment headers at once. */
import { describe, expect, test } from "vitest";
import { ConfirmReply, PriceReply, UploadReply } from "#contract/api";
import { DownloadReply } from "#contract/objects";
import { SettleReply } from "#contract/settling";
import { transfersFrom } from "../chain.ts";
import { ask, prove, read } from "../door.ts";
import { required, sign } from "../purse.ts";
import { contentOf, put, REGION } from "../shop.ts";
import type { Live } from "../stack.ts";

export function oldClient(live: () => Live): void {
  describe.concurrent("the published client's way", () => {
    test("of quoting in gigabytes, settling, uploading and confirming works to the letter", async () => {
      const { edge, stack } = live();
      const owner = live().wallet();
      const content = contentOf("nonce, ciphertext and tag");
      const body = { wallet_address: owner.address };
      const proven = async (path: string, more: object, headers: object = {}, proof?: string) => {
        const signed = proof ?? (await prove(owner, "POST", new URL(path, edge), "", { version: "1" }));
        const all = { "X-Wallet-Signature": signed, ...headers };
        return ask(edge, { path, headers: all, body: { ...body, ...more } });
      };

      const object = { object_id: "backup-1", object_id_hash: "ab".repeat(32) };
      const ask1 = { ...object, agent_id: "main", gb: 1e-7, provider: "aws", region: REGION };
      const price = read(PriceReply, await proven("/price-storage", ask1));
      expect(price.storage_price).toBeGreaterThan(0);

      const proof = await prove(owner, "POST", new URL("/payment/settle", edge), "", { version: "1" });
      const quoted = { quote_id: price.quote_id };
      const probe = await proven("/payment/settle", quoted, {}, proof);
      expect(probe.status).toBe(402);
      expect(probe.headers.get("x-payment-required")).toBe(probe.headers.get("payment-required"));
      const { header } = await sign(owner, required(probe.headers));
      const both = { "PAYMENT-SIGNATURE": header, "x-payment": header };
      const settled = read(SettleReply, await proven("/payment/settle", quoted, both, proof));
      expect(read(SettleReply, await proven("/payment/settle", quoted))).toMatchObject({
        result: "already_settled",
        trans_id: settled.trans_id,
      });

      const key = { "Idempotency-Key": "backup-1" };
      const wrapped_dek = Buffer.from("a wrapped key").toString("base64");
      const upload = {
        ...object,
        ...quoted,
        object_key: "backup-1",
        provider: "aws",
        location: REGION,
        mode: "presigned",
        content_length_bytes: content.bytes.length,
        content_sha256: content.sha256,
        wrapped_dek,
      };
      const plan = read(UploadReply, await proven("/storage/upload", upload, key));
      expect((await put(plan, content.bytes)).status).toBe(200);
      const confirming = { ...quoted, object_key: "backup-1", idempotency_key: "backup-1" };
      const confirmed = await proven("/storage/upload/confirm", confirming, key);
      expect(read(ConfirmReply, confirmed)).toMatchObject({ state: "stored", quote_id: price.quote_id });
      expect(confirmed.json).not.toHaveProperty("upload_url");

      const named = { object_key: "backup-1", location: REGION };
      const download = read(DownloadReply, await proven("/storage/download", named));
      const back = await fetch(download.download_url);
      expect(back.headers.get("x-amz-meta-wrapped-dek")).toBe(wrapped_dek);
      expect(Buffer.from(await back.arrayBuffer())).toEqual(content.bytes);
      expect((await proven("/storage/delete", named)).json).toMatchObject({ success: true, key: "backup-1" });
      expect(await transfersFrom(stack, owner.address)).toHaveLength(1);
    });
  });
}
