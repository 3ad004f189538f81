/**
 * Does the service's signature hold? For whoever keeps a storage receipt, an x402 offer or a payment receipt, without asking the
 * service: only the address it announced is needed (`receipt_signer` of /healthz, `receiptSigner` of /.well-known/x402).
 */
import { recoverTypedDataAddress } from "viem";
import {
  OfferPayload,
  offerTypedData,
  ReceiptPayload,
  receiptTypedData,
  StorageReceipt,
  type StorageReceiptPayload,
  storageReceiptTypedData,
} from "#contract/artefacts";
import { parseWallet } from "#contract/wallet";

export type Verified<T> = { readonly ok: true; readonly payload: T } | { readonly ok: false; readonly reason: string };

type Recoverable = Parameters<typeof recoverTypedDataAddress>[0];

/** The payload comes back as it was read: what is not signed is not in it. */
export async function verifyStorageReceipt(receipt: unknown, signer: string): Promise<Verified<StorageReceiptPayload>> {
  const parsed = StorageReceipt.safeParse(receipt);
  if (!parsed.success) return { ok: false, reason: "this is not a storage receipt" };
  const { payload, signature } = parsed.data;
  const data = storageReceiptTypedData(payload);
  if (!data) return { ok: false, reason: `the receipt names the network ${payload.network}, which is none of ours` };
  return signedBy({ ...data, signature: signature as `0x${string}` } as Recoverable, signer, payload);
}

/** One of `extensions["offer-receipt"].info.offers` of a 402. */
export function verifyOffer(offer: unknown, signer: string): Promise<Verified<OfferPayload>> {
  return verifyArtefact(offer, signer, OfferPayload, offerTypedData);
}

/** `extensions["offer-receipt"].info.receipt` of a PAYMENT-RESPONSE. */
export function verifyPaymentReceipt(receipt: unknown, signer: string): Promise<Verified<ReceiptPayload>> {
  return verifyArtefact(receipt, signer, ReceiptPayload, receiptTypedData);
}

async function verifyArtefact<T>(
  artefact: unknown,
  signer: string,
  schema: { safeParse(value: unknown): { success: true; data: T } | { success: false } },
  typedData: (payload: T) => object,
): Promise<Verified<T>> {
  const { format, payload, signature } = (artefact ?? {}) as Record<string, unknown>;
  const parsed = schema.safeParse(payload);
  if (format !== "eip712" || !parsed.success || typeof signature !== "string")
    return { ok: false, reason: "this is not an EIP-712 artefact of the expected kind" };
  return signedBy({ ...typedData(parsed.data), signature } as Recoverable, signer, parsed.data);
}

async function signedBy<T>(data: Recoverable, signer: string, payload: T): Promise<Verified<T>> {
  const wanted = parseWallet(signer);
  if (!wanted) return { ok: false, reason: `${signer} is not an address` };
  const recovered = await recoverTypedDataAddress(data).catch(() => undefined);
  return parseWallet(recovered) === wanted
    ? { ok: true, payload }
    : { ok: false, reason: `it is not signed by ${wanted}, or was changed after it was signed` };
}
