/**
 * MACs under keys of this deployment, one key a purpose: HMAC-SHA256 of the label under TICKET_KEY. A value sealed for one purpose
 * (a sign-in challenge, a session) can therefore never pass for another, nor for a ticket. Stateless, so sealing costs no write.
 */
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, hexToBytes, utf8ToBytes } from "#contract/bytes";
import type { SealPurpose, Seals } from "../flow/ports.ts";

const LABELS: Record<SealPurpose, string> = {
  siwx: "mnemospark/sign-in-with-x/v1",
  session: "mnemospark/session/v1",
  browser: "mnemospark/browser/v1",
};

export function openSeals(keyHex: string): Seals {
  const root = hexToBytes(keyHex);
  const keys = {
    siwx: hmac(sha256, root, utf8ToBytes(LABELS.siwx)),
    session: hmac(sha256, root, utf8ToBytes(LABELS.session)),
    browser: hmac(sha256, root, utf8ToBytes(LABELS.browser)),
  };
  const macOf = (purpose: SealPurpose, text: string) => bytesToHex(hmac(sha256, keys[purpose], utf8ToBytes(text)));
  return {
    seal: (purpose, text, digits) => macOf(purpose, text).slice(0, digits),
    holds: (purpose, text, mac) => equal(mac, macOf(purpose, text).slice(0, mac.length)),
  };
}

/** Time depends on the length alone. An empty seal holds nothing. */
function equal(a: string, b: string): boolean {
  if (a.length !== b.length || a.length === 0) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i);
  return difference === 0;
}
