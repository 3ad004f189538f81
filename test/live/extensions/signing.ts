/** A wallet that signs in by EIP-4361 with viem's own words, so that our text is judged by somebody else's. */
import { getAddress } from "viem";
import type { PrivateKeyAccount } from "viem/accounts";
import { createSiweMessage } from "viem/siwe";
import { ChallengeReply, SessionReply } from "#contract/api";
import { jsonToBase64 } from "#contract/base64";
import type { SiwxInfo } from "#contract/siwx";
import { type Ask, ask, read, type Said } from "../door.ts";

export async function challengeOf(edge: string, method: string, path: string): Promise<SiwxInfo> {
  const query = new URLSearchParams({ method, path });
  const said = await ask(edge, { method: "GET", path: `/auth/challenge?${query}` });
  return read(ChallengeReply, said).extensions["sign-in-with-x"].info;
}

/** SIGN-IN-WITH-X over a challenge; what `lie` changes is signed as well. */
export async function signInHeader(
  account: PrivateKeyAccount,
  info: SiwxInfo,
  lie: Partial<SiwxInfo> = {},
): Promise<string> {
  const said = { ...info, ...lie };
  const message = createSiweMessage({
    ...said,
    address: getAddress(account.address),
    chainId: 84_532,
    issuedAt: new Date(said.issuedAt),
    expirationTime: new Date(said.expirationTime),
  });
  const signature = await account.signMessage({ message });
  return jsonToBase64({ ...said, address: account.address, chainId: "eip155:84532", type: "eip191", signature });
}

/** One call under a fresh sign-in for exactly this method and path. */
export async function signedIn(edge: string, account: PrivateKeyAccount, asked: Ask): Promise<Ask> {
  const path = new URL(asked.path, edge).pathname;
  const header = await signInHeader(account, await challengeOf(edge, asked.method ?? "POST", path));
  return { ...asked, headers: { ...asked.headers, "sign-in-with-x": header } };
}

export async function openSession(edge: string, account: PrivateKeyAccount): Promise<SessionReply> {
  return read(SessionReply, await ask(edge, await signedIn(edge, account, { path: "/auth/session" })));
}

export function bearing(asked: Ask, token: string): Ask {
  return { ...asked, headers: { ...asked.headers, authorization: `Bearer ${token}` } };
}

export function reasonOf({ status, json }: Said): string {
  return `${status} ${String(json["code"] ?? "")} ${String(json["reason"] ?? "")}`.trim();
}
