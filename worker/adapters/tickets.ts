/** Tickets: HMAC-SHA256 over the order id under a key of this deployment. Stateless, so a ticket costs no write. */
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, hexToBytes, utf8ToBytes } from "#contract/bytes";
import type { Tickets } from "../flow/ports.ts";

export function openTickets(keyHex: string): Tickets {
  const key = hexToBytes(keyHex);
  const macOf = (orderId: string) =>
    bytesToHex(hmac(sha256, key, utf8ToBytes(`mnemospark/ticket/v1|${orderId}`))).slice(0, 40);
  return {
    issue: (orderId) => `${orderId}.${macOf(orderId)}`,
    orderOf(ticket) {
      const [orderId = "", mac = "", ...rest] = ticket.split(".");
      return rest.length === 0 && equal(mac, macOf(orderId)) ? orderId : undefined;
    },
  };
}

/** Time depends on the length alone. */
function equal(a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i);
  return difference === 0;
}
