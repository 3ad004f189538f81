/**
 * The payer: signs what was quoted, never more. Payee, asset and network are pinned by configuration, the amount by the quote the
 * caller holds; a 402 that asks for anything else is refused before a signature exists.
 */
import { base64ToJson } from "#contract/base64";
import { bytesToHex } from "#contract/bytes";
import { PAYMENT_TIMEOUT_S } from "#contract/limits";
import { formatDollars, type MicroUsdc, parseMicroUsdc } from "#contract/money";
import { parseWallet, type Wallet } from "#contract/wallet";
import { type Authorization, encodePayment, type Network, PaymentRequired, transferTypedData } from "#contract/x402";
import type { Signer } from "./signer.ts";

/** What the caller has agreed to. */
export interface Held {
  readonly amountMax: MicroUsdc;
  /** What is bought, in one word: the same on every attempt, so that an attempt can find what an earlier one signed. */
  readonly purchase?: string;
  /** What is bought is used up by having it: when an earlier payment was charged, another may follow. */
  readonly consumable?: boolean;
}

export type PaymentRefusal = "malformed" | "amount" | "payee" | "asset" | "network" | "cap" | "pending";

export class PaymentRefused extends Error {
  readonly code: PaymentRefusal;
  constructor(code: PaymentRefusal, message: string) {
    super(message);
    this.name = "PaymentRefused";
    this.code = code;
  }
}

/** Where authorizations are written down before they exist, and where the spend policy is asked. */
export interface SpendLedger {
  /** What was signed for this purchase and may have been, or may still be, charged. There is never more than one. */
  live(purchase: string): Authorization | undefined;
  /** Its time is over: the chain says that it was charged, or it cannot be any more. */
  over(nonce: string, charged: boolean): void;
  /** Asks the policy and writes the row, at once. @throws PaymentRefused `cap`, `payee` */
  reserve(purchase: string, authorization: Authorization, nowMs: number): void;
}

export interface Payer {
  /** The PAYMENT-SIGNATURE for a PAYMENT-REQUIRED header. @throws PaymentRefused when it asks for what was not agreed. */
  pay(required: string | null, held: Held): Promise<string>;
}

export interface PayerOptions {
  readonly signer: Signer;
  readonly network: Network;
  /** Only these are paid. */
  readonly payTo: Wallet | readonly Wallet[];
  /** No single payment above this, whatever was quoted; a ledger has caps of its own. */
  readonly capPerCall?: MicroUsdc;
  readonly ledger?: SpendLedger;
  /** Whether the token has seen this authorization; undefined when nobody can say. */
  readonly usedOnChain?: (authorization: Authorization) => Promise<boolean | undefined>;
}

/** Chain time may trail our clock: an authorization is over this long after its `validBefore`. */
const OVER_AFTER_S = 90;

/** Seconds until it can be charged no more; 0 or less when it cannot. */
export function overInS({ validBeforeS }: Authorization, nowMs: number): number {
  return Number(validBeforeS) + OVER_AFTER_S - Math.floor(nowMs / 1000);
}

export function createPayer(options: PayerOptions): Payer {
  return {
    async pay(required, held) {
      const { accepted, payTo, amount, url } = choose(required, options, held);
      const authorization = await authorize(options, held, { payTo, amount, timeoutS: accepted.maxTimeoutSeconds });
      const signature = await options.signer.signTypedData(
        // viem reads `as const` types; what it signs is exactly the contract's typed data.
        transferTypedData(options.network, authorization) as unknown as Parameters<Signer["signTypedData"]>[0],
      );
      return encodePayment(accepted, url, authorization, signature);
    },
  };
}

/**
 * The authorization to sign: the one an earlier attempt made, while it can still be charged; else a new one, written down first.
 * So at any time at most one authorization per purchase can be charged, whatever the service does with them.
 */
async function authorize(
  { signer, ledger, usedOnChain }: PayerOptions,
  held: Held,
  terms: { payTo: Wallet; amount: MicroUsdc; timeoutS: number },
): Promise<Authorization> {
  const nowMs = Date.now();
  const earlier = held.purchase === undefined ? undefined : ledger?.live(held.purchase);
  if (earlier !== undefined) {
    const leftS = overInS(earlier, nowMs);
    if (leftS > 0 && earlier.value === terms.amount && earlier.to === terms.payTo) return earlier;
    const paid = formatDollars(earlier.value);
    if (leftS > 0)
      throw new PaymentRefused(
        "pending",
        `An earlier payment of ${paid} for this purchase can still be charged. Try again in ${leftS} s.`,
      );
    // The service asks to be paid, but the chain has the last word.
    const charged = (await usedOnChain?.(earlier)) === true;
    if (charged && held.consumable !== true)
      throw new PaymentRefused(
        "pending",
        `${paid} for this purchase were charged (authorization ${earlier.nonce}), but the service does not say so yet. Nothing more was signed.`,
      );
    ledger?.over(earlier.nonce, charged);
  }
  const from = parseWallet(signer.address);
  if (!from) throw new PaymentRefused("malformed", `${signer.address} is not an address`);
  const nowS = BigInt(Math.floor(nowMs / 1000));
  const authorization: Authorization = {
    from,
    to: terms.payTo,
    value: terms.amount,
    // Ten minutes back: block time may trail our clock.
    validAfterS: nowS - 600n,
    validBeforeS: nowS + BigInt(Math.min(terms.timeoutS, PAYMENT_TIMEOUT_S)),
    nonce: `0x${bytesToHex(crypto.getRandomValues(new Uint8Array(32)))}`,
  };
  if (held.purchase !== undefined) ledger?.reserve(held.purchase, authorization, nowMs);
  else if (ledger) throw new Error("invariant: what goes through the ledger has a name");
  return authorization;
}

function choose(required: string | null, options: PayerOptions, held: Held) {
  const parsed = PaymentRequired.safeParse(required === null ? undefined : base64ToJson(required));
  if (!parsed.success)
    throw new PaymentRefused("malformed", "The server asks for a payment, but not in the language of x402 v2.");
  const { network, capPerCall } = options;
  const payees = typeof options.payTo === "string" ? [options.payTo] : options.payTo;
  const accepted = parsed.data.accepts.find((each) => each.scheme === "exact");
  if (!accepted) throw new PaymentRefused("malformed", "The server takes no exact payment.");
  if (accepted.network !== network.caip2)
    throw new PaymentRefused(
      "network",
      `The server asks for a payment on ${accepted.network}; this client pays on ${network.caip2} only.`,
    );
  if (accepted.asset.toLowerCase() !== network.usdc.toLowerCase())
    throw new PaymentRefused(
      "asset",
      `The server asks for the token ${accepted.asset}; this client pays USDC (${network.usdc}) only.`,
    );
  // What is signed takes both from the table of networks; a server that names others would be sent a signature it has no use for.
  const { name = network.domainName, version = network.domainVersion } = accepted.extra ?? {};
  if (name !== network.domainName || version !== network.domainVersion)
    throw new PaymentRefused(
      "asset",
      `The server calls the token ${JSON.stringify(name)}, version ${JSON.stringify(version)}; USDC on ${network.label} is "${network.domainName}", version "${network.domainVersion}".`,
    );
  if (!Number.isSafeInteger(accepted.maxTimeoutSeconds) || accepted.maxTimeoutSeconds <= 0)
    throw new PaymentRefused("malformed", `The server gives ${accepted.maxTimeoutSeconds} s to pay, which is no time.`);
  const payTo = parseWallet(accepted.payTo);
  if (payTo === undefined || !payees.includes(payTo))
    throw new PaymentRefused(
      "payee",
      `The server asks to pay ${accepted.payTo}; this client pays ${payees.join(", ") || "nobody yet"} only.`,
    );
  const amount = parseMicroUsdc(accepted.amount);
  if (amount === undefined)
    throw new PaymentRefused("malformed", `The server asks for the amount ${JSON.stringify(accepted.amount)}.`);
  if (amount > held.amountMax)
    throw new PaymentRefused(
      "amount",
      `The server asks for ${formatDollars(amount)}; quoted were ${formatDollars(held.amountMax)}. Nothing was signed.`,
    );
  if (capPerCall !== undefined && amount > capPerCall)
    throw new PaymentRefused(
      "cap",
      `${formatDollars(amount)} is above the cap of ${formatDollars(capPerCall)} per payment. Nothing was signed.`,
    );
  return { accepted, payTo, amount, url: parsed.data.resource.url };
}
