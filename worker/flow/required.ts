/**
 * The 402 itself: what to pay in PAYMENT-REQUIRED (and its mirror), the v1 facts in the body, and the extensions this very caller
 * can use. Who has shown a wallet proof needs no sign-in and no catalogue entry; intermediaries refuse headers that are too long.
 */
import { jsonToBase64 } from "#contract/base64";
import { UPLOAD_BAZAAR } from "#contract/bazaar";
import { type RefusalCode, refuse } from "#contract/errors";
import { EXTENSIONS, type Extensions, PAYMENT_IDENTIFIER_OFFER } from "#contract/extensions";
import { PROOF_HEADER } from "#contract/proof";
import { SIWX_HEADER } from "#contract/siwx";
import { type Ask, paymentRequired, paymentRequiredV1, X402_HEADERS } from "#contract/x402";
import { offerExtension } from "./artefacts.ts";
import type { Call, RefusedAnswer } from "./call.ts";
import type { Ports } from "./ports.ts";
import { signInExtension } from "./siwx.ts";
import { TICKET_HEADER } from "./who.ts";

/** `reason` is the machine's word for what was wrong with the payment; empty when there was none. */
export async function required(
  ports: Ports,
  call: Call,
  ask: Ask,
  code: RefusalCode,
  detail: string,
  reason = "",
): Promise<RefusedAnswer> {
  const error = reason === "" ? detail : reason;
  const header = jsonToBase64(paymentRequired(ask, error, await extensionsFor(ports, call, ask)));
  return {
    ...refuse(code, detail, reason === "" ? {} : { facts: { reason } }),
    headers: { [X402_HEADERS.required]: header, [X402_HEADERS.requiredMirror]: header },
    body: paymentRequiredV1(ask, error),
  };
}

async function extensionsFor(ports: Ports, call: Call, ask: Ask): Promise<Extensions> {
  const known = [PROOF_HEADER, SIWX_HEADER, TICKET_HEADER].some((name) => call.header(name) !== null);
  return {
    [EXTENSIONS.paymentIdentifier]: PAYMENT_IDENTIFIER_OFFER,
    ...(known ? {} : signInExtension(ports, call)),
    ...(known || call.path !== "/storage/upload" ? {} : { [EXTENSIONS.bazaar]: UPLOAD_BAZAAR }),
    ...(await offerExtension(ports, ask)),
  };
}
