/** What the published API promised on the wire, asked in its own words: proofs of version 1, its field names, its habits. */
import { describe, expect, test } from "vitest";
import { PriceReply } from "#contract/api";
import { base64ToJson } from "#contract/base64";
import { SettleReply } from "#contract/settling";
import { transfersFrom } from "../live/chain.ts";
import { ask, type ProofLie, prove, read, type Said } from "../live/door.ts";
import { required, sign } from "../live/purse.ts";
import { contentOf, put, sha256Of } from "../live/shop.ts";
import type { Buyer, Live } from "../live/stack.ts";

const REGION = "us-east-1";

/** One wallet speaking the old way. */
class Speaker {
  readonly #live: Live;
  readonly account: Buyer;

  constructor(live: Live) {
    this.#live = live;
    this.account = live.wallet();
  }

  async say(
    path: string,
    more: object = {},
    how: { headers?: object; lie?: ProofLie; method?: string } = {},
  ): Promise<Said> {
    const { headers = {}, lie, method = "POST" } = how;
    const url = new URL(path, this.#live.edge);
    const proof = await prove(this.account, method, url, "", { version: "1", chainId: 8453, ...lie });
    const body = { wallet_address: this.account.address, ...more };
    return ask(this.#live.edge, {
      method,
      path,
      headers: { "X-Wallet-Signature": proof, ...headers },
      ...(method === "GET" ? {} : { body }),
    });
  }

  async quote(name: string, sizeBytes: number): Promise<PriceReply> {
    const object = { object_id: name, object_id_hash: sha256Of(Buffer.from(name)) };
    // The archive is weighed without its envelope of 28 bytes.
    const gb = (sizeBytes - 28) / 1e9;
    return read(PriceReply, await this.say("/price-storage", { ...object, gb, provider: "aws", region: REGION }));
  }

  async settle(quote: string): Promise<SettleReply> {
    const probe = await this.say("/payment/settle", { quote_id: quote });
    const { header } = await sign(this.account, required(probe.headers));
    const headers = { "PAYMENT-SIGNATURE": header, "x-payment": header };
    return read(SettleReply, await this.say("/payment/settle", { quote_id: quote }, { headers }));
  }

  upload(price: PriceReply, bytes: Buffer, more: object = {}, key = "an operation"): Promise<Said> {
    const { quote_id, object_id, object_id_hash } = price;
    const content = {
      mode: "inline",
      ciphertext: bytes.toString("base64"),
      content_sha256: sha256Of(bytes),
      content_length_bytes: bytes.length,
      wrapped_dek: Buffer.alloc(60, 7).toString("base64"),
    };
    const body = { quote_id, object_id, object_id_hash, object_key: object_id, ...content, ...more };
    return this.say("/storage/upload", body, { headers: { "Idempotency-Key": key } });
  }

  async stored(name: string): Promise<PriceReply> {
    const { bytes } = contentOf(`the bytes of ${name}, in an envelope`);
    const price = await this.quote(name, bytes.length);
    await this.settle(price.quote_id);
    expect((await this.upload(price, bytes)).status).toBe(200);
    return price;
  }
}

const brief = ({ status, json }: Said) => `${status} ${json["error"]}`;

export function publishedApi(live: () => Live): void {
  describe.concurrent("the published API", { timeout: 120_000 }, () => {
    test("takes its proofs, and refuses old, foreign and borrowed ones", async () => {
      const { edge } = live();
      const speaker = new Speaker(live());
      const list = (lie: ProofLie) => speaker.say("/storage/ls", {}, { lie });
      expect((await list({})).status).toBe(200);
      expect((await list({ chainId: 84_532 })).status).toBe(200);
      expect((await list({ ageS: 295 })).status).toBe(200);
      expect((await list({ path: "/storage/ls/" })).status).toBe(200);
      expect(
        (await speaker.say(`/storage/ls?wallet_address=${speaker.account.address}`, {}, { method: "GET" })).status,
      ).toBe(200);
      for (const lie of [
        { ageS: 301 },
        { ageS: -62 },
        { path: "/storage/delete" },
        { method: "GET" },
        { path: "/storage/ls?a=b" },
      ])
        expect(brief(await list(lie))).toBe("401 forbidden");
      expect(brief(await speaker.say("/storage/ls", { wallet_address: live().wallet().address }))).toBe(
        "403 forbidden",
      );
      expect(brief(await ask(edge, { path: "/storage/ls", body: { wallet_address: speaker.account.address } }))).toBe(
        "401 forbidden",
      );
      const nonce: ProofLie = { nonce: `0x${"5a".repeat(32)}` };
      expect((await speaker.say("/storage/ls", {}, { lie: nonce })).status).toBe(200);
      expect(brief(await speaker.say("/storage/ls", { prefix: "b" }, { lie: nonce }))).toBe("401 forbidden");
    });

    test("quotes in its nine fields and refuses in words", async () => {
      const speaker = new Speaker(live());
      const good = { object_id: "a", object_id_hash: "b", gb: 0.001, provider: "aws", region: REGION };
      const price = read(PriceReply, await speaker.say("/price-storage", good));
      expect(price).toMatchObject({
        object_id: "a",
        object_id_hash: "b",
        object_size_gb: 0.001,
        provider: "aws",
        location: REGION,
      });
      expect(price.timestamp).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
      for (const gb of ["1.5", 1.55e-7, 1e-9]) {
        const { storage_price } = read(PriceReply, await speaker.say("/price-storage", { ...good, gb }));
        expect(storage_price).toBeGreaterThanOrEqual(0.01);
      }
      const bad = [
        { gb: 0 },
        { gb: -1 },
        { gb: "NaN" },
        { gb: "Infinity" },
        { provider: "gcp" },
        { region: "mars-1" },
        { object_id: undefined },
      ];
      for (const lie of bad)
        expect(brief(await speaker.say("/price-storage", { ...good, ...lie }))).toBe("400 Bad request");
    });

    test("asks for payment in both headers and takes it in the body too", async () => {
      const { stack } = live();
      const speaker = new Speaker(live());
      const { quote_id } = await speaker.quote("in the body", 1_000);
      const probe = await speaker.say("/payment/settle", { quote_id });
      expect(probe.status).toBe(402);
      expect(probe.headers.get("x-payment-required")).toBe(probe.headers.get("payment-required"));
      const { header } = await sign(speaker.account, required(probe.headers));
      const inBody = { quote_id, payment: base64ToJson(header) };
      const settled = read(SettleReply, await speaker.say("/payment/settle", inBody));
      expect(settled).toMatchObject({ payment_status: "confirmed", amount: expect.any(String) });
      expect(read(SettleReply, await speaker.say("/payment/settle", { quote_id }))).toMatchObject({
        result: "already_settled",
        trans_id: settled.trans_id,
      });
      expect(await transfersFrom(stack, speaker.account.address)).toHaveLength(1);
      expect(brief(await new Speaker(live()).say("/payment/settle", { quote_id }))).toBe("404 quote_not_found");
      expect(brief(await speaker.say("/payment/settle", { quote_id: "nobodys" }))).toBe("404 quote_not_found");
    });

    test("stores inline what is settled, once for each key, and says why it does not", async () => {
      const { stack } = live();
      const speaker = new Speaker(live());
      const { bytes } = contentOf("nonce, ciphertext and tag, as it were");
      const price = await speaker.quote("inline", bytes.length);
      const unpaid = await speaker.upload(price, bytes);
      expect(unpaid).toMatchObject({
        status: 402,
        json: { details: { reason: "payment_record_missing", settle_path: "/payment/settle" } },
      });
      const settled = await speaker.settle(price.quote_id);
      expect(brief(await speaker.upload(price, bytes, { object_id_hash: "another" }))).toBe("400 Bad request");
      expect(brief(await speaker.upload(price, bytes, { content_sha256: "00".repeat(32) }))).toBe("400 Bad request");
      for (const object_key of ["a/b", "a\\b", "..", "."])
        expect(brief(await speaker.upload(price, bytes, { object_key }))).toBe("400 Bad request");
      const first = await speaker.upload(price, bytes);
      expect(first).toMatchObject({
        status: 200,
        json: {
          quote_id: price.quote_id,
          trans_id: settled.trans_id,
          object_key: "inline",
          provider: "aws",
          location: REGION,
        },
      });
      for (const name of ["addr", "addr_hash", "bucket_name", "object_id"]) expect(first.json[name]).toBeTruthy();
      expect(first.json).not.toHaveProperty("upload_url");
      expect((await speaker.upload(price, bytes)).json["s3_key"]).toBe(first.json["s3_key"]);
      expect(brief(await speaker.upload(price, Buffer.from("other bytes")))).toBe("409 conflict");
      expect((await speaker.upload(price, bytes, {}, "another operation")).json["s3_key"]).toBe(first.json["s3_key"]);
      const other = new Speaker(live());
      const theirs = await other.quote("inline", bytes.length);
      await other.settle(theirs.quote_id);
      expect((await other.upload(theirs, bytes)).status).toBe(200);
      expect(await transfersFrom(stack, speaker.account.address)).toHaveLength(1);
    });

    test("gives a URL for what is large and confirms it", async () => {
      const speaker = new Speaker(live());
      const { bytes, sha256 } = contentOf("large, let us say, and longer than its envelope");
      const price = await speaker.quote("presigned", bytes.length);
      await speaker.settle(price.quote_id);
      const { quote_id, object_id, object_id_hash } = price;
      const content = { content_sha256: sha256, content_length_bytes: bytes.length, wrapped_dek: "d3JhcHBlZA==" };
      const body = { quote_id, object_id, object_id_hash, object_key: object_id, mode: "presigned", ...content };
      expect(brief(await speaker.say("/storage/upload", body))).toBe("400 Bad request");
      const headers = { "Idempotency-Key": "large" };
      const plan = await speaker.say("/storage/upload", body, { headers });
      expect(plan).toMatchObject({
        status: 200,
        json: { confirmation_required: true, upload_url: expect.stringContaining("http") },
      });
      expect(plan.json["upload_headers"]).toMatchObject({
        "content-type": "application/octet-stream",
        "x-amz-meta-wrapped-dek": "d3JhcHBlZA==",
      });
      const confirming = { quote_id, object_key: object_id, idempotency_key: "large" };
      expect(brief(await speaker.say("/storage/upload/confirm", confirming))).toBe("404 not_found");
      const again = await speaker.say("/storage/upload", body, { headers });
      expect((await put(again.json as never, bytes)).status).toBe(200);
      for (const _ of [1, 2]) expect((await speaker.say("/storage/upload/confirm", confirming)).status).toBe(200);
      expect(brief(await new Speaker(live()).say("/storage/upload/confirm", confirming))).toBe("404 not_found");
    });

    test("lists, looks, gives and deletes in its shapes", async () => {
      const speaker = new Speaker(live());
      expect((await speaker.say("/storage/ls")).json).toMatchObject({
        list_mode: true,
        objects: [],
        bucket: expect.stringMatching(/^mnemospark-/),
      });
      const price = await speaker.stored("kept");
      expect((await speaker.say("/storage/ls")).json).toMatchObject({
        success: true,
        objects: [{ key: "kept", size_bytes: expect.any(Number), last_modified: expect.any(String) }],
        is_truncated: false,
        next_continuation_token: null,
      });
      expect((await speaker.say("/storage/ls", { object_key: "kept" })).json).toMatchObject({
        success: true,
        key: "kept",
      });
      for (const bad of [
        { max_keys: 0 },
        { max_keys: 1001 },
        { max_keys: "x" },
        { continuation_token: "no" },
        { object_key: "a/b" },
      ])
        expect(brief(await speaker.say("/storage/ls", bad))).toBe("400 Bad request");
      for (const expires_in_seconds of [0, 3601])
        expect(brief(await speaker.say("/storage/download", { object_key: "kept", expires_in_seconds }))).toBe(
          "400 Bad request",
        );
      expect((await speaker.say("/storage/download", { object_key: "kept" })).json).toMatchObject({
        object_key: "kept",
        expires_in_seconds: 300,
      });
      for (const path of ["/storage/download", "/storage/delete"])
        expect(brief(await speaker.say(path, { object_key: "unknown" }))).toBe("404 object_not_found");
      expect(brief(await speaker.say("/storage/download", { object_key: "kept" }, { method: "PUT" }))).toBe(
        "405 method_not_allowed",
      );
      expect((await speaker.say("/storage/delete", { object_key: "kept" })).json).toMatchObject({
        success: true,
        key: "kept",
        bucket_deleted: expect.any(Boolean),
      });
      expect(brief(await speaker.say("/storage/delete", { object_key: "kept" }))).toBe("404 object_not_found");
      const { bytes } = contentOf("the bytes of kept, in an envelope");
      expect((await speaker.upload(price, bytes)).status).toBe(410);
      expect((await speaker.say("/storage/ls")).json["objects"]).toEqual([]);
    });
  });
}
