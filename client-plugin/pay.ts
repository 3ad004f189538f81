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

export interface Payer {
  /** The PAYMENT-SIGNATURE for a PAYMENT-REQUIRED header. @throws PaymentRefused when it asks for what was not agreed. */
  pay(required: string | null, held: Held): Promise<string>;
}

export interface PayerOptions {
  readonly signer: Signer;
  readonly network: Network;
  readonly payTo: Wallet;
  /** No single payment above this, whatever was quoted. */
  readonly capPerCall: MicroUsdc;
  /** Called with the authorization before it is sent anywhere, so that it can be kept. */
  readonly remember?: (authorization: Authorization, signature: string) => Promise<void>;
}

export function createPayer(options: PayerOptions): Payer {
  return {
    async pay(required, held) {
      const { accepted, amount, url } = choose(required, options, held);
      const from = parseWallet(options.signer.address);
      if (!from) throw new PaymentRefused("malformed", `${options.signer.address} is not an address`);
      const nowS = BigInt(Math.floor(Date.now() / 1000));
      const authorization: Authorization = {
        from,
        to: options.payTo,
        value: amount,
        // Ten minutes back: block time may trail our clock.
        validAfterS: nowS - 600n,
        validBeforeS: nowS + BigInt(Math.min(accepted.maxTimeoutSeconds, PAYMENT_TIMEOUT_S)),
        nonce: `0x${bytesToHex(crypto.getRandomValues(new Uint8Array(32)))}`,
      };
      const signature = await options.signer.signTypedData(
        // viem reads `as const` types; what it signs is exactly the contract's typed data.
        transferTypedData(options.network, authorization) as unknown as Parameters<Signer["signTypedData"]>[0],
      );
      await options.remember?.(authorization, signature);
      return encodePayment(accepted, url, authorization, signature);
    },
  };
}

function choose(required: string | null, options: PayerOptions, held: Held) {
  const parsed = PaymentRequired.safeParse(required === null ? undefined : base64ToJson(required));
  if (!parsed.success)
    throw new PaymentRefused("malformed", "The server asks for a payment, but not in the language of x402 v2.");
  const { network, payTo, capPerCall } = options;
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
  if (parseWallet(accepted.payTo) !== payTo)
    throw new PaymentRefused("payee", `The server asks to pay ${accepted.payTo}; this client pays ${payTo} only.`);
  const amount = parseMicroUsdc(accepted.amount);
  if (amount === undefined)
    throw new PaymentRefused("malformed", `The server asks for the amount ${JSON.stringify(accepted.amount)}.`);
  if (amount > held.amountMax)
    throw new PaymentRefused(
      "amount",
      `The server asks for ${formatDollars(amount)}; quoted were ${formatDollars(held.amountMax)}. Nothing was signed.`,
    );
  if (amount > capPerCall)
    throw new PaymentRefused(
      "cap",
      `${formatDollars(amount)} is above the cap of ${formatDollars(capPerCall)} per payment. Nothing was signed.`,
    );
  return { accepted, amount, url: parsed.data.resource.url };
}
