/** What machines ask before they are customers: `GET /openapi.json` and `GET /.well-known/x402`. Open to all, written nowhere. */
import { GUIDANCE, UPLOAD_BAZAAR, UPLOAD_EXAMPLE } from "#contract/bazaar";
import { openapiDocument } from "#contract/openapi";
import { type Requirements, requirementsOf } from "#contract/x402";
import { answer, type Call, type Outcome } from "./call.ts";
import { askOf } from "./pay.ts";
import type { Ports } from "./ports.ts";
import { priceNow } from "./price.ts";

/** The same for everybody, and cheap to be a few minutes old. */
const SHARED = { "cache-control": "public, max-age=300" };

export async function openapi(ports: Ports, call: Call): Promise<Outcome> {
  return answer(openapiDocument(ports.publicUrl, await exampleOffer(ports, call)), SHARED);
}

/** x402scan's discovery document: `version` and the URLs that answer 402 to an empty probe; beside them what a buyer wants to pin. */
export async function wellKnown(ports: Ports, call: Call): Promise<Outcome> {
  const document = {
    version: 1,
    x402Version: 2,
    resources: [`${ports.publicUrl}/storage/upload`],
    ownershipProofs: [],
    instructions: GUIDANCE,
    accepts: [await exampleOffer(ports, call)],
    extensions: { bazaar: UPLOAD_BAZAAR },
    openapi: `${ports.publicUrl}/openapi.json`,
    ...(ports.receipts === undefined ? {} : { receiptSigner: ports.receipts.signer }),
  };
  return answer(document, SHARED);
}

/** The declared example's price; the amount is left at zero while no card may be quoted from. */
async function exampleOffer(ports: Ports, call: Call): Promise<Requirements> {
  const priced = await priceNow(ports, ports.policy.defaultRegion, UPLOAD_EXAMPLE.content_length_bytes);
  return requirementsOf(askOf(ports, call, priced.ok ? priced.price.total : 0n, "an example"));
}
