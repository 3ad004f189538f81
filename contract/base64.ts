/**
 * Standard base64 of bytes and of UTF-8 JSON, strict on the way in.
 *
 * The x402 headers and the wallet proof are standard base64 with padding (x402 v2 HTTP transport: `^[A-Za-z0-9+/]*={0,2}$`);
 * base64url is refused, because two spellings of one header would be two payments to anything that compares bytes.
 */
import { bytesToUtf8, utf8ToBytes } from "./bytes.ts";

// The ground floor is compiled without DOM or Node types; these two are everywhere we run (workerd, Node, browsers).
declare function atob(text: string): string;
declare function btoa(text: string): string;

const STANDARD = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

export function bytesToBase64(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** Undefined when the text is not canonical standard base64. */
export function base64ToBytes(text: string): Uint8Array | undefined {
  if (!STANDARD.test(text)) return undefined;
  const binary = atob(text);
  // Bits that no byte uses may be anything to `atob`; here they are zero, as every encoder writes them (RFC 4648 section 3.5).
  if (btoa(binary) !== text) return undefined;
  return Uint8Array.from(binary, (char) => char.charCodeAt(0));
}

export function jsonToBase64(value: unknown): string {
  return bytesToBase64(utf8ToBytes(JSON.stringify(value)));
}

/** Undefined when the text is not base64, not UTF-8 or not JSON. */
export function base64ToJson(text: string): unknown {
  const bytes = base64ToBytes(text);
  const json = bytes && bytesToUtf8(bytes);
  if (json === undefined) return undefined;
  try {
    return JSON.parse(json) as unknown;
  } catch {
    return undefined;
  }
}
