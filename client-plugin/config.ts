/**
 * Settings, from the host's configuration and the environment, parsed once. The only reader of the environment.
 * What is absent has a default; what is present and wrong stops with a sentence, because a setting about money that is
 * silently ignored is worse than none.
 */
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import * as z from "zod";
import { AgentId, Region, WalletAddress } from "#contract/fields";
import type { MicroUsdc } from "#contract/money";
import type { Wallet } from "#contract/wallet";
import { type Network, networkOf } from "#contract/x402";
import { Fault } from "./faults.ts";

export interface Caps {
  readonly perCall: MicroUsdc;
  /** Within any 24 hours. */
  readonly perDay: MicroUsdc;
  /** Within any 30 days. */
  readonly perMonth: MicroUsdc;
}

export interface Settings {
  /** The service. */
  readonly baseUrl: string;
  /** The client's directory, `~/.openclaw/mnemospark` unless told otherwise. */
  readonly home: string;
  /** The host's own directory, in which other wallets are looked for. */
  readonly hostHome: string;
  readonly network: Network;
  /** A JSON-RPC endpoint, asked for balances only. */
  readonly rpcUrl: string;
  /** Only these are paid. Empty: the payee the service announced at first use, remembered from then on. */
  readonly approvedPayees: readonly Wallet[];
  readonly caps: Caps;
  readonly region: string;
  readonly agentId: string;
  /** A private key from the configuration. `unresolved`: a secret reference that the host could not resolve. */
  readonly walletKey:
    | { readonly kind: "none" }
    | { readonly kind: "unresolved" }
    | { readonly kind: "key"; key: string };
  readonly recovery: string | undefined;
  readonly proxy: { readonly enabled: boolean; readonly port: number; readonly socket: string | undefined };
  readonly downloads: string;
  /** Where agents may read and write besides their workspace and the downloads. */
  readonly agentPaths: readonly string[];
}

/** `1.25`, `"1.25"` or `"$1.25"` dollars, exactly. */
const Dollars = z.union([z.string(), z.number()]).transform((raw, context): MicroUsdc => {
  const match = /^\$?(\d{1,9})(?:\.(\d{1,6}))?$/.exec(String(raw).trim());
  if (match) return BigInt(match[1] ?? "0") * 1_000_000n + BigInt((match[2] ?? "").padEnd(6, "0"));
  context.addIssue({ code: "custom", message: `wanted dollars such as "1.25", got ${JSON.stringify(raw)}` });
  return z.NEVER;
});

/** What `plugins.entries.mnemospark.config` may say; the manifest's schema is checked against this in a test. */
export const PluginConfig = z.strictObject({
  baseUrl: z.url({ protocol: /^https?$/ }).optional(),
  network: z.enum(["base", "base-sepolia"]).optional(),
  rpcUrl: z.url({ protocol: /^https?$/ }).optional(),
  approvedPayees: z.array(WalletAddress).max(16).optional(),
  capPerCall: Dollars.optional(),
  capPerDay: Dollars.optional(),
  capPerMonth: Dollars.optional(),
  region: Region.optional(),
  agentId: AgentId.optional(),
  /** A string once the host has resolved it; anything else is a reference that it could not resolve. */
  walletKey: z.unknown().optional(),
  recoveryRecipient: z.string().max(4096).optional(),
  proxy: z.boolean().optional(),
  proxyPort: z.number().int().min(0).max(65_535).optional(),
  proxySocket: z.string().max(100).optional(),
  home: z.string().optional(),
  downloads: z.string().optional(),
  agentPaths: z.array(z.string()).max(32).optional(),
});

const DEFAULTS = {
  baseUrl: "https://api.mnemospark.ai",
  network: "base",
  region: "us-east-1",
  agentId: "main",
  proxyPort: 7120,
  // A store of a few gigabytes costs well under a dollar; an agent in a loop is stopped on the fifth.
  perCall: 1_000_000n,
  perDay: 5_000_000n,
  perMonth: 20_000_000n,
} as const;

const RPC_URLS = { 8453: "https://mainnet.base.org", 84532: "https://sepolia.base.org" } as const;

export interface SettingsInput {
  /** The host's configuration for this plugin. */
  readonly config?: Readonly<Record<string, unknown>> | undefined;
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined;
  /** The host's state directory, when it tells. */
  readonly stateDir?: string | undefined;
}

/** @throws Fault `bad_config` naming the setting */
export function readSettings(input: SettingsInput = {}): Settings {
  const env = input.environment ?? process.env;
  const parsed = PluginConfig.safeParse({ ...fromEnvironment(env), ...input.config });
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const where = issue?.path.join(".") || "configuration";
    throw new Fault("bad_config", `The setting ${where} cannot be used: ${issue?.message ?? "it is malformed"}.`, {
      next: "Correct it in openclaw.json (plugins.entries.mnemospark.config) or in the environment.",
    });
  }
  const config = parsed.data;
  const network = networkOf((config.network ?? DEFAULTS.network) === "base" ? 8453 : 84532);
  if (!network) throw new Error("invariant: both named networks are served");
  const hostHome = env["OPENCLAW_STATE_DIR"] ?? input.stateDir ?? join(homedir(), ".openclaw");
  const home = absolute(config.home ?? join(hostHome, "mnemospark"));
  return {
    baseUrl: config.baseUrl ?? DEFAULTS.baseUrl,
    home,
    hostHome: absolute(hostHome),
    network,
    rpcUrl: config.rpcUrl ?? RPC_URLS[network.chainId],
    approvedPayees: config.approvedPayees ?? [],
    caps: {
      perCall: config.capPerCall ?? DEFAULTS.perCall,
      perDay: config.capPerDay ?? DEFAULTS.perDay,
      perMonth: config.capPerMonth ?? DEFAULTS.perMonth,
    },
    region: config.region ?? DEFAULTS.region,
    agentId: config.agentId ?? DEFAULTS.agentId,
    walletKey: walletKeyOf(config.walletKey),
    recovery: config.recoveryRecipient,
    proxy: {
      enabled: config.proxy ?? true,
      port: config.proxyPort ?? DEFAULTS.proxyPort,
      socket: config.proxySocket === undefined ? undefined : absolute(config.proxySocket),
    },
    downloads: absolute(config.downloads ?? join(home, "downloads")),
    agentPaths: (config.agentPaths ?? []).map(absolute),
  };
}

function walletKeyOf(value: unknown): Settings["walletKey"] {
  if (value === undefined || value === null || value === "") return { kind: "none" };
  // A reference the host could not resolve stays an object. To go on with another wallet would pay from the wrong purse.
  return typeof value === "string" ? { kind: "key", key: value } : { kind: "unresolved" };
}

/** The published client's names, and ours for what it did not have. */
function fromEnvironment(env: Readonly<Record<string, string | undefined>>): Record<string, unknown> {
  const named: Record<string, unknown> = {
    baseUrl: env["MNEMOSPARK_BACKEND_API_BASE_URL"],
    network: env["MNEMOSPARK_NETWORK"],
    rpcUrl: env["MNEMOSPARK_RPC_URL"],
    approvedPayees: env["MNEMOSPARK_APPROVED_PAYEES"]?.split(/[\s,]+/).filter(Boolean),
    capPerCall: env["MNEMOSPARK_CAP_PER_CALL"],
    capPerDay: env["MNEMOSPARK_CAP_PER_DAY"],
    capPerMonth: env["MNEMOSPARK_CAP_PER_MONTH"],
    region: env["MNEMOSPARK_REGION"],
    agentId: env["MNEMOSPARK_AGENT_ID"],
    walletKey: env["MNEMOSPARK_WALLET_KEY"],
    proxyPort: env["MNEMOSPARK_PROXY_PORT"] === undefined ? undefined : Number(env["MNEMOSPARK_PROXY_PORT"]),
    proxySocket: env["MNEMOSPARK_PROXY_SOCKET"],
    home: env["MNEMOSPARK_HOME"],
    downloads: env["MNEMOSPARK_DOWNLOAD_DIR"],
  };
  return Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined && value !== ""));
}

function absolute(path: string): string {
  const expanded = path.startsWith("~/") ? join(homedir(), path.slice(2)) : path;
  return isAbsolute(expanded) ? expanded : resolve(expanded);
}
