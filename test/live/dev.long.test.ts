/** `npm run dev` twice: what was stored and paid in the first run is there in the second, chain included. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { privateKeyToAccount } from "viem/accounts";
import { expect, test } from "vitest";
import * as z from "zod";
import { ConfirmReply, UploadReply } from "#contract/api";
import { DownloadReply, ListReply } from "#contract/objects";
import { chainClient } from "../stack/chain/client.ts";
import { usdcAbi } from "../stack/chain/usdc.ts";
import { scratchDirectory } from "../stack-tests/scratch.ts";
import { ask, read } from "./door.ts";
import { run } from "./program.ts";
import { buy, confirm, contentOf, put } from "./shop.ts";

const Ready = z.object({
  urls: z.object({ edge: z.string(), chain: z.string() }),
  usdc: z.custom<`0x${string}`>(),
  wallet: z.object({ address: z.custom<`0x${string}`>(), keyFile: z.string() }),
});

async function start(directory: string) {
  const program = run("stack/dev.ts", "--state", join(directory, "state"), "--port-base", "0", "--json");
  await program.says("\n");
  const ready = Ready.parse(JSON.parse(program.output().split("\n")[0] ?? ""));
  const balance = () =>
    chainClient(ready.urls.chain).readContract({
      address: ready.usdc,
      abi: usdcAbi,
      functionName: "balanceOf",
      args: [ready.wallet.address],
    });
  const stop = async () => {
    program.process.kill("SIGINT");
    expect(await program.ended).toBe(0);
  };
  return { edge: ready.urls.edge, ready, balance, stop };
}

test("an object of the first run downloads in the second", { timeout: 180_000 }, async () => {
  const directory = scratchDirectory();
  const content = contentOf("kept over a restart");
  const first = await start(directory);
  const owner = privateKeyToAccount(readFileSync(first.ready.wallet.keyFile, "utf8").trim() as `0x${string}`);
  const plan = read(UploadReply, (await buy(first.edge, owner, "kept", content)).said);
  expect((await put(plan, content.bytes)).status).toBe(200);
  read(ConfirmReply, await confirm(first.edge, plan));
  const left = await first.balance();
  expect(left).toBe(100_000_000n - BigInt(plan.amount));
  await first.stop();

  const second = await start(directory);
  const body = { wallet_address: owner.address };
  const list = read(ListReply, await ask(second.edge, { path: "/storage/ls", body, by: owner }));
  expect(list.objects).toMatchObject([{ key: "kept", trans_id: plan.trans_id }]);
  const named = { ...body, object_key: "kept" };
  const download = read(DownloadReply, await ask(second.edge, { path: "/storage/download", body: named, by: owner }));
  const back = await fetch(download.download_url);
  expect(Buffer.from(await back.arrayBuffer())).toEqual(content.bytes);
  const receipt = await chainClient(second.ready.urls.chain).getTransactionReceipt({
    hash: plan.trans_id as `0x${string}`,
  });
  expect(receipt.status).toBe("success");
  expect(await second.balance()).toBe(left);
  // And it goes on: the relayer's next transaction lands after those of the first run.
  expect(read(UploadReply, (await buy(second.edge, owner, "new", content)).said).trans_id).not.toBe(plan.trans_id);
  await second.stop();
});
