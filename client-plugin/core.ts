/**
 * What the client can do, once, for all its faces: slash commands, agent tools, command line, MCP, local proxy. Nothing here
 * remembers money or keys in memory: each call opens a session on what is on the disk, and each thing that takes time is a
 * journalled operation that any process can take up again.
 */
import { basename, join, resolve } from "node:path";
import type { HealthReply, PriceReply } from "#contract/api";
import type { ListedObject, StatReply } from "#contract/objects";
import { objectKeyFault } from "#contract/wallet";
import { planArchive } from "./archive/pack.ts";
import { openChainView } from "./chain.ts";
import type { Settings } from "./config.ts";
import { headerLength, sealedLength } from "./envelope/seal.ts";
import { Fault } from "./faults.ts";
import { kekLookup, loadOrCreateKek } from "./keys.ts";
import { type Fetched, type FetchFacts, runFetch } from "./operations/fetch.ts";
import { type RunOptions, runOperation } from "./operations/runner.ts";
import { type Deleted, runDelete } from "./operations/short.ts";
import { runStore, type Stored, type StoreFacts, type StoreWork } from "./operations/store.ts";
import { Session } from "./session.ts";
import { openPins, type Pins } from "./state/catalogue.ts";
import { type Database, openDatabase } from "./state/database.ts";
import { type Log, openLog } from "./state/log.ts";
import { type Operation, type Operations, openOperations } from "./state/operations.ts";
import { type FoundWallet, findWallet, pinWallet, type WalletPlace } from "./wallet-file.ts";

export interface StoreAsk extends RunOptions {
  /** File or folder. */
  readonly path: string;
  /** Its name at the service; the path's own name if not given. */
  readonly objectKey?: string | undefined;
  readonly agentId?: string | undefined;
  readonly region?: string | undefined;
  /** Micro-USDC; nothing above it is paid. */
  readonly maxAmount?: bigint | undefined;
  /** A price asked before; what is paid is not above it. */
  readonly quoteId?: string | undefined;
  readonly idempotencyKey?: string | undefined;
  /** Stop when sealed, or when priced; the next call goes on. */
  readonly until?: "seal" | "price" | undefined;
  readonly approve?: StoreWork["approve"];
}

export interface FetchAsk extends RunOptions {
  readonly objectKey: string;
  readonly agentId?: string | undefined;
  /** Where to; the downloads directory if not given. */
  readonly destination?: string | undefined;
  readonly overwrite?: boolean | undefined;
  readonly acceptChanged?: boolean | undefined;
  readonly idempotencyKey?: string | undefined;
}

export interface NameAsk extends RunOptions {
  readonly objectKey: string;
  readonly agentId?: string | undefined;
}

export interface Quoted {
  readonly price: PriceReply;
  readonly path: string;
  readonly files: number;
  readonly contentBytes: number;
  readonly sealedBytes: number;
  readonly warnings: readonly string[];
}

export interface CoreOptions {
  /** Every call to the service goes through this. */
  readonly fetch?: typeof fetch | undefined;
}

export class Core {
  readonly settings: Settings;
  readonly operations: Operations;
  readonly log: Log;
  readonly pins: Pins;
  readonly warnings: readonly string[];
  readonly #db: Database;

  readonly #fetch: typeof fetch | undefined;

  private constructor(settings: Settings, db: Database, log: Log, options: CoreOptions) {
    this.settings = settings;
    this.#fetch = options.fetch;
    this.#db = db;
    this.log = log;
    this.operations = openOperations(db);
    this.pins = openPins(db);
    this.warnings = db.warnings;
  }

  /** @throws KeyError, Fault `state_newer` */
  static async open(settings: Settings, options: CoreOptions = {}): Promise<Core> {
    const db = await openDatabase(settings.home);
    return new Core(settings, db, await openLog(settings.home), options);
  }

  close(): void {
    this.#db.close();
  }

  get walletPlace(): WalletPlace {
    const { home, hostHome, walletKey } = this.settings;
    if (walletKey.kind === "unresolved")
      throw new Fault(
        "wallet_unresolved",
        "The configured walletKey is a secret reference that the host could not resolve.",
        {
          next: "Repair the reference; no other wallet is used meanwhile.",
        },
      );
    return { home, stateDir: hostHome, configured: walletKey.kind === "key" ? walletKey.key : undefined };
  }

  /** Undefined when this machine has no wallet. @throws KeyError */
  findWallet(): Promise<FoundWallet | undefined> {
    return findWallet(this.walletPlace);
  }

  /** @throws Fault `wallet_missing` */
  async session(): Promise<Session> {
    const wallet = await this.findWallet();
    if (!wallet)
      throw new Fault("wallet_missing", "There is no wallet on this machine.", {
        next: "Make one with `/wallet create`, or import one with `mnemospark wallet import FILE`.",
      });
    const place = { dir: this.settings.home, wallet: wallet.address };
    const walletPlace = this.walletPlace;
    return new Session({
      settings: this.settings,
      wallet,
      keys: { current: () => loadOrCreateKek(place), lookup: kekLookup(place) },
      db: this.#db,
      pins: this.pins,
      log: this.log,
      fetch: this.#fetch,
      chain: openChainView(this.settings.network, this.settings.rpcUrl),
      // The payment is made; a pin that cannot be written must not make it look failed.
      onPaid: (address) => void pinWallet(walletPlace, address).catch(() => undefined),
    });
  }

  async balance(): Promise<{ address: string; microUsdc: bigint }> {
    const { wallet } = await this.session();
    const chain = openChainView(this.settings.network, this.settings.rpcUrl);
    return { address: wallet.address, microUsdc: await chain.balance(wallet.address) };
  }

  async health(): Promise<HealthReply> {
    return (await this.session()).meet();
  }

  /** The exact price of storing a path now: its sealed length is known before anything is sealed. Pays nothing. */
  async quote(ask: Pick<StoreAsk, "path" | "objectKey" | "agentId" | "region">): Promise<Quoted> {
    const session = await this.session();
    const path = resolve(ask.path);
    const plan = await planArchive(path);
    const sealedBytes = sealedLength(plan.archiveBytes, headerLength(this.settings.recovery !== undefined));
    const price = await session.price({
      ...this.#name(ask),
      sizeBytes: sealedBytes,
      region: this.#region(ask.region),
      path,
    });
    const warnings = plan.warnings.map((warning) => `${warning.path} ${warning.message}`);
    return { price, path, files: plan.files, contentBytes: plan.contentBytes, sealedBytes, warnings };
  }

  async store(ask: StoreAsk): Promise<Stored> {
    const session = await this.session();
    const { objectKey, agentId } = this.#name(ask);
    const path = resolve(ask.path);
    const { operation, resumed } = this.operations.begin({
      kind: "store",
      wallet: session.wallet.address,
      agentId,
      objectKey,
      facts: { path, region: this.#region(ask.region) },
      idempotencyKey: ask.idempotencyKey,
    });
    if (operation.state === "done") return operation.result as Stored;
    if (resumed && operation.facts["path"] !== path)
      throw new Fault(
        "operation_open",
        `${objectKey} is being stored from ${operation.facts["path"]} (${operation.id}).`,
        {
          next: `Cancel that first (\`mnemospark cancel ${operation.id}\`), or use another name.`,
        },
      );
    return this.#runStore(session, operation, ask);
  }

  async #runStore(session: Session, operation: Operation, ask: Omit<StoreAsk, "path">): Promise<Stored> {
    if (ask.quoteId !== undefined) session.spending.moveApproval(ask.quoteId, operation.id);
    return runOperation(this.operations, operation, ask, (running) => {
      running.begin("seal", {
        until: ask.until ?? null,
        ...(ask.maxAmount === undefined ? {} : { maxAmount: ask.maxAmount.toString() }),
        ...(ask.quoteId === undefined ? {} : { quoteId: ask.quoteId }),
      });
      const fresh = this.operations.find(operation.id) ?? operation;
      return runStore({ session, operation: fresh, running, approve: ask.approve });
    });
  }

  async fetch(ask: FetchAsk): Promise<Fetched> {
    const session = await this.session();
    const { objectKey, agentId } = this.#name(ask);
    const destination = resolve(ask.destination ?? join(this.settings.downloads, objectKey));
    const facts: FetchFacts = {
      destination,
      overwrite: ask.overwrite ?? false,
      acceptChanged: ask.acceptChanged ?? false,
    };
    const { operation } = this.operations.begin({
      kind: "fetch",
      wallet: session.wallet.address,
      agentId,
      objectKey,
      facts: { ...facts },
      idempotencyKey: ask.idempotencyKey,
    });
    if (operation.state === "done") return operation.result as Fetched;
    return runOperation(this.operations, operation, ask, (running) => {
      // The newest call says where to: nothing has the final name yet.
      running.begin("download", { ...facts });
      return runFetch({ session, operation: this.operations.find(operation.id) ?? operation, running });
    });
  }

  async remove(ask: NameAsk): Promise<Deleted> {
    const session = await this.session();
    const named = this.#name(ask);
    const { operation } = this.operations.begin({
      kind: "delete",
      wallet: session.wallet.address,
      ...named,
      facts: {},
    });
    return runOperation(this.operations, operation, ask, (running) => runDelete({ session, operation, running }));
  }

  /** Everything stored, page after page. `agentId` `*` means all agents. */
  async list(ask: { agentId?: string | undefined; prefix?: string | undefined } = {}): Promise<ListedObject[]> {
    const { api } = await this.session();
    const objects: ListedObject[] = [];
    let token: string | undefined;
    do {
      const page = await api.list({
        agent_id: ask.agentId ?? this.settings.agentId,
        ...(ask.prefix === undefined ? {} : { prefix: ask.prefix }),
        ...(token === undefined ? {} : { continuation_token: token }),
      });
      objects.push(...page.objects);
      token = page.next_continuation_token ?? undefined;
    } while (token !== undefined);
    return objects;
  }

  async stat(ask: NameAsk): Promise<StatReply> {
    const { objectKey, agentId } = this.#name(ask);
    return (await this.session()).api.stat({ object_key: objectKey, agent_id: agentId });
  }

  /** Takes up what a crash or a stop left open, one after the other. Parked stores wait for their owner. */
  async resumeAll(
    options: RunOptions & { readonly onError?: (operation: Operation, error: unknown) => void } = {},
  ): Promise<void> {
    for (const operation of this.operations.list({ openOnly: true, limit: 100 })) {
      if (operation.running || options.signal?.aborted) continue;
      try {
        await this.resume(operation, options);
      } catch (error) {
        options.onError?.(operation, error);
      }
    }
  }

  async resume(operation: Operation, options: RunOptions = {}): Promise<unknown> {
    const { objectKey, agentId, facts, kind } = operation;
    if (kind === "store") {
      const { path, until, quoteId } = facts as unknown as StoreFacts;
      if (until) return undefined;
      return this.store({ ...options, path, objectKey, agentId, quoteId: quoteId ?? undefined });
    }
    if (kind === "fetch") {
      const { destination, overwrite, acceptChanged } = facts as unknown as FetchFacts;
      return this.fetch({ ...options, objectKey, agentId, destination, overwrite, acceptChanged });
    }
    if (kind === "delete") return this.remove({ ...options, objectKey, agentId });
    return undefined;
  }

  #name(ask: { path?: string; objectKey?: string | undefined; agentId?: string | undefined }) {
    const objectKey = ask.objectKey ?? basename(resolve(ask.path ?? ""));
    const fault = objectKeyFault(objectKey);
    if (fault) throw new Fault("bad_name", `${JSON.stringify(objectKey)} cannot be an object's name: it ${fault}.`);
    return { objectKey, agentId: ask.agentId ?? this.settings.agentId };
  }

  #region(region: string | undefined): string {
    return region ?? this.settings.region;
  }
}
