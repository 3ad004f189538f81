/**
 * What the service puts its name to: an offer with a 402, a receipt with a settled payment, a storage receipt with a confirmed
 * object. Without a receipt key nothing is signed and nothing of it is mentioned; a signature that cannot be had now is left out.
 */
import {
  offerOf,
  offerTypedData,
  type ReceiptPayload,
  receiptTypedData,
  type StorageReceipt,
  type StorageReceiptPayload,
  storageReceiptTypedData,
} from "#contract/artefacts";
import { EXTENSIONS, type Extensions } from "#contract/extensions";
import { PAYMENT_TIMEOUT_S } from "#contract/limits";
import type { Ask } from "#contract/x402";
import type { PaymentRecord } from "../../durable/ledger.ts";
import type { Ports } from "./ports.ts";

/** For the 402: `extensions["offer-receipt"].info.offers[]`, in the order of `accepts[]`. */
export async function offerExtension(ports: Ports, ask: Ask): Promise<Extensions> {
  if (!ports.receipts) return {};
  const payload = offerOf(ask, nowS(ports) + PAYMENT_TIMEOUT_S);
  const signature = await ports.receipts.sign(offerTypedData(payload));
  if (signature === undefined) return {};
  return {
    [EXTENSIONS.offerReceipt]: { info: { offers: [{ format: "eip712", acceptIndex: 0, payload, signature }] } },
  };
}

/** For PAYMENT-RESPONSE: `extensions["offer-receipt"].info.receipt`. The network is CAIP-2 for v1 clients too. */
export async function receiptExtension(
  ports: Ports,
  ask: Ask,
  payment: PaymentRecord,
): Promise<Extensions | undefined> {
  if (!ports.receipts) return undefined;
  const payload: ReceiptPayload = {
    version: 1,
    network: ask.network.caip2,
    resourceUrl: ask.resourceUrl,
    payer: payment.authorization.from,
    issuedAt: nowS(ports),
    transaction: payment.txHash ?? "",
  };
  const signature = await ports.receipts.sign(receiptTypedData(payload));
  if (signature === undefined) return undefined;
  return { [EXTENSIONS.offerReceipt]: { info: { receipt: { format: "eip712", payload, signature } } } };
}

export async function storageReceipt(
  ports: Ports,
  stored: Omit<StorageReceiptPayload, "network" | "paid_through"> & { paidThroughMs: number },
): Promise<StorageReceipt | undefined> {
  if (!ports.receipts) return undefined;
  const { paidThroughMs, ...rest } = stored;
  const payload: StorageReceiptPayload = {
    ...rest,
    // Whole seconds are what is signed, and never later than what was paid.
    paid_through: `${new Date(paidThroughMs).toISOString().slice(0, 19)}Z`,
    network: ports.network.caip2,
  };
  const data = storageReceiptTypedData(payload);
  const signature = data && (await ports.receipts.sign(data));
  return signature && { format: "eip712", signer: ports.receipts.signer, payload, signature };
}

function nowS(ports: Ports): number {
  return Math.floor(ports.clock.nowMs() / 1000);
}
