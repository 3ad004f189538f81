/** What the service signs, checked by the client's verifier: holds as it is, and falls with any field. */
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { describe, expect, test } from "vitest";
import {
  offerOf,
  offerTypedData,
  type ReceiptPayload,
  receiptTypedData,
  type StorageReceipt,
  type StorageReceiptPayload,
  storageReceiptTypedData,
} from "#contract/artefacts";
import { parseWallet, type Wallet } from "#contract/wallet";
import { networkOf } from "#contract/x402";
import { verifyOffer, verifyPaymentReceipt, verifyStorageReceipt } from "../../client-plugin/receipt.ts";

const account = privateKeyToAccount(generatePrivateKey());
const signer = walletOf(account.address);

function walletOf(text: string): Wallet {
  const wallet = parseWallet(text);
  if (!wallet) throw new Error(`${text} is not an address`);
  return wallet;
}

const payload: StorageReceiptPayload = {
  order_id: `order_${"a".repeat(40)}_0123456789abcdef`,
  wallet: walletOf(`0x${"a".repeat(40)}`),
  object_key: "notes.age",
  content_sha256: "ab".repeat(32),
  size_bytes: 1234,
  paid_through: "2026-04-01T00:00:00Z",
  transaction: `0x${"cd".repeat(32)}`,
  network: "eip155:84532",
};

async function signed(of: StorageReceiptPayload): Promise<StorageReceipt> {
  const data = storageReceiptTypedData(of);
  if (!data) throw new Error("no domain");
  return { format: "eip712", signer, payload: of, signature: await account.signTypedData(data as never) };
}

describe("a storage receipt", () => {
  test("of parts signs the composite and its part size, and never reads as one of a whole object", async () => {
    const parts = { ...payload, part_bytes: 16 * 1024 ** 2 };
    const receipt = await signed(parts);
    expect(await verifyStorageReceipt(receipt, account.address)).toEqual({ ok: true, payload: parts });
    for (const changed of [payload, { ...parts, part_bytes: 8 * 1024 ** 2 }])
      expect(await verifyStorageReceipt({ ...receipt, payload: changed }, account.address)).toMatchObject({
        ok: false,
      });
    const whole = await signed(payload);
    expect(await verifyStorageReceipt({ ...whole, payload: parts }, account.address)).toMatchObject({ ok: false });
  });

  test("holds for its signer and for nobody else", async () => {
    const receipt = await signed(payload);
    expect(await verifyStorageReceipt(receipt, account.address)).toEqual({ ok: true, payload });
    const other = privateKeyToAccount(generatePrivateKey()).address;
    expect(await verifyStorageReceipt(receipt, other)).toMatchObject({ ok: false });
    // Who signed is what the holder expects, not what the receipt says of itself.
    expect(await verifyStorageReceipt({ ...receipt, signer: other }, other)).toMatchObject({ ok: false });
  });

  const flips: Partial<Record<keyof StorageReceiptPayload, unknown>>[] = [
    { order_id: `order_${"a".repeat(40)}_fedcba9876543210` },
    { wallet: `0x${"b".repeat(40)}` },
    { object_key: "notes.agf" },
    { content_sha256: `${"ab".repeat(31)}aa` },
    { size_bytes: 1235 },
    { paid_through: "2026-04-01T00:00:01Z" },
    { paid_through: "2026-04-01T00:00:00.500Z" },
    { transaction: "" },
    { network: "eip155:8453" },
    { network: "eip155:1" },
  ];
  for (const flip of flips)
    test(`falls with ${JSON.stringify(flip)}`, async () => {
      const receipt = await signed(payload);
      expect(await verifyStorageReceipt({ ...receipt, payload: { ...payload, ...flip } }, signer)).toMatchObject({
        ok: false,
      });
    });

  test("of something else is none", async () => {
    for (const other of [undefined, null, "text", {}, { format: "jws", signature: "a.b.c" }])
      expect(await verifyStorageReceipt(other, signer)).toMatchObject({ ok: false });
  });
});

describe("x402 offers and receipts", () => {
  const network = networkOf(84_532);
  if (!network) throw new Error("no network");
  const offer = offerOf(
    { network, payTo: signer, amount: 10_000n, resourceUrl: "https://edge.example/storage/upload", description: "" },
    1_772_000_000,
  );
  const paid: ReceiptPayload = {
    version: 1,
    network: network.caip2,
    resourceUrl: offer.resourceUrl,
    payer: signer,
    issuedAt: 1_772_000_001,
    transaction: "0x12",
  };

  test("hold, and fall with any field", async () => {
    const signedOffer = {
      format: "eip712",
      acceptIndex: 0,
      payload: offer,
      signature: await account.signTypedData(offerTypedData(offer)),
    };
    expect(await verifyOffer(signedOffer, signer)).toEqual({ ok: true, payload: offer });
    for (const flip of [{ amount: "1" }, { payTo: `0x${"1".repeat(40)}` }, { validUntil: 1 }, { resourceUrl: "x" }])
      expect(await verifyOffer({ ...signedOffer, payload: { ...offer, ...flip } }, signer)).toMatchObject({
        ok: false,
      });

    const receipt = {
      format: "eip712",
      payload: paid,
      signature: await account.signTypedData(receiptTypedData(paid)),
    };
    expect(await verifyPaymentReceipt(receipt, signer)).toEqual({ ok: true, payload: paid });
    for (const flip of [{ payer: "0x" }, { issuedAt: 1 }, { transaction: "0x13" }, { version: 2 }])
      expect(await verifyPaymentReceipt({ ...receipt, payload: { ...paid, ...flip } }, signer)).toMatchObject({
        ok: false,
      });
    // One is never taken for the other.
    expect(await verifyPaymentReceipt(signedOffer, signer)).toMatchObject({ ok: false });
  });
});
