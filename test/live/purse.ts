/** Payments made by hand, so that any part of one can be wrong. */
import { generatePrivateKey, type PrivateKeyAccount } from "viem/accounts";
import { base64ToJson } from "#contract/base64";
import { parseWallet } from "#contract/wallet";
import { type Authorization, encodePayment, networkOf, PaymentRequired, transferTypedData } from "#contract/x402";
import { walletOf } from "./door.ts";

/** What differs from an honest payment. The signature is over what is then written, unless it is given. */
export type PaymentLie = Partial<{
  authorization: Partial<Authorization>;
  domainName: string;
  accepted: Partial<Record<"scheme" | "network" | "asset" | "payTo" | "amount", string>>;
  resourceUrl: string;
  signature: `0x${string}`;
}>;

export interface Signed {
  /** PAYMENT-SIGNATURE. */
  readonly header: string;
  readonly authorization: Authorization;
  readonly signature: `0x${string}`;
}

export function required(headers: Headers): PaymentRequired {
  return PaymentRequired.parse(base64ToJson(headers.get("payment-required") ?? ""));
}

export async function sign(account: PrivateKeyAccount, asked: PaymentRequired, lie: PaymentLie = {}): Promise<Signed> {
  const [offer] = asked.accepts;
  const network = networkOf(84_532);
  const payTo = parseWallet(offer?.payTo);
  if (!offer || !network || !payTo) throw new Error("the 402 offers nothing this purse knows");
  const nowS = BigInt(Math.floor(Date.now() / 1000));
  const authorization: Authorization = {
    from: walletOf(account),
    to: payTo,
    value: BigInt(offer.amount),
    validAfterS: nowS - 600n,
    validBeforeS: nowS + 120n,
    nonce: generatePrivateKey(),
    ...lie.authorization,
  };
  const typed = transferTypedData(network, authorization);
  const domain = { ...typed.domain, ...(lie.domainName === undefined ? {} : { name: lie.domainName }) };
  const signature = lie.signature ?? (await account.signTypedData({ ...typed, domain }));
  const url = lie.resourceUrl ?? asked.resource.url;
  const header = encodePayment({ ...offer, ...lie.accepted }, url, authorization, signature);
  return { header, authorization, signature };
}
