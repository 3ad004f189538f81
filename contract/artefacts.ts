/**
 * What the service signs: offers and receipts of x402 (specs/extensions/extension-offer-and-receipt.md, as `@x402/extensions` 2.27
 * signs them) and our own storage receipt. All are EIP-712 by the receipt key, which moves no money and pays no gas.
 *
 * The x402 domains have chain id 1 whatever network was paid on (the specification's choice: nothing of it goes on chain). Ours
 * names the network's own chain, so that a receipt of the test network never reads as one of Base.
 */
import * as z from "zod";
import { formatMicroUsdc } from "./money.ts";
import { parseWallet, type Wallet } from "./wallet.ts";
import { type Ask, networkOf } from "./x402.ts";

const OFFER_TYPES = {
  Offer: [
    { name: "version", type: "uint256" },
    { name: "resourceUrl", type: "string" },
    { name: "scheme", type: "string" },
    { name: "network", type: "string" },
    { name: "asset", type: "string" },
    { name: "payTo", type: "string" },
    { name: "amount", type: "string" },
    { name: "validUntil", type: "uint256" },
  ],
} as const;

const RECEIPT_TYPES = {
  Receipt: [
    { name: "version", type: "uint256" },
    { name: "network", type: "string" },
    { name: "resourceUrl", type: "string" },
    { name: "payer", type: "string" },
    { name: "issuedAt", type: "uint256" },
    { name: "transaction", type: "string" },
  ],
} as const;

export const OfferPayload = z.object({
  version: z.literal(1),
  resourceUrl: z.string(),
  scheme: z.string(),
  network: z.string(),
  asset: z.string(),
  payTo: z.string(),
  amount: z.string(),
  /** Unix seconds. */
  validUntil: z.number().int().nonnegative(),
});
export type OfferPayload = z.infer<typeof OfferPayload>;

export const ReceiptPayload = z.object({
  version: z.literal(1),
  network: z.string(),
  resourceUrl: z.string(),
  payer: z.string(),
  /** Unix seconds. */
  issuedAt: z.number().int().nonnegative(),
  transaction: z.string(),
});
export type ReceiptPayload = z.infer<typeof ReceiptPayload>;

export function offerOf(ask: Ask, validUntilS: number): OfferPayload {
  return {
    version: 1,
    resourceUrl: ask.resourceUrl,
    scheme: "exact",
    network: ask.network.caip2,
    asset: ask.network.usdc,
    payTo: ask.payTo,
    amount: formatMicroUsdc(ask.amount),
    validUntil: validUntilS,
  };
}

export function offerTypedData(offer: OfferPayload) {
  return {
    domain: { name: "x402 offer", version: "1", chainId: 1 },
    types: OFFER_TYPES,
    primaryType: "Offer",
    message: { ...offer, version: BigInt(offer.version), validUntil: BigInt(offer.validUntil) },
  } as const;
}

export function receiptTypedData(receipt: ReceiptPayload) {
  return {
    domain: { name: "x402 receipt", version: "1", chainId: 1 },
    types: RECEIPT_TYPES,
    primaryType: "Receipt",
    message: { ...receipt, version: BigInt(receipt.version), issuedAt: BigInt(receipt.issuedAt) },
  } as const;
}

const STORAGE_RECEIPT_TYPES = {
  StorageReceipt: [
    { name: "orderId", type: "string" },
    { name: "wallet", type: "address" },
    { name: "objectKey", type: "string" },
    { name: "contentSha256", type: "bytes32" },
    { name: "sizeBytes", type: "uint256" },
    { name: "paidThrough", type: "uint256" },
    { name: "transaction", type: "string" },
    { name: "network", type: "string" },
  ],
} as const;

/** Of an object of parts the signed hash is the composite: another type, so that neither reads as the other. */
const MULTIPART_STORAGE_RECEIPT_TYPES = {
  MultipartStorageReceipt: [...STORAGE_RECEIPT_TYPES.StorageReceipt, { name: "partBytes", type: "uint256" }],
} as const;

const Hex = (bytes: number) => z.string().regex(new RegExp(`^[0-9a-f]{${2 * bytes}}$`));
const Address = z.string().transform((raw, context): Wallet => {
  const wallet = parseWallet(raw);
  if (wallet) return wallet;
  context.addIssue({ code: "custom", message: "wanted an address" });
  return z.NEVER;
});

/** These very bytes of this wallet were seen in S3 under this order, paid by this transaction until then. */
export const StorageReceiptPayload = z.object({
  order_id: z.string(),
  wallet: Address,
  object_key: z.string(),
  /** As S3 verified it: of the whole, or with `part_bytes` the composite, SHA-256 over the parts' SHA-256s (contract/parts.ts). */
  content_sha256: Hex(32),
  size_bytes: z.number().int().nonnegative(),
  part_bytes: z.number().int().positive().optional(),
  /** ISO 8601 in whole seconds, because seconds are what is signed. */
  paid_through: z.iso.datetime({ precision: 0 }),
  transaction: z.string(),
  network: z.string(),
});
export type StorageReceiptPayload = z.infer<typeof StorageReceiptPayload>;

export const StorageReceipt = z.object({
  format: z.literal("eip712"),
  signer: Address,
  payload: StorageReceiptPayload,
  signature: z.string().regex(/^0x[0-9a-f]{130}$/),
});
export type StorageReceipt = z.infer<typeof StorageReceipt>;

/** Undefined when the receipt names a network that is none of ours: there is no domain to sign it under. */
export function storageReceiptTypedData(payload: StorageReceiptPayload) {
  const network = [8453, 84532].map(networkOf).find((known) => known?.caip2 === payload.network);
  if (!network) return undefined;
  const domain = { name: "mnemospark receipt", version: "1", chainId: network.chainId } as const;
  const message = {
    orderId: payload.order_id,
    wallet: payload.wallet,
    objectKey: payload.object_key,
    contentSha256: `0x${payload.content_sha256}`,
    sizeBytes: BigInt(payload.size_bytes),
    paidThrough: BigInt(Date.parse(payload.paid_through) / 1000),
    transaction: payload.transaction,
    network: payload.network,
  } as const;
  if (payload.part_bytes === undefined)
    return { domain, types: STORAGE_RECEIPT_TYPES, primaryType: "StorageReceipt", message } as const;
  return {
    domain,
    types: MULTIPART_STORAGE_RECEIPT_TYPES,
    primaryType: "MultipartStorageReceipt",
    message: { ...message, partBytes: BigInt(payload.part_bytes) },
  } as const;
}
