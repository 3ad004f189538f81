/**
 * One wallet's view for one piece of work: its signer, the service as this wallet sees it, the ledger its payments are written
 * in, its keys. Opened anew for each, so a wallet or a setting that changed on disk is never an old copy in memory.
 */
import { privateKeyToAccount } from "viem/accounts";
import type { HealthReply, PriceReply } from "#contract/api";
import { formatDollars, type MicroUsdc, parseMicroUsdc } from "#contract/money";
import { objectContext } from "#contract/sealing";
import { parseWallet, type Wallet } from "#contract/wallet";
import { Api } from "./api.ts";
import type { ChainView } from "./chain.ts";
import type { Settings } from "./config.ts";
import type { KekLookup, OpenContext } from "./envelope/kek.ts";
import { Fault } from "./faults.ts";
import { createPayer, overInS, PaymentRefused } from "./pay.ts";
import { judgeSpend } from "./policy.ts";
import type { Signer } from "./signer.ts";
import { type Catalogue, openCatalogue, type Pins } from "./state/catalogue.ts";
import type { Database } from "./state/database.ts";
import type { Log } from "./state/log.ts";
import { openSpending, type Spending } from "./state/spending.ts";
import { judgeTarget } from "./target.ts";
import type { FoundWallet } from "./wallet-file.ts";

/** The wallet's key encryption keys, wherever they are kept. */
export interface Keys {
  current(): Promise<{ readonly kek: Uint8Array; readonly kid: string }>;
  readonly lookup: KekLookup;
  /** Every key on this machine, the current one first; 32 bytes each. */
  all(): Promise<readonly Uint8Array[]>;
  /** The recovery recipient that was kept when the recovery words were made. */
  recipient(): Promise<string | undefined>;
}

export interface SessionParts {
  readonly settings: Settings;
  readonly wallet: FoundWallet;
  readonly keys: Keys;
  readonly db: Database;
  readonly pins: Pins;
  readonly log: Log;
  readonly chain: ChainView;
  /** Told which wallet has paid, so that it is the one that goes on paying. */
  readonly onPaid: (wallet: Wallet) => void;
  readonly fetch?: typeof fetch | undefined;
}

export interface PriceAsk {
  readonly objectKey: string;
  readonly agentId: string;
  readonly sizeBytes: number;
  readonly region: string;
  readonly path?: string;
}

export class Session {
  readonly settings: Settings;
  readonly wallet: FoundWallet;
  readonly keys: Keys;
  readonly api: Api;
  /** Signs for this wallet; only what was written in the ledger before. */
  readonly signer: Signer;
  readonly spending: Spending;
  readonly catalogue: Catalogue;
  readonly log: Log;
  readonly #parts: SessionParts;

  constructor(parts: SessionParts) {
    const { settings, wallet, db } = parts;
    this.#parts = parts;
    this.settings = settings;
    this.wallet = wallet;
    this.keys = parts.keys;
    this.log = parts.log;
    this.catalogue = openCatalogue(db, wallet.address);
    this.spending = openSpending(db, {
      wallet: wallet.address,
      network: settings.network.caip2,
      caps: settings.caps,
      payees: () => this.payees(),
    });
    const signer = privateKeyToAccount(wallet.privateKey) as unknown as Signer;
    this.signer = signer;
    this.api = new Api({
      baseUrl: settings.baseUrl,
      signer,
      chainId: settings.network.chainId,
      judgeUrl: (url) => judgeTarget(url, settings.baseUrl),
      ...(parts.fetch === undefined ? {} : { fetch: parts.fetch }),
      payer: {
        // Read when it pays: the payee may have been pinned since.
        pay: (required, held) =>
          createPayer({
            signer,
            network: settings.network,
            payTo: this.payees(),
            ledger: this.spending,
            usedOnChain: parts.chain.usedOnChain,
          }).pay(required, held),
      },
    });
  }

  /** Binds a sealed object to its name: taken from one name it opens under no other. */
  context(agentId: string, objectKey: string): OpenContext {
    return objectContext(this.settings.network.chainId, this.wallet.address, agentId, objectKey);
  }

  /** Who can open what is sealed here without the wallet's keys: as configured, or as kept by the recovery kit. */
  async recovery(): Promise<string | undefined> {
    return this.settings.recovery ?? (await this.keys.recipient());
  }

  /** Who may be paid: the operator's list or, without one, the payee this service announced when it was first met. */
  payees(): readonly Wallet[] {
    if (this.settings.approvedPayees.length > 0) return this.settings.approvedPayees;
    const pinned = parseWallet(this.#parts.pins.read(this.#payeePin));
    return pinned === undefined ? [] : [pinned];
  }

  get #payeePin(): string {
    return `payee ${this.settings.baseUrl} ${this.settings.network.caip2}`;
  }

  /** Meets the service: the right chain, and the payee it has always had. @throws Fault `wrong_network`, `payee_changed` */
  async meet(): Promise<HealthReply> {
    const { network, baseUrl } = this.settings;
    const health = await this.api.health();
    if (health.network !== network.caip2 || health.asset.toLowerCase() !== network.usdc.toLowerCase())
      throw new Fault(
        "wrong_network",
        `${baseUrl} takes ${health.asset} on ${health.network}; this client pays USDC on ${network.caip2} only.`,
        {
          next: "Check baseUrl and network in the configuration.",
        },
      );
    const announced = parseWallet(health.pay_to);
    if (announced === undefined) throw new Fault("payee_changed", `${baseUrl} names no payee.`);
    if (this.settings.approvedPayees.length === 0) this.#parts.pins.pin(this.#payeePin, announced);
    if (!this.payees().includes(announced))
      throw new Fault(
        "payee_changed",
        `${baseUrl} now wants to be paid at ${announced}; approved: ${this.payees().join(", ")}.`,
        {
          next: "If the service announced this, put the new address into approvedPayees. Nothing was signed.",
        },
      );
    return health;
  }

  /** A price for so many bytes, kept so that it can be held against what is asked later. */
  async price(ask: PriceAsk, signal?: AbortSignal): Promise<PriceReply> {
    const price = await this.api.price(
      {
        object_id: ask.objectKey,
        object_key: ask.objectKey,
        agent_id: ask.agentId,
        size_bytes: ask.sizeBytes,
        region: ask.region,
      },
      signal === undefined ? {} : { signal },
    );
    if (parseMicroUsdc(price.amount) === undefined)
      throw new Fault("price_malformed", `The service quoted ${JSON.stringify(price.amount)}, which is no amount.`);
    refuseOther(ask, price);
    this.catalogue.keepQuote({
      quoteId: price.quote_id,
      agentId: ask.agentId,
      objectKey: ask.objectKey,
      path: ask.path,
      amount: price.amount,
      sizeBytesMax: price.size_bytes_max,
      region: ask.region,
      expiresMs: Date.parse(price.expires_at),
    });
    this.log.object("quoted", {
      object: ask.objectKey,
      agent: ask.agentId,
      amount: price.amount,
      quote: price.quote_id,
    });
    return price;
  }

  /**
   * Everything that can be known before a signature: payee, caps (and a person's yes above them), balance. The ledger judges
   * again when it signs; this is here so that the refusal comes early and says what to do.
   * @throws Fault `above_cap`, `insufficient_balance`, and as `meet`
   */
  async clearToPay(
    purchase: string,
    amount: MicroUsdc,
    approve?: (price: { amount: bigint; reason: string }) => Promise<boolean>,
  ): Promise<void> {
    if (this.spending.live(purchase) !== undefined) return;
    await this.meet();
    const payee = this.payees()[0];
    if (payee === undefined) throw new Error("invariant: a service that was met has a payee");
    const nowMs = Date.now();
    const approval = this.spending.approved(purchase, nowMs);
    const verdict = judgeSpend(
      { amount, payee },
      this.settings.caps,
      this.spending.crowded(nowMs),
      this.payees(),
      approval,
    );
    if (!verdict.ok) {
      const agreed = verdict.approvable && (await approve?.({ amount, reason: verdict.message }));
      if (!agreed)
        throw new Fault("above_cap", `${verdict.message} Nothing was signed.`, {
          next: "The operator raises the cap in the configuration, or approves this one payment.",
        });
      this.spending.approve(purchase, { amount, payee }, "person at the terminal", nowMs);
    }
    const balance = await this.#parts.chain.balance(this.wallet.address).catch(() => undefined);
    if (balance !== undefined && balance < amount)
      throw new Fault(
        "insufficient_balance",
        `The wallet ${this.wallet.address} holds ${formatDollars(balance)} USDC; ${formatDollars(amount)} are needed. Nothing was signed.`,
        {
          retryable: true,
          next: `Send USDC on ${this.settings.network.label} to ${this.wallet.address}, then make the same call again.`,
        },
      );
  }

  /**
   * Nothing that was signed under another name that begins so can be charged any more, or has been.
   * @throws PaymentRefused `pending` while it can
   */
  async waitedOut(prefix: string, purchase: string): Promise<void> {
    for (const [name, authorization] of this.spending.liveUnder(prefix)) {
      if (name === purchase) continue;
      const leftS = overInS(authorization, Date.now());
      if (leftS > 0)
        throw new PaymentRefused(
          "pending",
          `An earlier payment of ${formatDollars(authorization.value)} can still be charged. Try again in ${leftS} s. Nothing more was signed.`,
        );
      this.spending.over(authorization.nonce, (await this.#parts.chain.usedOnChain(authorization)) === true);
    }
  }

  paid(purchase: string, transId: string): void {
    this.spending.settled(purchase, transId);
    this.#parts.onPaid(this.wallet.address);
  }
}

/** A quote is for what was asked: this name, this room, this region. @throws Fault `price_malformed` */
function refuseOther(ask: PriceAsk, price: PriceReply): void {
  const differs = (what: string, wanted: unknown, came: unknown) =>
    new Fault("price_malformed", `The service quoted for ${what} ${came}; asked was ${wanted}. Nothing was signed.`, {
      next: "Tell the operator of the service.",
    });
  if (price.object_key !== ask.objectKey) throw differs("the name", ask.objectKey, price.object_key);
  if (price.agent_id !== ask.agentId) throw differs("the agent", ask.agentId, price.agent_id);
  if (price.location !== ask.region) throw differs("the region", ask.region, price.location);
  if (price.size_bytes_max < ask.sizeBytes) throw differs("bytes", ask.sizeBytes, price.size_bytes_max);
  if (Number.isNaN(Date.parse(price.expires_at))) throw differs("the time until", "a date", price.expires_at);
}
