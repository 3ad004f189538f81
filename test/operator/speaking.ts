/** How an operator's programs speak to the service: requests signed by one key, which needs no funds and signs nothing else. */
import { readFileSync } from "node:fs";
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import type * as z from "zod";
import { HealthReply } from "#contract/api";
import { sha256Hex, utf8ToBytes } from "#contract/bytes";
import { encodeProof, proofTypedData } from "#contract/proof";
import { parseWallet } from "#contract/wallet";

export interface Speaker {
  readonly edge: string;
  readonly account: PrivateKeyAccount;
  readonly chainId: number;
}

export async function speaker(edge: string, account: PrivateKeyAccount): Promise<Speaker> {
  return { edge, account, chainId: (await healthOf(edge)).chain_id };
}

export async function healthOf(edge: string): Promise<HealthReply> {
  const said = await fetch(new URL("/healthz", edge));
  if (!said.ok) throw new Error(`${edge} answered ${said.status}: ${(await said.text()).slice(0, 300)}`);
  return HealthReply.parse(await said.json());
}

/** A reply read by its contract; a refusal is told in the service's own words. */
export async function said<T extends z.ZodType>(
  schema: T,
  { edge, account, chainId }: Speaker,
  method: "GET" | "POST",
  path: string,
): Promise<z.output<T>> {
  const url = new URL(path, edge);
  const body = method === "POST" ? "{}" : "";
  const response = await fetch(url, {
    method,
    headers: {
      "x-wallet-signature": await proofOf(account, chainId, method, url, body),
      ...(body === "" ? {} : { "content-type": "application/json" }),
    },
    ...(body === "" ? {} : { body }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`the service answered ${response.status}: ${text.slice(0, 300)}`);
  return schema.parse(JSON.parse(text));
}

async function proofOf(account: PrivateKeyAccount, chainId: number, method: string, url: URL, body: string) {
  const wallet = parseWallet(account.address);
  if (!wallet) throw new Error(`${account.address} is not an address`);
  const unsigned = {
    version: "2" as const,
    wallet,
    nonce: generatePrivateKey(),
    timestampS: Math.floor(Date.now() / 1000),
    claimed: {
      method,
      path: url.pathname,
      host: url.host,
      query: url.search.slice(1),
      bodyHash: `0x${sha256Hex(utf8ToBytes(body))}` as const,
    },
  };
  return encodeProof({ ...unsigned, signature: await account.signTypedData(proofTypedData(unsigned, chainId)) });
}

/** The key in a file, as 64 hex digits with or without 0x. */
export function accountFrom(keyFile: string): PrivateKeyAccount {
  const key = readFileSync(keyFile, "utf8").trim();
  if (!/^(?:0x)?[0-9a-fA-F]{64}$/.test(key)) throw new Error(`${keyFile} does not hold a key of 64 hex digits`);
  return privateKeyToAccount((key.startsWith("0x") ? key : `0x${key}`) as `0x${string}`);
}

/** Runs a program to its exit code; what goes wrong is one sentence, not a stack. */
export async function runProgram(main: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await main();
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = 2;
  }
}
