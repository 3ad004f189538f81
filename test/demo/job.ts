/**
 * The main job, once: an empty wallet gets USDC and nothing else, buys storage for a folder, and gets the folder back.
 * Each step is the product's own code talking to the product's own door; nothing here knows a shortcut.
 */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createPublicClient, erc20Abi, http } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import type { PriceReply } from "#contract/api";
import { formatMicroUsdc } from "#contract/money";
import { compareTrees } from "../../client-plugin/archive/compare.ts";
import type { Step } from "../../client-plugin/operations/runner.ts";
import { openClient } from "./client.ts";
import type { Place } from "./place.ts";
import type { Restoration } from "./restore.ts";

/** A dollar: more than any demo costs, and what stock x402 clients are willing to pay at once. */
const FUNDS_MICRO_USDC = 1_000_000n;
const FIRST_STORE_MAX_S = 300;

export interface Receipt {
  readonly path: string;
  readonly files: number;
  readonly plainBytes: number;
  readonly sealedBytes: number;
  readonly wallet: string;
  readonly price: PriceReply;
  readonly fundedMicroUsdc: string;
  readonly leftMicroUsdc: string;
  readonly etherWei: string;
  readonly payment: {
    txHash: string;
    block: string;
    gasUsed: string;
    gasPaidByWei: string;
    gasPaidBy: string;
    network: string;
  };
  readonly stored: { bucket: string; key: string; region: string; host: string; paidThrough: string; sha256: string };
  readonly listed: { key: string; sizeBytes: number; deleteAfter: string };
  readonly seconds: Readonly<Record<string, number>>;
  readonly secondsToFirstStore: number;
  readonly identical: boolean;
  readonly compared: { files: number; bytes: number };
  readonly deleted: boolean;
  readonly warnings: readonly string[];
}

export interface JobOptions {
  readonly place: Place;
  readonly path: string;
  readonly onStep: (title: string, done: number, total: number) => void;
}

export async function runJob({ place, path, onStep }: JobOptions): Promise<Receipt> {
  const home = await mkdtemp(join(tmpdir(), "mnemospark-demo-"));
  try {
    return await inHome(home, place, path, onStep);
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

async function inHome(home: string, place: Place, path: string, onStep: JobOptions["onStep"]): Promise<Receipt> {
  const seconds: Record<string, number> = {};
  const clock = stopwatch(seconds);
  const key = generatePrivateKey();
  const keyFile = join(home, "wallet.key");
  await writeFile(keyFile, `${key}\n`, { mode: 0o600, flag: "wx" });
  const account = privateKeyToAccount(key);
  const chain = createPublicClient({ transport: http(place.chainUrl) });

  onStep("fund an empty wallet with $1", 0, 0);
  clock.begin("fund");
  const fundedAtMs = Date.now();
  await place.fund(account.address, FUNDS_MICRO_USDC);
  const opened = { edgeUrl: place.edgeUrl, chainUrl: place.chainUrl, home, payTo: place.payTo };
  const core = await openClient({ ...opened, key });
  const client = await core.session();
  const objectKey = `demo-${basename(path)}-${account.address.slice(2, 8).toLowerCase()}`;
  const { price } = await core.quote({ path, objectKey });
  const stored = await core.store({
    path,
    objectKey,
    quoteId: price.quote_id,
    onStep: (step, done, total) => {
      if (done === 0) clock.begin(step);
      onStep(TITLES[step], done, total);
    },
  });
  if (!stored.order || !stored.stored) throw new Error("invariant: what is stored was bought");
  const secondsToFirstStore = (Date.now() - fundedAtMs) / 1000;
  if (secondsToFirstStore >= FIRST_STORE_MAX_S)
    throw new Error(
      `The first object took ${secondsToFirstStore.toFixed(0)} s; promised are less than ${FIRST_STORE_MAX_S}.`,
    );

  clock.begin("list");
  onStep("list", 0, 0);
  const listed = (await client.api.list()).objects.find((object) => object.key === objectKey);
  if (!listed) throw new Error(`The list does not show ${objectKey}.`);
  if (listed.size_bytes !== stored.sealed.sealedBytes)
    throw new Error(`S3 lists ${listed.size_bytes} bytes; ${stored.sealed.sealedBytes} were sent.`);

  clock.begin("restore");
  onStep("download and open, in a new process", 0, 0);
  const restored = await restoreElsewhere({
    ...opened,
    keyFile,
    objectKey,
    destination: join(home, "restored"),
  });

  clock.begin("compare");
  onStep("compare every file", 0, 0);
  const compared = await compareTrees(path, restored.path);

  clock.begin("delete");
  onStep("delete", 0, 0);
  await core.remove({ objectKey });
  const left = (await client.api.list()).objects.some((object) => object.key === objectKey);
  clock.end();

  const hash = stored.order.transId as `0x${string}`;
  const receipt = await chain.getTransactionReceipt({ hash });
  const usdc = (await client.api.health()).asset as `0x${string}`;
  const balance = await chain.readContract({
    address: usdc,
    abi: erc20Abi,
    functionName: "balanceOf",
    args: [account.address],
  });
  return {
    path,
    files: stored.sealed.files,
    plainBytes: stored.sealed.contentBytes,
    sealedBytes: stored.sealed.sealedBytes,
    wallet: account.address,
    price,
    fundedMicroUsdc: formatMicroUsdc(FUNDS_MICRO_USDC),
    leftMicroUsdc: formatMicroUsdc(balance),
    etherWei: (await chain.getBalance({ address: account.address })).toString(),
    payment: {
      txHash: hash,
      block: receipt.blockNumber.toString(),
      gasUsed: receipt.gasUsed.toString(),
      gasPaidByWei: (receipt.gasUsed * receipt.effectiveGasPrice).toString(),
      gasPaidBy: receipt.from,
      network: (await client.api.health()).network,
    },
    stored: {
      bucket: stored.stored.bucket,
      key: stored.stored.s3Key,
      region: stored.stored.region,
      host: stored.stored.host,
      paidThrough: stored.stored.paidThrough,
      sha256: stored.sealed.sha256,
    },
    listed: { key: listed.key, sizeBytes: listed.size_bytes, deleteAfter: listed.delete_after },
    seconds,
    secondsToFirstStore,
    identical: compared.identical,
    compared: { files: compared.files, bytes: compared.bytes },
    deleted: !left,
    warnings: stored.sealed.warnings,
  };
}

const TITLES: Readonly<Record<Step, string>> = {
  seal: "seal (age, key stays here)",
  price: "ask the price",
  pay: "pay by x402 and wait for the block",
  upload: "PUT straight to S3",
  confirm: "confirm",
  download: "download",
  open: "open",
  land: "put it in place",
  delete: "delete",
  renew: "renew",
  statement: "pay the statement",
  mandate: "sign renewals",
  rotate: "make a key",
  rewrap: "wrap the objects' keys",
};

/** Another process, with the wallet and the home directory and nothing else in common. */
async function restoreElsewhere(args: Record<string, string>): Promise<Restoration> {
  const program = fileURLToPath(new URL("restore.ts", import.meta.url).href);
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [program, JSON.stringify(args)], {
      maxBuffer: 1 << 20,
    });
    return JSON.parse(stdout) as Restoration;
  } catch (error) {
    const stderr = (error as { stderr?: string }).stderr?.trim();
    throw new Error(stderr || String(error), { cause: error });
  }
}

function stopwatch(seconds: Record<string, number>) {
  let current: { name: string; sinceMs: number } | undefined;
  const end = () => {
    if (current) seconds[current.name] = (seconds[current.name] ?? 0) + (Date.now() - current.sinceMs) / 1000;
    current = undefined;
  };
  return {
    begin(name: string) {
      if (current?.name === name) return;
      end();
      current = { name, sinceMs: Date.now() };
    },
    end,
  };
}
