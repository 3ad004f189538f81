/** Bytes in the request: stored and confirmed at once, never more than was paid for, and not even read from who has paid nothing. */
import { randomBytes } from "node:crypto";
import type { PrivateKeyAccount } from "viem/accounts";
import { describe, expect, test } from "vitest";
import { ConfirmReply } from "#contract/api";
import { INLINE_BYTES_MAX } from "#contract/limits";
import { DownloadReply } from "#contract/objects";
import { SettleReply } from "#contract/settling";
import { transfersFrom } from "../chain.ts";
import { type Ask, ask, read, type Said } from "../door.ts";
import { type Content, contentOf, offerFor, paying, priceOf, sha256Of, untilAnswered } from "../shop.ts";
import type { Live } from "../stack.ts";

const WRAPPED = Buffer.from("a wrapped key").toString("base64");

export function randomContent(sizeBytes: number): Content {
  const bytes = randomBytes(sizeBytes);
  return { bytes, sha256: sha256Of(bytes) };
}

/** A quote that is paid; its id. */
export async function settledQuote(edge: string, owner: PrivateKeyAccount, name: string, sizeBytes: number) {
  const { quote_id } = await priceOf(edge, owner, name, sizeBytes);
  const settle: Ask = { path: "/payment/settle", by: owner, body: { wallet_address: owner.address, quote_id } };
  read(SettleReply, await untilAnswered(edge, paying(settle, await offerFor(edge, owner, settle))));
  return quote_id;
}

export interface Inline {
  readonly by: PrivateKeyAccount;
  readonly quote: string;
  readonly content: Content;
  readonly key?: string;
  /** Put over an honest body. */
  readonly lie?: object;
}

export function inline(edge: string, { by, quote, content, key, lie = {} }: Inline): Promise<Said> {
  const body = {
    wallet_address: by.address,
    quote_id: quote,
    mode: "inline",
    ciphertext: content.bytes.toString("base64"),
    content_sha256: content.sha256,
    content_length_bytes: content.bytes.length,
    wrapped_dek: WRAPPED,
    ...lie,
  };
  const headers = key === undefined ? {} : { "Idempotency-Key": key };
  return ask(edge, { path: "/storage/upload", by, headers, body });
}

export function inlineUploads(live: () => Live): void {
  describe.concurrent("bytes in the request", { timeout: 90_000 }, () => {
    test("of the largest size are stored at once, and the same request again stores nothing more", async () => {
      const { edge, stack } = live();
      const by = live().wallet();
      const content = randomContent(INLINE_BYTES_MAX);
      const quote = await settledQuote(edge, by, "inline", content.bytes.length);
      const sent: Inline = { by, quote, content, key: "inline-1" };
      const first = read(ConfirmReply, await inline(edge, sent));
      expect(first).toMatchObject({
        state: "stored",
        quote_id: quote,
        size_bytes: content.bytes.length,
        content_sha256: content.sha256,
        confirmation_required: false,
      });
      const again = read(ConfirmReply, await inline(edge, sent));
      expect(again.s3_key).toBe(first.s3_key);

      const download = read(
        DownloadReply,
        await ask(edge, { path: "/storage/download", by, body: { wallet_address: by.address, object_key: "inline" } }),
      );
      const back = await fetch(download.download_url);
      expect(back.headers.get("x-amz-meta-wrapped-dek")).toBe(WRAPPED);
      expect(sha256Of(Buffer.from(await back.arrayBuffer()))).toBe(content.sha256);
      expect(await transfersFrom(stack, by.address)).toMatchObject([{ txHash: first.trans_id }]);
    });

    test("that are not the announced ones, or not what was paid for, are refused and nothing is stored", async () => {
      const { edge } = live();
      const by = live().wallet();
      const content = contentOf("exactly these");
      const quote = await settledQuote(edge, by, "bounded", content.bytes.length);
      const refused = async (lie: object, more: Partial<Inline> = {}) => {
        const { status, json } = await inline(edge, { by, quote, content, lie, ...more });
        return `${status} ${json["code"]}`;
      };
      expect(await refused({ content_sha256: "00".repeat(32) })).toBe("400 malformed");
      expect(await refused({ content_length_bytes: 3 })).toBe("400 malformed");
      expect(await refused({ ciphertext: "not base64!" })).toBe("400 malformed");
      expect(await refused({ ciphertext: undefined })).toBe("400 malformed");
      expect(await refused({ mode: "presigned" }, { key: "k" })).toBe("400 malformed");
      expect(await refused({}, { content: contentOf("exactly these, and one more") })).toBe("400 size_out_of_range");
      const listing = { path: "/storage/ls", by, body: { wallet_address: by.address } };
      expect((await ask(edge, listing)).json["objects"]).toMatchObject([{ key: "bounded", awaiting: "upload" }]);
      expect(read(ConfirmReply, await inline(edge, { by, quote, content })).state).toBe("stored");
    });

    test("in a small body may be bought with them, in two calls and without a quote", async () => {
      const { edge, stack } = live();
      const by = live().wallet();
      const content = contentOf("a note");
      const bare = {
        path: "/storage/upload",
        body: { object_key: "note", ciphertext: content.bytes.toString("base64"), region: "us-east-1" },
      };
      const paid = await untilAnswered(edge, paying(bare, await offerFor(edge, by, bare)));
      expect(read(ConfirmReply, paid)).toMatchObject({ state: "stored", content_sha256: content.sha256 });
      expect(await transfersFrom(stack, by.address)).toHaveLength(1);
    });

    test("are read only from who has paid for room, and no more of them than that", async () => {
      const { edge } = live();
      const [by, pauper] = [live().wallet(), live().wallet()];
      const large = randomContent(200_000);
      const quote = await settledQuote(edge, by, "room", 80_000);
      const refused = async (said: Promise<Said>) => {
        const { status, json } = await said;
        return `${status} ${json["code"]}`;
      };
      expect(await refused(inline(edge, { by, quote, content: large }))).toBe("413 body_too_large");
      expect(await refused(inline(edge, { by: pauper, quote, content: large }))).toBe("409 not_paid");
      const unproven = { path: "/storage/upload", body: { quote_id: quote, ciphertext: "A".repeat(100_000) } };
      expect(await refused(ask(edge, unproven))).toBe("413 body_too_large");
      expect(await refused(ask(edge, { ...unproven, by, lie: { ageS: 400 } }))).toBe("401 proof_invalid");
      const elsewhere = { path: "/storage/ls", by, body: { wallet_address: by.address, prefix: "A".repeat(100_000) } };
      expect(await refused(ask(edge, elsewhere))).toBe("413 body_too_large");
      // A proof of version 2 names the body's hash: it is believed until the body is here, and not after.
      const body = { quote_id: quote, ciphertext: large.bytes.subarray(0, 70_000).toString("base64") };
      const lied = { path: "/storage/upload", by, body, lie: { bodyHash: `0x${"11".repeat(32)}` } };
      expect(await refused(ask(edge, lied))).toBe("401 proof_invalid");
    });

    test("wait their turn when many come at once, and all are stored", async () => {
      const { edge } = live();
      const by = live().wallet();
      const uploads = Array.from({ length: 5 }, (_, n) => ({ name: `many-${n}`, content: randomContent(400_000) }));
      const stored = await Promise.all(
        uploads.map(async ({ name, content }) => {
          const quote = await settledQuote(edge, by, name, content.bytes.length);
          return read(ConfirmReply, await inline(edge, { by, quote, content }));
        }),
      );
      expect(stored.map(({ content_sha256 }) => content_sha256)).toEqual(uploads.map(({ content }) => content.sha256));
    });
  });
}
