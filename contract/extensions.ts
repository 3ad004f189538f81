/**
 * The x402 extensions a 402 may carry, as JSON a client can echo (x402 v2 "extensions": `{ key: { info, schema? } }`).
 *
 * A client's copy of them is never trusted and its schemas are never compiled: of everything it echoes, the one value read is the
 * payment identifier, and that by a regular expression.
 */
export const EXTENSIONS = {
  paymentIdentifier: "payment-identifier",
  signIn: "sign-in-with-x",
  bazaar: "bazaar",
  offerReceipt: "offer-receipt",
} as const;

export type Extensions = Readonly<Record<string, unknown>>;

/** specs/extensions/payment_identifier.md, "id format". */
const PAYMENT_IDENTIFIER = /^[A-Za-z0-9_-]{16,128}$/;

/** Advertised on every route that can be paid. A client appends `info.id`; nobody has to. */
export const PAYMENT_IDENTIFIER_OFFER = {
  info: { required: false },
  schema: {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    type: "object",
    properties: {
      required: { type: "boolean" },
      id: { type: "string", minLength: 16, maxLength: 128, pattern: "^[a-zA-Z0-9_-]+$" },
    },
    required: ["required"],
  },
} as const;

export type PaymentIdentifier =
  | { readonly kind: "none" }
  | { readonly kind: "malformed"; readonly detail: string }
  | { readonly kind: "id"; readonly id: string };

/** Stock clients echo the advertised extension without an id: that is none, not a fault. */
export function readPaymentIdentifier(echoed: Extensions | undefined): PaymentIdentifier {
  const id = fieldOf(fieldOf(fieldOf(echoed, EXTENSIONS.paymentIdentifier), "info"), "id");
  if (id === undefined || id === null) return { kind: "none" };
  return typeof id === "string" && PAYMENT_IDENTIFIER.test(id)
    ? { kind: "id", id }
    : {
        kind: "malformed",
        detail: 'extensions["payment-identifier"].info.id: wanted 16 to 128 letters, digits, dashes or underscores',
      };
}

function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Record<string, unknown>)[name];
}
