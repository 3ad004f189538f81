/**
 * Seals and opens as many MiB as the argument says and prints by how many MiB the process grew at its peak.
 * A program of its own, run by a test: in the test runner's process the garbage of other tests would be counted too.
 */
import { randomBytes } from "node:crypto";
import { parseWallet } from "#contract/wallet";
import { open } from "../../client-plugin/envelope/open.ts";
import { seal } from "../../client-plugin/envelope/seal.ts";

const mib = Number(process.argv[2]);
const wallet = parseWallet(`0x${"11".repeat(20)}`);
if (wallet === undefined) throw new Error("the wallet is malformed");
const context = { chainId: 8453, wallet, objectId: "memory", version: 1 };
const kek = randomBytes(32);
const piece = randomBytes(1024 * 1024);

async function* source(): AsyncGenerator<Uint8Array, void, undefined> {
  for (let count = 0; count < mib; count++) yield piece;
}

const before = process.memoryUsage.rss();
let peak = before;
const onProgress = (): void => {
  peak = Math.max(peak, process.memoryUsage.rss());
};
let opened = 0;
const sealed = seal({ source: source(), kek, context }).bytes;
for await (const plain of open({ source: sealed, kekFor: () => kek, context, onProgress })) opened += plain.length;
if (opened !== mib * piece.length) throw new Error(`only ${opened} bytes came back`);
console.log(Math.ceil((peak - before) / 1024 ** 2));
