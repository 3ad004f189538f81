/**
 * The only reader of bindings and of the clock: Env -> ports, or a clear sentence about what is missing.
 * Markup, minimum, recipient and chain have no default here: a deployment that forgot one must not sell anything.
 */
import * as z from "zod";
import { parseWallet, type Wallet } from "#contract/wallet";
import { firstIssue, type Network, networkOf } from "#contract/x402";
import { revertReason } from "#rules/revert";
import { dispatch } from "../durable/dispatch.ts";
import type { HeartbeatObject } from "../durable/heartbeat.ts";
import type { RelayerPorts } from "../durable/lane-ports.ts";
import type { Chain, Clock, Forecasts, Policy, Rates } from "../durable/ports.ts";
import type { RatesObject, RatesPorts } from "../durable/rates.ts";
import { type RegistryObject, type RegistryPorts, SHARDS, shardOf } from "../durable/registry.ts";
import type { RelayerObject } from "../durable/relayer.ts";
import type { WalletObject, WalletPorts } from "../durable/wallet.ts";
import { openCalculator } from "./adapters/aws/calculator.ts";
import { NO_FORECASTS, openForecasts } from "./adapters/aws/cost-explorer.ts";
import { openPriceList } from "./adapters/aws/price-list.ts";
import { openSecrets } from "./adapters/aws-secrets.ts";
import { type ContractSigned, openContractSigned } from "./adapters/base/contract-wallet.ts";
import { buildBatch, buildCancel, buildSettlement } from "./adapters/base-transactions.ts";
import { openChain } from "./adapters/base-usdc.ts";
import { openFacilitator } from "./adapters/facilitator.ts";
import { openRates } from "./adapters/rate-card.ts";
import { openReceipts } from "./adapters/receipts.ts";
import { browserOrigins, type Configured, readStores, regionsOf, StoreSettings } from "./adapters/s3/configured.ts";
import { openStore } from "./adapters/s3/store.ts";
import { openSeals } from "./adapters/seals.ts";
import { digestOf, recoverSigner, recoverTextSigner } from "./adapters/signature.ts";
import { openStores } from "./adapters/stores.ts";
import { openTickets } from "./adapters/tickets.ts";
import { Misconfigured } from "./flow/misconfigured.ts";
import type { Ports, Receipts, TickPorts, WalletRemote } from "./flow/ports.ts";

export interface Env {
  readonly WALLET: DurableObjectNamespace<WalletObject>;
  readonly RELAYER: DurableObjectNamespace<RelayerObject>;
  readonly RATES: DurableObjectNamespace<RatesObject>;
  readonly REGISTRY: DurableObjectNamespace<RegistryObject>;
  readonly HEARTBEAT: DurableObjectNamespace<HeartbeatObject>;
  /** Optional: a deployment may leave the counting to what stands in front of it. */
  readonly RATE?: RateLimit;
}

/** One flood is one address, as Cloudflare saw it; locally there is only one. */
export async function admit(env: Env, request: Request): Promise<boolean> {
  const key = request.headers.get("cf-connecting-ip") ?? "local";
  return env.RATE === undefined || (await env.RATE.limit({ key })).success;
}

const Address = z
  .string()
  .refine((text) => parseWallet(text) !== undefined, "wanted an address")
  .transform((text) => parseWallet(text) as Wallet);
const List = z
  .string()
  .min(1)
  .transform((text) => text.split(",").map((each) => each.trim()));
const Whole = z.string().regex(/^\d{1,18}$/, "wanted a whole number");

/** Every variable and secret this service reads. */
const Settings = z.object({
  CHAIN_ID: Whole.transform(Number),
  RPC_URLS: List,
  PAY_TO: Address,
  MARKUP_PERCENT: Whole.transform(BigInt),
  PRICE_MIN_MICRO_USDC: Whole.transform(BigInt),
  /** Transfers above this are believed when two RPC endpoints agree; 1 USDC where there are several. */
  QUORUM_ABOVE_MICRO_USDC: Whole.transform(BigInt).optional(),
  /** `<relayer address>=<secret id>`, comma separated. Either these or a facilitator settle. */
  RELAYERS: List.optional(),
  FACILITATOR_URL: z.url().optional(),
  FEE_CEILING_GWEI: Whole.default("50").transform((gwei) => BigInt(gwei) * 1_000_000_000n),
  /** Payments above this are believed at the `safe` head only; 10 USDC. */
  SAFE_ABOVE_MICRO_USDC: Whole.default("10000000").transform(BigInt),
  ...StoreSettings,
  /** Of Secrets Manager, where keys are kept; needed by RELAYERS and RECEIPTS. */
  SECRETS_ENDPOINT: z.url().optional(),
  SECRETS_REGION: z.string().min(1).optional(),
  SECRETS_ACCESS_KEY_ID: z.string().min(1).optional(),
  SECRETS_SECRET_ACCESS_KEY: z.string().min(1).optional(),
  /** One stand-in for all of AWS's price services; absent for AWS, where each has a host of its own. */
  PRICING_ENDPOINT: z.url().optional(),
  PRICING_ACCESS_KEY_ID: z.string().min(1).optional(),
  PRICING_SECRET_ACCESS_KEY: z.string().min(1).optional(),
  /** `<address>=<secret id>` of the key that signs offers and receipts; without it nothing is signed. */
  RECEIPTS: z.string().optional(),
  /** Addresses, comma separated, of whoever may read every wallet's ledger and ask as the operator; nobody without it. */
  OPERATORS: List.pipe(z.array(Address)).optional(),
  TICKET_KEY: z.string().regex(/^[0-9a-fA-F]{64}$/, "wanted 64 hex digits"),
  PUBLIC_URL: z.url().transform((url) => url.replace(/\/$/, "")),
});
type Settings = z.infer<typeof Settings>;

const clock: Clock = { nowMs: () => Date.now() };

interface Opened {
  readonly settings: Settings;
  readonly network: Network;
  readonly policy: Policy;
  readonly store: Ports["store"];
  readonly configured: Configured;
  readonly relayers: ReadonlyMap<Wallet, string>;
  /** Instead of relayers. */
  readonly facilitator: ReturnType<typeof openFacilitator> | undefined;
  readonly contractSigned: ContractSigned;
  readonly receipts: Receipts | undefined;
  /** Remembers, for seconds, what the shelf said. */
  readonly rates: Rates;
}

const openedBy = new WeakMap<object, Opened>();

/** Parsed once an isolate: the bindings do not change under a running one. */
function open(env: Env): Opened {
  const known = openedBy.get(env);
  if (known) return known;
  const opened = parse(env);
  openedBy.set(env, opened);
  return opened;
}

function parse(env: Env): Opened {
  const parsed = Settings.safeParse(env);
  if (!parsed.success) throw new Misconfigured(`The deployment is not configured: ${firstIssue(parsed.error)}`);
  const settings = parsed.data;
  const network = networkOf(settings.CHAIN_ID);
  if (!network) throw new Misconfigured(`CHAIN_ID ${settings.CHAIN_ID} is not served; wanted 8453 or 84532`);
  const configured = readStores(settings);
  if (!configured.ok) throw new Misconfigured(`The deployment is not configured: ${configured.detail}`);
  // Said at the start, not at the first payment.
  if (settings.RELAYERS !== undefined) secretsOf(settings);
  return {
    settings,
    network,
    relayers: new Map((settings.RELAYERS ?? []).map((entry) => keyPlaceOf("RELAYERS", entry))),
    facilitator: facilitatorOf(settings, network),
    contractSigned: openContractSigned(network, settings.RPC_URLS),
    rates: ratesOf(env, settings, configured),
    receipts: settings.RECEIPTS === undefined ? undefined : receiptsOf(settings, settings.RECEIPTS),
    store: openStores(new Map([...configured.stores].map(([name, config]) => [name, openStore(config, clock)]))),
    configured,
    policy: {
      payTo: settings.PAY_TO,
      markupPercent: settings.MARKUP_PERCENT,
      priceMinimum: settings.PRICE_MIN_MICRO_USDC,
      regions: configured.regions,
      defaultRegion: configured.regions[0] ?? "",
      stores: configured.storeOf,
    },
  };
}

const rpcOf = (settings: Settings, network: Network) =>
  openChain(network, settings.RPC_URLS, { quorumAboveMicroUsdc: settings.QUORUM_ABOVE_MICRO_USDC });

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Exactly one way to settle: with two, a claim could be with both. */
function facilitatorOf(settings: Settings, network: Network): ReturnType<typeof openFacilitator> | undefined {
  const { FACILITATOR_URL: url, RELAYERS } = settings;
  if ((url === undefined) === (RELAYERS === undefined))
    throw new Misconfigured("Exactly one of RELAYERS and FACILITATOR_URL must be set");
  if (settings.QUORUM_ABOVE_MICRO_USDC !== undefined && new Set(settings.RPC_URLS).size < 2)
    throw new Misconfigured("QUORUM_ABOVE_MICRO_USDC needs two RPC_URLS");
  if (url === undefined) return undefined;
  const rpc = rpcOf(settings, network);
  return openFacilitator({ url, network, rpc, clock, resourceUrl: settings.PUBLIC_URL, reasonOf: revertReason, pause });
}

function keyPlaceOf(setting: string, entry: string): [Wallet, string] {
  const [address, secretId] = entry.split("=");
  const wallet = parseWallet(address);
  if (!wallet || !secretId)
    throw new Misconfigured(`${setting}: ${JSON.stringify(entry)} is not <address>=<secret id>`);
  return [wallet, secretId];
}

function receiptsOf(settings: Settings, entry: string): Receipts {
  const [signer, secretId] = keyPlaceOf("RECEIPTS", entry);
  return openReceipts({ signer, secretId, secrets: secretsOf(settings), clock });
}

function secretsOf(settings: Settings) {
  const { SECRETS_REGION: region, SECRETS_ACCESS_KEY_ID, SECRETS_SECRET_ACCESS_KEY } = settings;
  const needed = { SECRETS_REGION: region, SECRETS_ACCESS_KEY_ID, SECRETS_SECRET_ACCESS_KEY };
  const missing = Object.entries(needed).flatMap(([name, value]) => (value === undefined ? [name] : []));
  if (region === undefined || SECRETS_ACCESS_KEY_ID === undefined || SECRETS_SECRET_ACCESS_KEY === undefined)
    throw new Misconfigured(`RELAYERS and RECEIPTS keep their keys in Secrets Manager; missing: ${missing.join(", ")}`);
  return openSecrets({
    endpoint: settings.SECRETS_ENDPOINT ?? `https://secretsmanager.${region}.amazonaws.com`,
    region,
    accessKeyId: SECRETS_ACCESS_KEY_ID,
    secretAccessKey: SECRETS_SECRET_ACCESS_KEY,
  });
}

/** Prices and forecasts are asked with credentials of their own, where there are any. */
function pricingOf({ PRICING_ENDPOINT, PRICING_ACCESS_KEY_ID, PRICING_SECRET_ACCESS_KEY }: Settings) {
  if ((PRICING_ACCESS_KEY_ID === undefined) !== (PRICING_SECRET_ACCESS_KEY === undefined))
    throw new Misconfigured("PRICING_ACCESS_KEY_ID and PRICING_SECRET_ACCESS_KEY must be set both or neither");
  if (PRICING_ACCESS_KEY_ID === undefined || PRICING_SECRET_ACCESS_KEY === undefined) return undefined;
  const credentials = { accessKeyId: PRICING_ACCESS_KEY_ID, secretAccessKey: PRICING_SECRET_ACCESS_KEY };
  return { endpoint: PRICING_ENDPOINT, credentials };
}

/** The one object that keeps the cards; without credentials for prices there is nothing to keep. */
function ratesOf(env: Env, settings: Settings, configured: Configured): Rates {
  const atAws = regionsOf(configured, ["aws"]).length > 0;
  const notAws = regionsOf(configured, ["r2"]);
  if (pricingOf(settings) === undefined) {
    if (atAws) throw new Misconfigured("PRICING_ACCESS_KEY_ID and PRICING_SECRET_ACCESS_KEY must be set: S3 is AWS's");
    return openRates({ anyAge: true, notAws });
  }
  // A store of one's own has no AWS price that could change under an old card.
  return openRates({ anyAge: !atAws, notAws, shelf: { cards: () => env.RATES.getByName("rates").cards() } });
}

export function openRatesPorts(env: Env): RatesPorts {
  const { settings, configured } = open(env);
  const { AWS_ACCOUNT_ID: accountId } = settings;
  const pricing = pricingOf(settings);
  const newToken = () => crypto.randomUUID();
  const sources =
    pricing === undefined
      ? []
      : [
          ...(accountId === undefined ? [] : [openCalculator({ ...pricing, accountId, pause, newToken })]),
          openPriceList({ ...pricing, pause }),
        ];
  return { clock, sources, regions: regionsOf(configured, ["aws", "other"]) };
}

function forecastsOf({ settings }: Opened): Forecasts {
  const pricing = pricingOf(settings);
  return pricing === undefined ? NO_FORECASTS : openForecasts(pricing);
}

function chainOf(env: Env, { settings, network, relayers, facilitator }: Opened): Chain {
  const headMs = async () => Number((await rpcOf(settings, network).head("finalized")).timeS) * 1000;
  return facilitator ?? dispatch([...relayers.keys()], (address) => env.RELAYER.getByName(address), headMs);
}

const pulseOf = (env: Env) => ({ read: () => env.HEARTBEAT.getByName("heartbeat").pulse() });

export function openPorts(env: Env): Ports {
  const opened = open(env);
  const { settings } = opened;
  return {
    clock,
    network: opened.network,
    policy: opened.policy,
    operators: settings.OPERATORS ?? [],
    registries: SHARDS.map((name) => ({
      dueAfter: (after, untilMs, atMost) => env.REGISTRY.getByName(name).dueAfter(after, untilMs, atMost),
    })),
    shelf: { state: () => env.RATES.getByName("rates").state(), refresh: () => env.RATES.getByName("rates").refresh() },
    chain: chainOf(env, opened),
    store: opened.store,
    rates: opened.rates,
    pulse: pulseOf(env),
    publicUrl: settings.PUBLIC_URL,
    storeOrigins: browserOrigins(opened.configured),
    tickets: openTickets(settings.TICKET_KEY),
    wallet: (address) => env.WALLET.getByName(address) as unknown as WalletRemote,
    seals: openSeals(settings.TICKET_KEY),
    receipts: opened.receipts,
    signerOfText: recoverTextSigner,
    contractSigned: (signed, signature, address) =>
      opened.contractSigned(address, digestOf(signed as Parameters<typeof digestOf>[0]), signature),
    signerOf: (data, signature) => recoverSigner(data as Parameters<typeof recoverSigner>[0], signature),
  };
}

export function openWalletPorts(env: Env): WalletPorts {
  const opened = open(env);
  return {
    clock,
    chain: chainOf(env, opened),
    store: opened.store,
    policy: opened.policy,
    forecasts: forecastsOf(opened),
    rates: opened.rates,
    pulse: pulseOf(env),
    registry: { put: (wallet, due) => env.REGISTRY.getByName(shardOf(wallet)).put(wallet, due) },
  };
}

export function openRegistryPorts(env: Env): RegistryPorts {
  return { clock, wake: (wallet) => env.WALLET.getByName(wallet).wake() };
}

/** What a minute's errands need (cron.ts). */
export function openTickPorts(env: Env): TickPorts {
  const opened = open(env);
  const { settings, network, relayers, facilitator } = opened;
  const lanesReady = () => Promise.all([...relayers.keys()].map((address) => env.RELAYER.getByName(address).ready()));
  return {
    clock,
    chainMs: async () => Number((await rpcOf(settings, network).head("latest")).timeS) * 1000,
    canSettle: async () => (facilitator ? facilitator.ready() : (await lanesReady()).includes(true)),
    beat: (alive) => env.HEARTBEAT.getByName("heartbeat").beat(alive),
    registries: SHARDS.map((name) => () => env.REGISTRY.getByName(name).wakeOverdue()),
  };
}

export { clock };

export function openRelayerPorts(env: Env, address: string): RelayerPorts {
  const opened = open(env);
  const { settings, network } = opened;
  const wallet = parseWallet(address);
  return {
    clock,
    rpc: rpcOf(settings, network),
    secrets: secretsOf(settings),
    secretId: (wallet && opened.relayers.get(wallet)) ?? "",
    feeCeilingWei: settings.FEE_CEILING_GWEI,
    safeAbove: settings.SAFE_ABOVE_MICRO_USDC,
    pause,
    build: {
      pay: (job, nonce, fees) => buildSettlement(network, job, nonce, fees),
      batch: (jobs, nonce, fees) => buildBatch(network, jobs, nonce, fees),
      cancel: (self, nonce, fees) => buildCancel(network, self, nonce, fees),
    },
  };
}
