/**
 * The x402 codec: what a 402 says, what a payment is, in both header families.
 *
 * v2 (specs/transports-v2/http.md): `PAYMENT-REQUIRED`, `PAYMENT-SIGNATURE`, `PAYMENT-RESPONSE`, CAIP-2 networks, `amount`.
 * v1: the same facts in the 402 body and in `X-PAYMENT`, `X-PAYMENT-RESPONSE`, with network names and `maxAmountRequired`.
 * One scheme: `exact` on EVM by EIP-3009 `transferWithAuthorization`, paid up front.
 */
import * as z from "zod";
import { base64ToJson, jsonToBase64 } from "./base64.ts";
import type { Extensions } from "./extensions.ts";
import { PAYMENT_HEADER_BYTES_MAX, PAYMENT_TIMEOUT_S } from "./limits.ts";
import { formatMicroUsdc, type MicroUsdc, parseMicroUsdc } from "./money.ts";
import { parseWallet, type Wallet } from "./wallet.ts";

export const X402_HEADERS = {
  required: "payment-required",
  requiredMirror: "x-payment-required",
  payment: "payment-signature",
  paymentV1: "x-payment",
  response: "payment-response",
  responseV1: "x-payment-response",
} as const;

/**
 * The tokens we take. Domain name and version come from here, never from a payload: they differ between the two networks, and
 * a domain chosen by the payer can verify off chain and revert on chain.
 */
export const NETWORKS = {
  8453: {
    caip2: "eip155:8453",
    v1: "base",
    label: "Base",
    usdc: "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913",
    domainName: "USD Coin",
    domainVersion: "2",
  },
  84532: {
    caip2: "eip155:84532",
    v1: "base-sepolia",
    label: "Base Sepolia",
    usdc: "0x036CbD53842c5426634e7929541eC2318f3dCF7e",
    domainName: "USDC",
    domainVersion: "2",
  },
} as const;

export type ChainId = keyof typeof NETWORKS;
export type Network = (typeof NETWORKS)[ChainId] & { readonly chainId: ChainId };

/** Undefined for a chain we do not serve; there is no default. */
export function networkOf(chainId: number): Network | undefined {
  return chainId === 8453 || chainId === 84532 ? { ...NETWORKS[chainId], chainId } : undefined;
}

/** EIP-3009 authorization: integers as bigint, seconds for times, lower-case addresses. */
export interface Authorization {
  readonly from: Wallet;
  readonly to: Wallet;
  readonly value: MicroUsdc;
  readonly validAfterS: bigint;
  readonly validBeforeS: bigint;
  readonly nonce: `0x${string}`;
}

export const TRANSFER_TYPES = {
  TransferWithAuthorization: [
    { name: "from", type: "address" },
    { name: "to", type: "address" },
    { name: "value", type: "uint256" },
    { name: "validAfter", type: "uint256" },
    { name: "validBefore", type: "uint256" },
    { name: "nonce", type: "bytes32" },
  ],
} as const;

/** EIP-712 typed data of an authorization, for signing and for recovering the signer. */
export function transferTypedData(network: Network, authorization: Authorization) {
  return {
    domain: {
      name: network.domainName,
      version: network.domainVersion,
      chainId: network.chainId,
      verifyingContract: network.usdc,
    },
    types: TRANSFER_TYPES,
    primaryType: "TransferWithAuthorization",
    message: {
      from: authorization.from,
      to: authorization.to,
      value: authorization.value,
      validAfter: authorization.validAfterS,
      validBefore: authorization.validBeforeS,
      nonce: authorization.nonce,
    },
  } as const;
}

/** What we ask for. Amount in micro-USDC. */
export interface Ask {
  readonly network: Network;
  readonly payTo: Wallet;
  readonly amount: MicroUsdc;
  /** Absolute URL the payment is for. */
  readonly resourceUrl: string;
  readonly description: string;
}

const TokenName = z.object({ name: z.string(), version: z.string() });

/** v2 `PaymentRequirements`. */
export const Requirements = z.object({
  scheme: z.string(),
  network: z.string(),
  amount: z.string(),
  asset: z.string(),
  payTo: z.string(),
  maxTimeoutSeconds: z.number(),
  extra: z.looseObject(TokenName.partial().shape).optional(),
});
export type Requirements = z.infer<typeof Requirements>;

export const PaymentRequired = z.object({
  x402Version: z.literal(2),
  error: z.string().optional(),
  resource: z.object({ url: z.string(), description: z.string().optional(), mimeType: z.string().optional() }),
  accepts: z.array(Requirements).min(1),
  extensions: z.record(z.string(), z.unknown()).optional(),
});
export type PaymentRequired = z.infer<typeof PaymentRequired>;

export function requirementsOf(ask: Ask): Requirements {
  const { network } = ask;
  return {
    scheme: "exact",
    network: network.caip2,
    amount: formatMicroUsdc(ask.amount),
    asset: network.usdc,
    payTo: ask.payTo,
    maxTimeoutSeconds: PAYMENT_TIMEOUT_S,
    // We settle first and only then touch storage (x402 v2 payment flows).
    extra: { name: network.domainName, version: network.domainVersion, paymentFlow: "upfront" },
  };
}

export function paymentRequired(ask: Ask, error: string, extensions?: Extensions): PaymentRequired {
  return {
    x402Version: 2,
    error,
    resource: { url: ask.resourceUrl, description: ask.description, mimeType: "application/json" },
    accepts: [requirementsOf(ask)],
    ...(extensions === undefined ? {} : { extensions }),
  };
}

/** The v1 mirror for the body; its clients read `accepts` there and know networks by name. */
export function paymentRequiredV1(ask: Ask, error: string) {
  return {
    x402Version: 1 as const,
    error,
    accepts: [
      {
        scheme: "exact",
        network: ask.network.v1,
        maxAmountRequired: formatMicroUsdc(ask.amount),
        resource: ask.resourceUrl,
        description: ask.description,
        mimeType: "application/json",
        payTo: ask.payTo,
        maxTimeoutSeconds: PAYMENT_TIMEOUT_S,
        asset: ask.network.usdc,
        extra: { name: ask.network.domainName, version: ask.network.domainVersion },
      },
    ],
  };
}

/** Canonical decimal that fits a uint256: anything larger could not even be hashed. */
const Integer = z
  .string()
  .refine((text) => /^(?:0|[1-9][0-9]{0,77})$/.test(text) && BigInt(text) < 2n ** 256n, "wanted a decimal uint256");
const ExactPayload = z.object({
  signature: z.string().regex(/^0x(?:[0-9a-fA-F]{2}){1,2048}$/),
  authorization: z.object({
    from: z.string(),
    to: z.string(),
    value: Integer,
    validAfter: Integer,
    validBefore: Integer,
    nonce: z.string().regex(/^0x[0-9a-fA-F]{64}$/),
  }),
});
const PayloadV2 = z.object({
  x402Version: z.literal(2),
  resource: z.looseObject({ url: z.string() }).optional(),
  accepted: Requirements,
  payload: ExactPayload,
  extensions: z.record(z.string(), z.unknown()).nullish(),
});
const PayloadV1 = z.object({
  x402Version: z.literal(1),
  scheme: z.string(),
  network: z.string(),
  payload: ExactPayload,
});

/** A payment as it arrived, before anything about it was judged. */
export interface Payment {
  readonly scheme: string;
  /** CAIP-2 (v2) or network name (v1). */
  readonly network: string;
  /** What the client says it accepted; v1 does not say. */
  readonly accepted: Requirements | undefined;
  readonly resourceUrl: string | undefined;
  readonly authorization: Authorization;
  readonly signature: `0x${string}`;
  /** As the client wrote them; v1 has none. */
  readonly extensions?: Extensions | undefined;
}

/** Which header families the answer goes out in: those the request used. */
export interface Families {
  readonly v2: boolean;
  readonly v1: boolean;
}

export type PaymentHeader =
  | { readonly kind: "none" }
  | { readonly kind: "malformed"; readonly detail: string }
  | { readonly kind: "payment"; readonly payment: Payment; readonly families: Families };

/**
 * Reads the payment headers. Both families at once are one payment when byte-identical (the published client sends both) and
 * malformed otherwise. A duplicated header arrives joined by ", " and fails the base64 check.
 */
export function readPayment(v2: string | null, v1: string | null): PaymentHeader {
  const header = v2 ?? v1;
  if (header === null) return { kind: "none" };
  if (v2 !== null && v1 !== null && v2 !== v1)
    return { kind: "malformed", detail: "PAYMENT-SIGNATURE and X-PAYMENT differ; send one, or the same value in both" };
  if (header.length > PAYMENT_HEADER_BYTES_MAX)
    return { kind: "malformed", detail: `the payment header is longer than ${PAYMENT_HEADER_BYTES_MAX} bytes` };
  const json = base64ToJson(header);
  if (json === undefined) return { kind: "malformed", detail: "the payment header is not standard base64 of JSON" };
  const payment = parsePayment(json);
  if (typeof payment === "string") return { kind: "malformed", detail: payment };
  return { kind: "payment", payment, families: { v2: v2 !== null, v1: v1 !== null } };
}

/** A sentence when the payload has not the shape of an `exact` EVM payment. */
function parsePayment(json: unknown): Payment | string {
  const version = (json as { x402Version?: unknown } | null)?.x402Version;
  if (version !== 1 && version !== 2) return `x402Version is ${JSON.stringify(version)}; wanted 2 or 1`;
  const parsed = version === 2 ? PayloadV2.safeParse(json) : PayloadV1.safeParse(json);
  if (!parsed.success) return firstIssue(parsed.error);
  const { data } = parsed;
  const { authorization: raw, signature } = data.payload;
  const from = parseWallet(raw.from);
  const to = parseWallet(raw.to);
  const value = parseMicroUsdc(raw.value);
  if (!from) return "payload.authorization.from is not an address";
  if (!to) return "payload.authorization.to is not an address";
  if (value === undefined) return "payload.authorization.value is not a decimal integer";
  return {
    scheme: data.x402Version === 2 ? data.accepted.scheme : data.scheme,
    network: data.x402Version === 2 ? data.accepted.network : data.network,
    accepted: data.x402Version === 2 ? data.accepted : undefined,
    resourceUrl: data.x402Version === 2 ? data.resource?.url : undefined,
    authorization: {
      from,
      to,
      value,
      validAfterS: BigInt(raw.validAfter),
      validBeforeS: BigInt(raw.validBefore),
      nonce: raw.nonce.toLowerCase() as `0x${string}`,
    },
    signature: signature as `0x${string}`,
    extensions: data.x402Version === 2 ? (data.extensions ?? undefined) : undefined,
  };
}

/** "path: what zod says", for people. */
export function firstIssue(error: z.ZodError): string {
  const issue = error.issues[0];
  return issue ? `${issue.path.join(".") || "body"}: ${issue.message}` : "not understood";
}

/** v2 `SettlementResponse`; the old client reads `trans_id` beside it. */
export interface SettlementReceipt {
  readonly success: boolean;
  readonly transaction: string;
  readonly network: string;
  readonly payer: Wallet;
  readonly amount: string;
  readonly asset: string;
  readonly errorReason?: string;
  readonly extensions?: Extensions;
}

export function encodeReceipt(receipt: SettlementReceipt): string {
  return jsonToBase64({ ...receipt, trans_id: receipt.transaction });
}

/** A payload of our own client. */
export function encodePayment(accepted: Requirements, url: string, a: Authorization, signature: string): string {
  return jsonToBase64({
    x402Version: 2,
    resource: { url },
    accepted,
    payload: {
      signature,
      authorization: {
        from: a.from,
        to: a.to,
        value: formatMicroUsdc(a.value),
        validAfter: a.validAfterS.toString(),
        validBefore: a.validBeforeS.toString(),
        nonce: a.nonce,
      },
    },
  });
}
