/** Clients we did not write and do not configure. */
import { ExactEvmScheme } from "@x402/evm";
import { wrapFetchWithPayment, x402Client } from "@x402/fetch";
import { createWalletClient, http } from "viem";
import type { PrivateKeyAccount } from "viem/accounts";
import { baseSepolia } from "viem/chains";
import { describe, expect, test } from "vitest";
import { wrapFetchWithPayment as wrapFetchWithPaymentV1 } from "x402-fetch";
import { ConfirmReply, UploadReply } from "#contract/api";
import { base64ToJson } from "#contract/base64";
import { DownloadReply } from "#contract/objects";
import { transfersFrom } from "../chain.ts";
import { ask, read } from "../door.ts";
import { confirm, contentOf, put, uploadBody } from "../shop.ts";
import type { Live } from "../stack.ts";

type Paid = (url: string, init: RequestInit) => Promise<Response>;

const clients: { name: string; receipt: string; network: string; open(account: PrivateKeyAccount): Paid }[] = [
  {
    name: "@x402/fetch (v2)",
    receipt: "payment-response",
    network: "eip155:84532",
    open: (account) =>
      wrapFetchWithPayment(fetch, new x402Client().register("eip155:84532", new ExactEvmScheme(account))),
  },
  {
    name: "x402-fetch (v1)",
    receipt: "x-payment-response",
    network: "base-sepolia",
    open: (account) => {
      const wallet = createWalletClient({ account, transport: http(), chain: baseSepolia });
      // Its own types name an older viem; the value is what its README shows.
      return wrapFetchWithPaymentV1(fetch, wallet as unknown as Parameters<typeof wrapFetchWithPaymentV1>[1]);
    },
  },
];

export function stockClients(live: () => Live): void {
  describe.concurrent("an unmodified client", () => {
    for (const { name, receipt, network, open } of clients)
      test(`${name} buys by one call, and the same call again costs nothing`, async () => {
        const { edge, stack } = live();
        const account = live().wallet();
        const content = contentOf(`bytes bought by ${name}`);
        const paid = open(account);
        const call = () =>
          paid(`${edge}/storage/upload`, {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: JSON.stringify(uploadBody("note.age", content)),
          });

        const first = await call();
        expect(first.status).toBe(200);
        const plan = UploadReply.parse(await first.json());
        const [transfer, ...more] = await transfersFrom(stack, account.address);
        expect(more).toEqual([]);
        expect(transfer).toEqual({ to: stack.payTo, amount: BigInt(plan.amount), txHash: plan.trans_id });
        expect(base64ToJson(first.headers.get(receipt) ?? "")).toMatchObject({
          success: true,
          transaction: plan.trans_id,
          network,
          payer: account.address.toLowerCase(),
        });
        expect(first.headers.get("cache-control")).toBe("private, no-store");

        const again = await call();
        expect(again.status).toBe(200);
        const same = UploadReply.parse(await again.json());
        expect(same).toMatchObject({ order_id: plan.order_id, trans_id: plan.trans_id });
        expect(same.plan.s3_key).toBe(plan.plan.s3_key);
        expect(base64ToJson(again.headers.get(receipt) ?? "")).toMatchObject({ transaction: plan.trans_id });
        expect(await transfersFrom(stack, account.address)).toHaveLength(1);

        expect((await put(plan, content.bytes)).status).toBe(200);
        expect(read(ConfirmReply, await confirm(edge, plan))).toMatchObject({
          state: "stored",
          size_bytes: content.bytes.length,
          content_sha256: content.sha256,
        });
        const body = { wallet_address: account.address, object_key: "note.age" };
        const download = read(DownloadReply, await ask(edge, { path: "/storage/download", body, by: account }));
        const back = await fetch(download.download_url);
        expect(Buffer.from(await back.arrayBuffer())).toEqual(content.bytes);
      });
  });
}
