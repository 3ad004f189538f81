/**
 * Every refusal the service can utter: code, status, whether the same request may be sent again, the word the old client shows,
 * and what to do next. A code without a row does not compile; a row nobody utters is found by the linter of unused things.
 * The answer is `application/problem+json` (RFC 9457).
 */
interface Row {
  readonly status: 400 | 401 | 402 | 403 | 404 | 405 | 408 | 409 | 410 | 411 | 413 | 415 | 416 | 429 | 500 | 503;
  /** May the same request be sent again, unchanged, with hope? */
  readonly retryable: boolean;
  /** `error` of the old API. */
  readonly error: string;
  readonly title: string;
  readonly next: string;
}

const fix = "Correct the request and send it again.";
const wait = "Send the same request again after Retry-After seconds.";

export const REFUSALS = {
  malformed: { status: 400, retryable: false, error: "Bad request", title: "The request is malformed", next: fix },
  region_unknown: {
    status: 400,
    retryable: false,
    error: "Bad request",
    title: "Region not sold",
    next: "Use one of the listed regions.",
  },
  size_out_of_range: { status: 400, retryable: false, error: "Bad request", title: "Size not sold", next: fix },
  quote_mismatch: {
    status: 400,
    retryable: false,
    error: "Bad request",
    title: "The request differs from its quote",
    next: fix,
  },
  bytes_mismatch: {
    status: 409,
    retryable: false,
    error: "conflict",
    title: "The stored bytes are not the announced ones",
    next: "Ask for a new plan and PUT again.",
  },
  invalid_payload: {
    status: 400,
    retryable: false,
    error: "Bad request",
    title: "The payment is malformed",
    next: "Build the payment again from the PAYMENT-REQUIRED header.",
  },
  proof_missing: {
    status: 401,
    retryable: false,
    error: "forbidden",
    title: "Wallet proof missing",
    next: "Sign the request and send X-Wallet-Signature.",
  },
  proof_malformed: {
    status: 401,
    retryable: false,
    error: "forbidden",
    title: "Wallet proof not understood",
    next: "Sign the request again.",
  },
  proof_invalid: {
    status: 401,
    retryable: false,
    error: "forbidden",
    title: "Wallet proof refused",
    next: "Sign this very request with the wallet it names.",
  },
  proof_replayed: {
    status: 401,
    retryable: false,
    error: "forbidden",
    title: "Wallet proof was used for another request",
    next: "Sign with a fresh nonce.",
  },
  browser_code_invalid: {
    status: 401,
    retryable: false,
    error: "invalid_or_expired_code",
    title: "The link was used already, or has expired",
    next: "Ask for a new link.",
  },
  browser_session_ended: {
    status: 401,
    retryable: false,
    error: "unauthorized",
    title: "The session has ended",
    next: "Ask for a new link.",
  },
  origin_foreign: {
    status: 403,
    retryable: false,
    error: "forbidden",
    title: "Another site's request",
    next: "Use the page itself.",
  },
  outside_session: {
    status: 403,
    retryable: false,
    error: "forbidden",
    title: "Outside of what the session was opened for",
    next: "Ask for a link to this object.",
  },
  wallet_mismatch: {
    status: 403,
    retryable: false,
    error: "forbidden",
    title: "Another wallet's request",
    next: "Use the wallet that signs.",
  },
  operator_only: {
    status: 403,
    retryable: false,
    error: "forbidden",
    title: "For the operator of this service",
    next: "Sign with an address of the setting OPERATORS.",
  },
  payment_required: {
    status: 402,
    retryable: false,
    error: "payment_required",
    title: "Payment required",
    next: "Pay what PAYMENT-REQUIRED says and repeat the request with PAYMENT-SIGNATURE.",
  },
  payment_invalid: {
    status: 402,
    retryable: false,
    error: "payment_required",
    title: "The payment was refused",
    next: "Sign a new authorization for exactly what PAYMENT-REQUIRED says.",
  },
  not_found: { status: 404, retryable: false, error: "not_found", title: "Not found", next: "Check the id." },
  quote_not_found: {
    status: 404,
    retryable: false,
    error: "quote_not_found",
    title: "No such quote",
    next: "Ask for a price again.",
  },
  object_not_found: {
    status: 404,
    retryable: false,
    error: "object_not_found",
    title: "No such object",
    next: "List the objects to see their names.",
  },
  renewal_not_registered: {
    status: 404,
    retryable: false,
    error: "renewal_not_registered",
    title: "No such object to renew",
    next: "List the objects to see their names.",
  },
  object_not_in_storage: {
    status: 404,
    retryable: false,
    error: "object_not_in_storage",
    title: "Nothing is stored under this name",
    next: "Upload the bytes, then renew.",
  },
  bytes_not_found: {
    status: 404,
    retryable: true,
    error: "not_found",
    title: "The bytes are not there yet",
    next: "PUT them to the plan's URL, then confirm.",
  },
  method_not_allowed: {
    status: 405,
    retryable: false,
    error: "method_not_allowed",
    title: "Method not allowed",
    next: fix,
  },
  object_key_exists: {
    status: 409,
    retryable: false,
    error: "conflict",
    title: "The name is in use",
    next: "Delete the object, or use another name.",
  },
  payment_pending: {
    status: 409,
    retryable: true,
    error: "conflict",
    title: "A payment for this purchase is open",
    next: wait,
  },
  authorization_bound: {
    status: 409,
    retryable: false,
    error: "conflict",
    title: "The authorization was used for another request",
    next: "Sign a new authorization.",
  },
  wrapped_dek_changed: {
    status: 409,
    retryable: false,
    error: "conflict",
    title: "The wrapped key is another one now",
    next: "Look at the object again, and wrap the key that is in force.",
  },
  rewraps_used: {
    status: 409,
    retryable: false,
    error: "conflict",
    title: "The key of this content was replaced too often",
    next: "Store the content anew under its name.",
  },
  key_reused: {
    status: 409,
    retryable: false,
    error: "conflict",
    title: "Idempotency-Key was used for another request",
    next: "Use one key per purchase, the same key on every retry of it.",
  },
  not_paid: {
    status: 409,
    retryable: false,
    error: "conflict",
    title: "The order is not paid",
    next: "Pay the quote first.",
  },
  mandate_invalid: {
    status: 400,
    retryable: false,
    error: "Bad request",
    title: "Not a mandate for this period",
    next: "Ask for the terms, sign exactly those.",
  },
  mandate_exists: {
    status: 409,
    retryable: false,
    error: "conflict",
    title: "The period has a mandate already",
    next: "Revoke it first, or keep it.",
  },
  period_not_next: {
    status: 409,
    retryable: false,
    error: "conflict",
    title: "Another period is the next to be paid",
    next: "Renew without period_index, or with next_period_index.",
  },
  statement_changed: {
    status: 409,
    retryable: false,
    error: "conflict",
    title: "The statement holds no more",
    next: "Ask for a new statement; nothing was charged for this one.",
  },
  renewal_too_early: {
    status: 409,
    retryable: false,
    error: "conflict",
    title: "Paid far enough ahead",
    next: "Renew later.",
  },
  quote_expired: {
    status: 410,
    retryable: false,
    error: "quote_not_found",
    title: "The quote has expired",
    next: "Ask for a price again.",
  },
  gone: { status: 410, retryable: false, error: "not_found", title: "The order has ended", next: "Buy again." },
  plan_gone: {
    status: 410,
    retryable: false,
    error: "not_found",
    title: "The upload plan is not open any more",
    next: "Ask for a plan of the content you want to send.",
  },
  body_too_large: {
    status: 413,
    retryable: false,
    error: "Bad request",
    title: "The request body is too large",
    next: fix,
  },
  body_too_slow: {
    status: 408,
    retryable: true,
    error: "Bad request",
    title: "The request body did not come in time",
    next: "Send the request again, or use mode presigned.",
  },
  media_type: {
    status: 415,
    retryable: false,
    error: "Bad request",
    title: "JSON wanted",
    next: "Send content-type: application/json.",
  },
  range_not_satisfiable: {
    status: 416,
    retryable: false,
    error: "Bad request",
    title: "The object has no such bytes",
    next: "Ask for a range inside the object; its size is in the answer.",
  },
  allowance_used: {
    status: 429,
    retryable: false,
    error: "too_many_requests",
    title: "The included reads of this period are used up",
    next: "Wait for the next paid period, or ask with a wallet proof of version 2: then more is offered for sale.",
  },
  too_many_requests: {
    status: 429,
    retryable: true,
    error: "too_many_requests",
    title: "Too many requests",
    next: wait,
  },
  quote_unavailable: { status: 503, retryable: true, error: "unavailable", title: "No current prices", next: wait },
  settlement_unavailable: {
    status: 503,
    retryable: true,
    error: "unavailable",
    title: "Payments cannot be settled now; nothing was charged",
    next: wait,
  },
  proof_unverifiable: {
    status: 503,
    retryable: true,
    error: "unavailable",
    title: "A contract wallet cannot be asked now",
    next: wait,
  },
  storage_unavailable: {
    status: 503,
    retryable: true,
    error: "unavailable",
    title: "Storage does not answer; what was paid stays paid",
    next: wait,
  },
  no_room: {
    status: 503,
    retryable: true,
    error: "unavailable",
    title: "No room for new wallets now; nothing was charged",
    next: "Try another region, or the same request later.",
  },
  misconfigured: {
    status: 503,
    retryable: false,
    error: "unavailable",
    title: "The service is not configured",
    next: "Tell the operator.",
  },
  internal: {
    status: 500,
    retryable: true,
    error: "Internal error",
    title: "Something went wrong on our side",
    next: "Send the same request again; nothing is charged twice.",
  },
} as const satisfies Record<string, Row>;

export type RefusalCode = keyof typeof REFUSALS;

/** A refusal is a value: it crosses objects, floors and the wire without being thrown. */
export interface Refusal {
  readonly ok: false;
  readonly code: RefusalCode;
  /** What came and what was wanted. */
  readonly detail: string;
  /** More facts for machines, merged into the problem document. */
  readonly facts?: Readonly<Record<string, string | number | boolean>>;
  readonly retryAfterS?: number;
}

export function refuse(
  code: RefusalCode,
  detail: string,
  more: { facts?: Record<string, string | number | boolean>; retryAfterS?: number } = {},
): Refusal {
  return { ok: false, code, detail, ...more };
}
