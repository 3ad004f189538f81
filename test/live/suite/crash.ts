/** A part dies or falls silent at the worst moment. What was written down is enough to go on, and nothing is paid twice. */
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { ConfirmReply, UploadFailedReply, UploadReply } from "#contract/api";
import { base64ToJson } from "#contract/base64";
import { transfersFrom } from "../chain.ts";
import { ask, read, walletOf } from "../door.ts";
import { ledgerOf } from "../ledger.ts";
import { contentOf, offerFor, paying, untilAnswered, uploadBody } from "../shop.ts";
import type { Live } from "../stack.ts";
import { inline, settledQuote } from "./inline.ts";

export function crash(live: () => Live): void {
  describe("the edge killed in the middle of a payment", () => {
    const signedSoFar = ({ stack }: Live) =>
      stack.chain.client.getTransactionCount({ address: stack.relayerAddress, blockTag: "pending" });
    const moments = {
      "when it was claimed": async (wallet: string) => {
        while (ledgerOf(live().stack, wallet).payments === 0) await sleep(5);
      },
      "when it was sent": async (_: string, before: number) => {
        while ((await signedSoFar(live())) === before) await sleep(5);
      },
    };
    for (const [moment, come] of Object.entries(moments))
      test(`${moment}: the same request is answered, and it is paid once`, { timeout: 60_000 }, async () => {
        const { edge, stack } = live();
        const buyer = live().wallet();
        const bare = { path: "/storage/upload", body: uploadBody("crash", contentOf("survives a crash")) };
        const asked = paying(bare, await offerFor(edge, buyer, bare));
        const before = await signedSoFar(live());
        const lost = ask(edge, asked).then(
          () => "answered",
          () => "lost",
        );
        await come(walletOf(buyer), before);
        await live().kill("edge");
        expect(await lost).toBe("lost");
        await live().restart("edge");
        const plan = read(UploadReply, await untilAnswered(edge, asked));
        expect(await transfersFrom(stack, buyer.address)).toMatchObject([{ txHash: plan.trans_id }]);
      });
  });

  describe("an outage", () => {
    const bare = { path: "/storage/upload", body: uploadBody("outage", contentOf("survives an outage")) };

    test("of S3 after the payment: 503 with the receipt, and the same request is served later", async () => {
      const { edge, stack } = live();
      const owner = live().wallet();
      const content = contentOf("in the request");
      const quote = await settledQuote(edge, owner, "inline outage", content.bytes.length);
      const sent = { by: owner, quote, content, key: "inline outage" };
      const buyer = live().wallet();
      const asked = paying(bare, await offerFor(edge, buyer, bare));
      await live().kill("s3");
      const down = await untilAnswered(edge, asked);
      expect(down).toMatchObject({ status: 503, json: { code: "storage_unavailable", retryable: true } });
      expect(base64ToJson(down.headers.get("payment-response") ?? "")).toMatchObject({ success: true });
      expect(down.headers.get("retry-after")).toMatch(/^\d+$/);
      // Bytes that came along are not kept here: the published client reads this answer and sends them again.
      const failed = await inline(edge, sent);
      expect(failed).toMatchObject({ status: 207, json: { upload_failed: true, quote_id: quote } });
      expect(UploadFailedReply.parse(failed.json).trans_id).toMatch(/^0x/);
      await live().restart("s3");
      expect(read(ConfirmReply, await inline(edge, sent)).content_sha256).toBe(content.sha256);
      expect(await transfersFrom(stack, owner.address)).toHaveLength(1);
      const plan = read(UploadReply, await untilAnswered(edge, asked));
      expect(await transfersFrom(stack, buyer.address)).toMatchObject([{ txHash: plan.trans_id }]);
    });
  });
}
