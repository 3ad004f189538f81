/** The public door, as somebody speaks to it who writes every header by hand. */
import { generatePrivateKey, type PrivateKeyAccount } from "viem/accounts";
import type * as z from "zod";
import { jsonToBase64 } from "#contract/base64";
import { sha256Hex, utf8ToBytes } from "#contract/bytes";
import { encodeProof, proofTypedData, type WalletProof } from "#contract/proof";
import { parseWallet, type Wallet } from "#contract/wallet";

/** What a proof claims, where it is not the truth. */
export type ProofLie = Partial<{
  version: "1" | "2";
  method: string;
  path: string;
  host: string;
  query: string;
  bodyHash: string;
  nonce: `0x${string}`;
  ageS: number;
  chainId: number;
  /** Whose wallet the proof names; the signature stays the signer's. */
  wallet: Wallet;
}>;

export interface Ask {
  readonly method?: string;
  /** With its query, if it has one. */
  readonly path: string;
  /** An object goes out as JSON, text as it is. */
  readonly body?: object | string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Signs a proof of version 2 over exactly this request. */
  readonly by?: PrivateKeyAccount;
  readonly lie?: ProofLie;
}

export interface Said {
  readonly status: number;
  readonly headers: Headers;
  readonly json: Record<string, unknown>;
}

export async function ask(edge: string, asked: Ask): Promise<Said> {
  const { url, init } = await requestOf(edge, asked);
  const response = await fetch(url, init);
  const text = await response.text();
  return { status: response.status, headers: response.headers, json: objectOf(text) };
}

/** The request itself, for those who send it in their own way. */
export async function requestOf(edge: string, asked: Ask): Promise<{ url: URL; init: RequestInit }> {
  const url = new URL(asked.path, edge);
  const method = asked.method ?? "POST";
  const text = typeof asked.body === "object" ? JSON.stringify(asked.body) : (asked.body ?? "");
  const headers = {
    ...(text === "" ? {} : { "content-type": "application/json" }),
    ...(asked.by ? { "x-wallet-signature": await prove(asked.by, method, url, text, asked.lie) } : {}),
    ...asked.headers,
  };
  return { url, init: { method, headers, redirect: "manual", ...(text === "" ? {} : { body: text }) } };
}

export async function prove(
  account: PrivateKeyAccount,
  method: string,
  url: URL,
  text: string,
  lie: ProofLie = {},
): Promise<string> {
  const version = lie.version ?? "2";
  const signed = {
    host: lie.host ?? url.host,
    query: lie.query ?? url.search.slice(1),
    bodyHash: lie.bodyHash ?? `0x${sha256Hex(utf8ToBytes(text))}`,
  };
  const unsigned: Omit<WalletProof, "signature"> = {
    version,
    wallet: lie.wallet ?? walletOf(account),
    nonce: lie.nonce ?? generatePrivateKey(),
    timestampS: Math.floor(Date.now() / 1000) - (lie.ageS ?? 0),
    claimed: {
      method: lie.method ?? method,
      path: lie.path ?? url.pathname,
      ...(version === "2" ? signed : {}),
    },
  };
  const signature = await account.signTypedData(proofTypedData(unsigned, lie.chainId ?? 84_532));
  return encodeProof({ ...unsigned, signature });
}

export function walletOf(account: PrivateKeyAccount): Wallet {
  const wallet = parseWallet(account.address);
  if (!wallet) throw new Error(`${account.address} is not an address`);
  return wallet;
}

/** A reply read by its contract; what differs fails the test with the field's name. */
export function read<T extends z.ZodType>(schema: T, said: Said): z.output<T> {
  if (said.status !== 200) throw new Error(`answered ${said.status}: ${JSON.stringify(said.json)}`);
  return schema.parse(said.json);
}

function objectOf(text: string): Record<string, unknown> {
  try {
    const json: unknown = JSON.parse(text);
    return typeof json === "object" && json !== null ? { ...json } : { json };
  } catch {
    return { text };
  }
}

export const garbage = jsonToBase64("not a payment");
