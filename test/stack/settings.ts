/** What each Worker of the stack is told. The names on the left are the Workers' own; this is the one place that maps them. */
import { privateKeyToAddress } from "viem/accounts";
import type { Ports } from "./ports.ts";
import type { Keys } from "./state-directory.ts";

export const REGION = "us-east-1";
export const ACCOUNT_ID = "000000000001";
export const RELAYER_SECRET = "mnemospark/relayer-private-key";
export const RECEIPT_SECRET = "mnemospark/receipt-private-key";
const S3_REGIONS = ["us-east-1", "eu-north-1"];

export interface Urls {
  readonly edge: string;
  readonly s3: string;
  readonly chain: string;
  readonly secrets: string;
  readonly pricing: string;
}

export interface WorkerInputs {
  readonly vars: Readonly<Record<string, string>>;
  readonly secrets: Readonly<Record<string, string>>;
}

export function urlsOf(ports: Ports): Urls {
  const url = (port: number) => `http://127.0.0.1:${port}`;
  const { edge, s3, chain, secrets, pricing } = ports;
  return { edge: url(edge), s3: url(s3), chain: url(chain), secrets: url(secrets), pricing: url(pricing) };
}

export function edgeInputs(keys: Keys, urls: Urls, chain: { chainId: number; identity: string }): WorkerInputs {
  return {
    vars: {
      CHAIN_ID: String(chain.chainId),
      CHAIN_IDENTITY: chain.identity,
      RPC_URLS: urls.chain,
      PAY_TO: privateKeyToAddress(keys.payTo),
      MARKUP_PERCENT: "20",
      PRICE_MIN_MICRO_USDC: "10000",
      RELAYERS: `${privateKeyToAddress(keys.relayer)}=${RELAYER_SECRET}`,
      RECEIPTS: `${privateKeyToAddress(keys.receipts)}=${RECEIPT_SECRET}`,
      AWS_ACCOUNT_ID: ACCOUNT_ID,
      S3_REGIONS: S3_REGIONS.join(","),
      S3_ENDPOINT: urls.s3,
      SECRETS_ENDPOINT: urls.secrets,
      SECRETS_REGION: REGION,
      PRICING_ENDPOINT: urls.pricing,
      PUBLIC_URL: urls.edge,
    },
    secrets: {
      S3_ACCESS_KEY_ID: keys.s3.accessKeyId,
      S3_SECRET_ACCESS_KEY: keys.s3.secretAccessKey,
      SECRETS_ACCESS_KEY_ID: keys.secretsManager.accessKeyId,
      SECRETS_SECRET_ACCESS_KEY: keys.secretsManager.secretAccessKey,
      PRICING_ACCESS_KEY_ID: keys.pricing.accessKeyId,
      PRICING_SECRET_ACCESS_KEY: keys.pricing.secretAccessKey,
      TICKET_KEY: keys.ticketKey,
    },
  };
}

export function s3Inputs(keys: Keys): WorkerInputs {
  const { accessKeyId, secretAccessKey } = keys.s3;
  return {
    vars: { S3_REGIONS: S3_REGIONS.join(",") },
    secrets: { S3_CREDENTIALS: JSON.stringify({ [accessKeyId]: { secretAccessKey, accountId: ACCOUNT_ID } }) },
  };
}
