/**
 * Pays the next 30 days of one object by x402 with a wallet of the browser. Two signatures: the proof of who asks, and a USDC
 * authorization over exactly the price that was shown, to be charged once at most whatever becomes of the answers.
 */
import { base64ToJson } from "#contract/base64";
import { bytesToHex } from "#contract/bytes";
import { PAYMENT_TIMEOUT_S } from "#contract/limits";
import { formatDollars, parseMicroUsdc } from "#contract/money";
import { PROOF_HEADER } from "#contract/proof";
import type { SettleReply } from "#contract/settling";
import { parseWallet } from "#contract/wallet";
import {
  type Authorization,
  encodePayment,
  networkOf,
  PaymentRequired,
  transferTypedData,
  X402_HEADERS,
} from "#contract/x402";
import { problemOf, Refused, send } from "./edge.ts";
import type { Row } from "./rows.ts";
import { accountOf, NotSigned, proofOf, type Signing, signTyped, switchTo } from "./wallet.ts";

const PATH = "/payment/settle";
/** A block is two seconds; the authorization itself is over after two minutes. */
const PENDING_TRIES_MAX = 40;

interface Renewal extends Signing {
  readonly row: Row;
  /** Idempotency-Key. */
  readonly key: string;
}

/** @throws NotSigned, Refused */
export async function renewObject(renewal: Renewal): Promise<{ paidThrough: string; already: boolean }> {
  const { row, wallet, key } = renewal;
  const body = { wallet_address: wallet, renewal: true, agent_id: row.agent, object_key: row.key };
  const headers = { "idempotency-key": key, [PROOF_HEADER]: await proofOf(renewal, PATH, body) };
  const asked = await send(PATH, body, headers);
  if (asked.response.status !== 402) return settled(asked);
  const payment = await paymentFor(renewal, asked.response.headers.get(X402_HEADERS.required));
  const paying = { ...headers, [X402_HEADERS.payment]: payment };
  for (let tries = 0; tries < PENDING_TRIES_MAX; tries++) {
    // The very same payment again where an answer is lost or open: it settles once.
    const answer = await send(PATH, body, paying).catch(() => undefined);
    if (answer && !isOpen(answer)) return settled(answer);
    const pauseS = Number(answer?.response.headers.get("retry-after") ?? 2);
    await new Promise((resolve) => setTimeout(resolve, 1000 * Math.min(Math.max(pauseS, 1), 5)));
  }
  throw new NotSigned(
    "The payment is on its way, but its outcome is still open. Reload in a few minutes; do not pay again.",
  );
}

type Answer = Awaited<ReturnType<typeof send>>;

function settled({ response, json }: Answer): { paidThrough: string; already: boolean } {
  if (!response.ok) throw new Refused(problemOf(json, response.status));
  const { paid_through, result } = json as SettleReply;
  return { paidThrough: paid_through, already: result === "already_settled" };
}

function isOpen({ response, json }: Answer): boolean {
  if (response.status === 202 || response.status === 503) return true;
  return response.status === 409 && problemOf(json, 409).code === "payment_pending";
}

async function paymentFor(renewal: Renewal, header: string | null): Promise<string> {
  const { row, chainId, nowMs, provider } = renewal;
  const network = networkOf(chainId);
  const parsed = PaymentRequired.safeParse(header === null ? undefined : base64ToJson(header));
  const offer = parsed.success ? parsed.data.accepts.find(({ scheme }) => scheme === "exact") : undefined;
  const payTo = parseWallet(offer?.payTo);
  const amount = parseMicroUsdc(offer?.amount ?? "");
  if (!parsed.success || !offer || !network || !payTo || amount === undefined)
    throw new NotSigned("The service asks for a payment this page does not understand; nothing was signed.");
  if (offer.network !== network.caip2 || offer.asset.toLowerCase() !== network.usdc.toLowerCase())
    throw new NotSigned("The service asks for another token or network than USDC on Base; nothing was signed.");
  if (amount > row.amount)
    throw new NotSigned(
      `The service asks for ${formatDollars(amount)}; shown were ${formatDollars(row.amount)}. Nothing was signed; reload the list.`,
    );
  const from = await accountOf(renewal);
  const nowS = BigInt(Math.floor(nowMs / 1000));
  const authorization: Authorization = {
    from,
    to: payTo,
    value: amount,
    // Ten minutes back: block time may trail our clock.
    validAfterS: nowS - 600n,
    validBeforeS: nowS + BigInt(Math.min(offer.maxTimeoutSeconds, PAYMENT_TIMEOUT_S)),
    nonce: `0x${bytesToHex(crypto.getRandomValues(new Uint8Array(32)))}`,
  };
  // A token's typed data is signed only by a wallet that is on the token's chain.
  await switchTo(provider, chainId);
  const signature = await signTyped(provider, from, transferTypedData(network, authorization));
  return encodePayment(offer, parsed.data.resource.url, authorization, signature);
}
