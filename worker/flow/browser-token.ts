/**
 * What opens the browser view: a code (in a link) and a session (in a cookie), each `<kind>_<40 hex of the wallet>_<64 hex of chance>_<MAC>`.
 * They carry their wallet, so they reach its object and no other; the MAC keeps strangers from waking objects with invented ones.
 */
import { bytesToHex, sha256Hex } from "#contract/bytes";
import { parseWallet, type Wallet } from "#contract/wallet";
import type { Ports } from "./ports.ts";

type Kind = "mbc" | "mbs";

const MAC_DIGITS = 32;
const TOKEN = /^((mbc|mbs)_([0-9a-f]{40})_[0-9a-f]{64})_([0-9a-f]{32})$/;

export interface BrowserToken {
  readonly token: string;
  readonly wallet: Wallet;
  /** What the wallet's object remembers of it. */
  readonly hash: string;
}

export function newToken(ports: Pick<Ports, "seals">, kind: Kind, wallet: Wallet): BrowserToken {
  const text = `${kind}_${wallet.slice(2)}_${bytesToHex(crypto.getRandomValues(new Uint8Array(32)))}`;
  const token = `${text}_${ports.seals.seal("browser", text, MAC_DIGITS)}`;
  return { token, wallet, hash: sha256Hex(token) };
}

/** Undefined when it is not one of ours; whether it is still open only the wallet's object knows. */
export function readToken(ports: Pick<Ports, "seals">, kind: Kind, token: string): BrowserToken | undefined {
  const [, text = "", spelled, address, mac = ""] = TOKEN.exec(token) ?? [];
  const wallet = parseWallet(`0x${address}`);
  if (!wallet || spelled !== kind || !ports.seals.holds("browser", text, mac)) return undefined;
  return { token, wallet, hash: sha256Hex(token) };
}

/** `__Host-` makes browsers insist on Secure, no Domain and path `/`. Plain HTTP exists only on one's own machine. */
export function cookieName(publicUrl: string): string {
  return publicUrl.startsWith("https:") ? "__Host-mnemospark" : "mnemospark";
}

export function cookieOf(publicUrl: string, header: string | null): string | undefined {
  const name = cookieName(publicUrl);
  for (const pair of (header ?? "").split(";")) {
    const [key, value] = pair.trim().split("=", 2);
    if (key === name) return value;
  }
  return undefined;
}

export function setCookie(publicUrl: string, token: string, maxAgeS: number): string {
  return `${cookieName(publicUrl)}=${token}; Path=/; Max-Age=${maxAgeS}; Secure; HttpOnly; SameSite=Strict`;
}
