/**
 * 2. Money moves: read the payment, check it against the ask, write the claim, settle, write the end.
 *
 * The claim is in the wallet's ledger before anything is broadcast, and its outcome has three ends. While it is open nobody is
 * told to pay: a 402 in that state is how a conforming client comes to pay twice.
 */
import { sha256Hex } from "#contract/bytes";
import { type RefusalCode, refuse } from "#contract/errors";
import { readPaymentIdentifier } from "#contract/extensions";
import { SETTLE_WAIT_MS } from "#contract/limits";
import { formatMicroUsdc } from "#contract/money";
import type { Wallet } from "#contract/wallet";
import {
  type Ask,
  encodeReceipt,
  type Families,
  type Payment,
  readPayment,
  transferTypedData,
  X402_HEADERS,
} from "#contract/x402";
import { paymentFault } from "#rules/payment";
import type { Purchase } from "../../durable/catalogue.ts";
import { identifierUse, type KeyUse } from "../../durable/keys.ts";
import type { PaymentRecord } from "../../durable/ledger.ts";
import type { Order } from "../../durable/orders.ts";
import { claimKeyOf, type SettlementEnd, type SettlementJob } from "../../durable/ports.ts";
import type { ProofUse } from "../../durable/proofs.ts";
import { receiptExtension } from "./artefacts.ts";
import { answer, type Call, type Outcome } from "./call.ts";
import { statusUrl } from "./payment.ts";
import type { Ports } from "./ports.ts";
import type { Priced, PricedNow } from "./price.ts";
import { required } from "./required.ts";
import { withoutRoom } from "./room.ts";
import { type Signing, signedBy } from "./signed.ts";

export interface Paying {
  /** Whose purchase it is, when a proof said so; otherwise the payer's. */
  readonly wallet: Wallet | undefined;
  readonly proof: ProofUse | undefined;
  readonly proofVersion: "1" | "2" | undefined;
  readonly ask: Ask;
  /** Where bytes will be that a wallet new there would need a bucket for; undefined where nothing new is stored. */
  readonly newIn: string | undefined;
  readonly purchase: Purchase;
  readonly key: KeyUse | undefined;
  /** What the purchase is: a payment identifier is bound to these, as an Idempotency-Key is. */
  readonly fields: Readonly<Record<string, string>>;
}

export type Paid =
  | {
      readonly ok: true;
      readonly paid: true;
      readonly wallet: Wallet;
      /** Absent where what was paid is no order. */
      readonly order: Order | undefined;
      readonly payment: PaymentRecord;
      readonly fresh: boolean;
      readonly headers: Record<string, string>;
    }
  | { readonly ok: true; readonly paid: false; readonly outcome: Outcome };

export async function pay(ports: Ports, call: Call, paying: Paying): Promise<Paid> {
  const { ask } = paying;
  const header = readPayment(call.header(X402_HEADERS.payment), call.header(X402_HEADERS.paymentV1));
  if (header.kind === "none") return withoutPayment(ports, call, paying);
  if (header.kind === "malformed") return not(refuse("invalid_payload", header.detail));
  const { payment, families } = header;
  const identifier = readPaymentIdentifier(payment.extensions);
  if (identifier.kind === "malformed") return not(refuse("invalid_payload", identifier.detail));
  const id = identifier.kind === "id" ? identifierUse(call.path, identifier.id, paying.fields) : undefined;
  const payer = payment.authorization.from;
  if (paying.wallet !== undefined && paying.wallet !== payer)
    return not(
      await required(
        ports,
        call,
        ask,
        "payment_invalid",
        `Payment signer does not match wallet_address: ${payer} pays, ${paying.wallet} asks`,
        "wallet_mismatch",
      ),
    );
  const signing = await signedBy(ports, payer, payment.signature, [
    transferTypedData(ask.network, payment.authorization),
  ]);
  if (signing !== "signed") return not(await unsigned(ports, call, ask, payer, signing));
  return claimAndSettle(ports, call, paying, payment, families, id);
}

/** Why the signature does not count, in the x402 reference's words. */
async function unsigned(
  ports: Ports,
  call: Call,
  ask: Ask,
  payer: Wallet,
  signing: Exclude<Signing, "signed">,
): Promise<Outcome> {
  switch (signing) {
    case "not_signed":
      return required(
        ports,
        call,
        ask,
        "payment_invalid",
        `EIP-712 signature does not recover the payer ${payer} for ${ask.network.label} USDC`,
        "invalid_exact_evm_signature",
      );
    case "undeployed":
      return required(
        ports,
        call,
        ask,
        "payment_invalid",
        `the signature is for a wallet that is not deployed yet (ERC-6492); deploy ${payer} first`,
        "eip6492_factory_not_allowed",
      );
    case "not_known":
      return refuse("settlement_unavailable", `the contract wallet ${payer} cannot be asked now; nothing was charged`, {
        retryAfterS: 2,
      });
  }
}

async function claimAndSettle(
  ports: Ports,
  call: Call,
  paying: Paying,
  payment: Payment,
  families: Families,
  identifier: KeyUse | undefined,
): Promise<Paid> {
  const { ask } = paying;
  const { authorization, signature } = payment;
  const claimKey = claimKeyOf(ask.network.caip2, ask.network.usdc, authorization);
  const full = await withoutRoom(ports, { region: paying.newIn, wallet: authorization.from, claimKey });
  if (full) return not(full);
  const wallet = ports.wallet(authorization.from);
  const begun = await wallet.beginPayment(
    paying.proof,
    {
      claimKey,
      authorization,
      signature,
      fingerprint: sha256Hex(JSON.stringify([call.path, call.query, call.bodyHash])),
      // Judged here, spoken there: a repeat of a payment that has settled is answered even when its window has closed.
      fault: paymentFault(payment, ask, BigInt(Math.floor(ports.clock.nowMs() / 1000))),
    },
    paying.purchase,
    paying.key,
    identifier,
  );
  if (!begun.ok)
    return not(
      begun.code === "payment_invalid"
        ? await required(ports, call, ask, begun.code, begun.detail, String(begun.facts?.["reason"] ?? ""))
        : begun,
    );
  if (begun.begun === "bought")
    return {
      ok: true,
      paid: true,
      wallet: authorization.from,
      order: begun.order,
      payment: begun.payment,
      fresh: false,
      headers: await receiptHeaders(ports, ask, begun.payment, families),
    };
  const end = await settle(ports, begun.job);
  const finished = await wallet.finishPayment(begun.job.claimKey, end, begun.job.attempt);
  if (finished.state === "settled")
    return {
      ok: true,
      paid: true,
      wallet: authorization.from,
      order: finished.order,
      payment: finished.payment,
      fresh: true,
      headers: await receiptHeaders(ports, ask, finished.payment, families),
    };
  if (finished.state === "homeless")
    return not({ ...finished.refusal, headers: await receiptHeaders(ports, ask, finished.payment, families) });
  if (finished.state === "open") return not(pending(ports, paying, finished.payment, finished.order));
  if (finished.reason === "settlement_unavailable")
    return not(
      refuse(
        "settlement_unavailable",
        `the payment could not be sent (${unsentBecause(finished.detail)}); it was not charged and may be sent again`,
        { retryAfterS: 5 },
      ),
    );
  return not(await required(ports, call, ask, "payment_invalid", finished.detail, finished.reason));
}

/** Why nothing was sent, as far as it is a payer's business: endpoints and their errors are ours. */
function unsentBecause(detail: string): string {
  if (/gas money/.test(detail)) return "the relayer is out of gas money; the operator was told";
  if (/ceiling/.test(detail)) return "gas costs more than this service pays";
  return "the chain cannot be reached now";
}

/** A lane that cannot be reached has an unknown end; the wallet's alarm asks again. */
async function settle(ports: Ports, job: SettlementJob): Promise<SettlementEnd> {
  try {
    return await ports.chain.settle(job, SETTLE_WAIT_MS);
  } catch {
    return { end: "unknown", txHash: undefined };
  }
}

/**
 * Nobody paid: what the wallet is owed is spent first, if a proof came along and it covers the price; else a 402, which writes
 * nothing but the proof's nonce.
 */
async function withoutPayment(ports: Ports, call: Call, paying: Paying): Promise<Paid> {
  const { wallet, proof, ask, newIn } = paying;
  const full = await withoutRoom(ports, { region: newIn, wallet });
  if (full) return not(full);
  if (wallet !== undefined && proof !== undefined) {
    const spent = await ports.wallet(wallet).spendCredit(proof, paying.purchase, paying.key);
    if (!spent.ok) return not(spent);
    if (spent.bought) return { ok: true, paid: true, wallet, ...spent.bought, fresh: true, headers: {} };
  }
  return not(await required(ports, call, ask, "payment_required", "Payment authorization header is required"));
}

/** 202: wait, do not pay. The published client reads any 2xx as success, so a version-1 proof gets 409. */
function pending(ports: Ports, paying: Paying, payment: PaymentRecord, order: Order | undefined): Outcome {
  const message =
    "The payment is on its way and its outcome is not known yet. Send the same request again; do not pay again.";
  const status_url = statusUrl(ports, payment.paymentId);
  if (paying.proofVersion === "1")
    return refuse("payment_pending", message, {
      facts: { payment_state: "pending", payment_id: payment.paymentId, status_url },
      retryAfterS: 3,
    });
  return answer(
    {
      payment_state: "pending",
      payment_id: payment.paymentId,
      ...(order === undefined ? {} : { order_id: order.orderId, ticket: ports.tickets.issue(order.orderId) }),
      ...(payment.txHash === undefined ? {} : { trans_id: payment.txHash }),
      status_url,
      retry_after_s: 3,
      message,
    },
    { "retry-after": "3" },
    202,
  );
}

/** Which claim the payment that came along would be, before anything is known about it; undefined when none came. */
export function claimShown(ports: Ports, call: Call): { claimKey: string; identifier: KeyUse | undefined } | undefined {
  const header = readPayment(call.header(X402_HEADERS.payment), call.header(X402_HEADERS.paymentV1));
  if (header.kind !== "payment") return undefined;
  const { authorization, extensions } = header.payment;
  const identifier = readPaymentIdentifier(extensions);
  return {
    claimKey: claimKeyOf(ports.network.caip2, ports.network.usdc, authorization),
    identifier: identifier.kind === "id" ? identifierUse(call.path, identifier.id, {}) : undefined,
  };
}

/** The receipt of a payment made before, in the header families of the payment that came along. */
export async function receiptAgain(
  ports: Ports,
  call: Call,
  ask: Ask,
  payment: PaymentRecord,
): Promise<Record<string, string>> {
  const header = readPayment(call.header(X402_HEADERS.payment), call.header(X402_HEADERS.paymentV1));
  return header.kind === "payment" ? receiptHeaders(ports, ask, payment, header.families) : {};
}

/** The order that was paid; only a purchase of one has it. */
export function orderPaid(paid: Extract<Paid, { paid: true }>): Order {
  if (!paid.order) throw new Error(`invariant: ${paid.payment.paymentId} paid for no order`);
  return paid.order;
}

async function receiptHeaders(
  ports: Ports,
  ask: Ask,
  payment: PaymentRecord,
  families: Families,
): Promise<Record<string, string>> {
  const extensions = await receiptExtension(ports, ask, payment);
  const receipt = encodeReceipt({
    success: true,
    transaction: payment.txHash ?? "",
    network: families.v2 ? ask.network.caip2 : ask.network.v1,
    payer: payment.authorization.from,
    amount: payment.amount,
    asset: ask.network.usdc,
    ...(extensions === undefined ? {} : { extensions }),
  });
  return {
    ...(families.v2 ? { [X402_HEADERS.response]: receipt } : {}),
    ...(families.v1 ? { [X402_HEADERS.responseV1]: receipt } : {}),
  };
}

/** Nothing was paid by this very request, and nothing is wrong with it: what was paid before decides. */
export function notNow(code: RefusalCode): boolean {
  return code === "payment_required" || code === "no_room";
}

function not(outcome: Outcome): Paid {
  return { ok: true, paid: false, outcome };
}

/** What we ask for an object: the amount, for whom, and for which URL of ours. */
export function askOf(ports: Ports, call: Call, amount: bigint, what: string): Ask {
  return {
    network: ports.network,
    payTo: ports.policy.payTo,
    amount,
    resourceUrl: `${ports.publicUrl}${call.path}`,
    description: `mnemospark: 30 days of storage for ${what}, ${formatMicroUsdc(amount)} micro-USDC`,
  };
}

/** Who was told a price within the last hour pays that price, whatever card came since. */
export function priceTold(now: PricedNow, call: Call): Priced {
  const tendered = tenderedAmount(call);
  return now.honoured.find(({ price }) => price.total === tendered && tendered !== now.price.total) ?? now;
}

/** What the payment that came along, if any, is for. */
function tenderedAmount(call: Call): bigint | undefined {
  const read = readPayment(call.header(X402_HEADERS.payment), call.header(X402_HEADERS.paymentV1));
  return read.kind === "payment" ? read.payment.authorization.value : undefined;
}
