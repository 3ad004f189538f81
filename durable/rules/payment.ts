/**
 * Does this authorization pay that ask? Everything that can be known without asking anyone: scheme, network, asset, payee,
 * amount, window. The signature is checked by the edge before and the funds by the relayer after; here only facts are compared.
 * Reasons are the x402 reference's own words (`@x402/evm` exact/eip3009 and x402 v2 section 9), because clients log them.
 */
import { PAYMENT_MARGIN_S, PAYMENT_SKEW_S, PAYMENT_VALIDITY_MAX_S } from "#contract/limits";
import { formatMicroUsdc } from "#contract/money";
import type { Ask, Payment } from "#contract/x402";

export interface PaymentFault {
  /** For `errorReason` and machines. */
  readonly reason: string;
  /** What came and what was wanted. */
  readonly detail: string;
}

/** The first fault found, cheapest first; undefined when the authorization pays the ask. */
export function paymentFault(payment: Payment, ask: Ask, nowS: bigint): PaymentFault | undefined {
  return offerFault(payment, ask) ?? transferFault(payment, ask) ?? windowFault(payment, nowS);
}

function offerFault(payment: Payment, ask: Ask): PaymentFault | undefined {
  const { network } = ask;
  if (payment.scheme !== "exact")
    return fault("unsupported_scheme", `scheme is ${quote(payment.scheme)}; wanted "exact"`);
  if (payment.network !== network.caip2 && payment.network !== network.v1)
    return fault(
      "invalid_network",
      `Payment network does not match configured Base network: got ${quote(payment.network)}, wanted ${network.caip2}`,
    );
  const { accepted } = payment;
  if (accepted && accepted.asset.toLowerCase() !== network.usdc.toLowerCase())
    return fault(
      "invalid_payment_requirements",
      `Payment asset does not match configured asset: got ${quote(accepted.asset)}, wanted ${network.usdc}`,
    );
  if (accepted && accepted.payTo.toLowerCase() !== ask.payTo)
    return fault(
      "invalid_payment_requirements",
      `Payment recipient does not match configured recipient wallet: got ${quote(accepted.payTo)}, wanted ${ask.payTo}`,
    );
  if (accepted && accepted.amount !== formatMicroUsdc(ask.amount))
    return fault(
      "invalid_payment_requirements",
      `accepted.amount is ${quote(accepted.amount)}; the price is ${ask.amount}`,
    );
  if (payment.resourceUrl !== undefined && pathOf(payment.resourceUrl) !== pathOf(ask.resourceUrl))
    return fault("resource_mismatch", `the payment names ${quote(payment.resourceUrl)}; this is ${ask.resourceUrl}`);
  return undefined;
}

function transferFault({ authorization }: Payment, ask: Ask): PaymentFault | undefined {
  if (authorization.to !== ask.payTo)
    return fault(
      "invalid_exact_evm_recipient_mismatch",
      `Payment recipient does not match configured recipient wallet: got ${authorization.to}, wanted ${ask.payTo}`,
    );
  // Exactly equal: less does not pay, and more would have to be given back.
  if (authorization.value !== ask.amount)
    return fault(
      "invalid_exact_evm_payload_authorization_value_mismatch",
      `authorization.value is ${authorization.value}; the price is exactly ${ask.amount} micro-USDC`,
    );
  return undefined;
}

function windowFault({ authorization }: Payment, nowS: bigint): PaymentFault | undefined {
  const { validAfterS, validBeforeS } = authorization;
  // EIP-3009 wants now > validAfter strictly, in block time, which may trail our clock by a block.
  if (validAfterS >= nowS)
    return fault(
      "invalid_exact_evm_payload_authorization_valid_after",
      `Payment authorization is not yet valid: validAfter ${validAfterS}, now ${nowS}`,
    );
  if (validBeforeS < nowS + BigInt(PAYMENT_MARGIN_S))
    return fault(
      "invalid_exact_evm_payload_authorization_valid_before",
      `Payment authorization has expired or is about to: validBefore ${validBeforeS}, now ${nowS}, wanted ${PAYMENT_MARGIN_S} s more`,
    );
  const latest = nowS + BigInt(PAYMENT_VALIDITY_MAX_S + PAYMENT_SKEW_S);
  if (validBeforeS > latest)
    return fault(
      "invalid_exact_evm_payload_authorization_valid_before",
      `validBefore ${validBeforeS} is too far ahead; at most ${latest}`,
    );
  return undefined;
}

function fault(reason: string, detail: string): PaymentFault {
  return { reason, detail };
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}

/** Hosts may be rewritten by proxies; what a payment is for is the path we advertised. */
function pathOf(url: string): string {
  return url.replace(/^[a-z]+:\/\/[^/]*/i, "").replace(/[?#].*$/, "") || "/";
}
