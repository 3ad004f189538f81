/**
 * The call of somebody who only wants to know what this costs: an empty POST, as catalogues and doctors of x402 send it. It is told
 * the price of the declared example (contract/bazaar.ts) and writes nothing.
 */
import { UPLOAD_EXAMPLE } from "#contract/bazaar";
import { PROOF_HEADER } from "#contract/proof";
import { SIWX_HEADER } from "#contract/siwx";
import { X402_HEADERS } from "#contract/x402";
import type { Call, Outcome } from "./call.ts";
import { askOf } from "./pay.ts";
import type { Ports } from "./ports.ts";
import { priceNow } from "./price.ts";
import { required } from "./required.ts";
import { TICKET_HEADER } from "./who.ts";

/** Whoever shows a payment or a name means something by it, and an empty body is then a mistake worth hearing of. */
const MEANT = [X402_HEADERS.payment, X402_HEADERS.paymentV1, PROOF_HEADER, SIWX_HEADER, TICKET_HEADER];

export function isProbe(call: Call): boolean {
  return call.method === "POST" && call.body.length === 0 && MEANT.every((name) => call.header(name) === null);
}

export async function probed(ports: Ports, call: Call): Promise<Outcome> {
  const { content_length_bytes: sizeBytes } = UPLOAD_EXAMPLE;
  const priced = await priceNow(ports, ports.policy.defaultRegion, sizeBytes);
  if (!priced.ok) return priced;
  const ask = askOf(
    ports,
    call,
    priced.price.total,
    `${UPLOAD_EXAMPLE.object_key} (${sizeBytes} bytes, as an example)`,
  );
  return required(ports, call, ask, "payment_required", "Payment authorization header is required");
}
