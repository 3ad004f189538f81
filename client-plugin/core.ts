/**
 * What the client can do, once, for all its faces: slash commands, agent tools, command line, MCP, local proxy. Nothing here
 * remembers money or keys in memory: each call opens a session on what is on the disk, and each thing that takes time is a
 * journalled operation that any process can take up again.
 */
import { readdir, rm } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import type { HealthReply } from "#contract/api";
import type { ListedObject, StatReply } from "#contract/objects";
import { objectKeyFault } from "#contract/wallet";
import { intendMandates, runMandate, runStatements, type StoredAhead, waitsForStore, withMandates } from "./ahead.ts";
import { planArchive } from "./archive/pack.ts";
import type { FetchAsk, NameAsk, Quoted, StoreAsk } from "./asks.ts";
import { openChainView } from "./chain.ts";
import type { Settings } from "./config.ts";
import { headerLength, sealedLength } from "./envelope/seal.ts";
import { Fault } from "./faults.ts";
import { allKeks, kekLookup, loadOrCreateKek } from "./keys.ts";
import { type Fetched, runFetch } from "./operations/fetch.ts";
import { stagingOf } from "./operations/place.ts";
import { runRotate } from "./operations/rotate.ts";
import { type RunOptions, runOperation } from "./operations/runner.ts";
import { type Deleted, type Renewed, runDelete, runRenew } from "./operations/short.ts";
import { runStore, type Stored } from "./operations/store.ts";
import { loadRecipient } from "./recovery-kit.ts";
import { afterChange, beforeFetch } from "./sealed-catalogue.ts";
import { Session } from "./session.ts";
import { signpost } from "./signpost.ts";
import { openPins, type Pins } from "./state/catalogue.ts";
import { type Database, openDatabase } from "./state/database.ts";
import { type Log, openLog } from "./state/log.ts";
import { type Operation, type Operations, openOperations, purchaseOf } from "./state/operations.ts";
import { type FoundWallet, findWallet, pinWallet, type WalletPlace } from "./wallet-file.ts";

export type { FetchAsk, NameAsk, Quoted, StoreAsk };

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
    await signpost(settings.home);
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
  async findWallet(): Promise<FoundWallet | undefined> {
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
      keys: {
        current: () => loadOrCreateKek(place),
        lookup: kekLookup(place),
        all: async () => (await allKeks(place)).map(({ kek }) => kek),
        recipient: () => loadRecipient(place),
      },
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
    const sealedBytes = sealedLength(plan.archiveBytes, headerLength((await session.recovery()) !== undefined));
    const price = await session.price({
      ...this.nameOf(ask),
      sizeBytes: sealedBytes,
      region: this.#region(ask.region),
      path,
    });
    const warnings = plan.warnings.map((warning) => `${warning.path} ${warning.message}`);
    return { price, path, files: plan.files, contentBytes: plan.contentBytes, sealedBytes, warnings };
  }

  /** The operation that a store is, not yet run: new, or the open one under this name. */
  async beginStore(ask: StoreAsk): Promise<Operation> {
    const session = await this.session();
    const { objectKey, agentId } = this.nameOf(ask);
    const path = resolve(ask.path);
    const facts: Record<string, unknown> = {
      until: ask.until ?? null,
      ...(ask.maxAmount === undefined ? {} : { maxAmount: ask.maxAmount.toString() }),
      ...(ask.quoteId === undefined ? {} : { quoteId: ask.quoteId }),
    };
    const { operation, resumed } = this.operations.begin({
      kind: "store",
      wallet: session.wallet.address,
      agentId,
      objectKey,
      facts: { path, region: this.#region(ask.region), ...facts },
      idempotencyKey: ask.idempotencyKey,
    });
    if (operation.state === "done") return operation;
    if (resumed && operation.facts["path"] !== path)
      throw new Fault(
        "operation_open",
        `${objectKey} is being stored from ${operation.facts["path"]} (${operation.id}).`,
        {
          next: `Cancel that first (\`mnemospark cancel ${operation.id}\`), or use another name.`,
        },
      );
    // The newest call says how far to go and what may be paid.
    if (!operation.running) this.operations.step(operation.id, operation.step, facts);
    if (ask.quoteId !== undefined) session.spending.moveApproval(ask.quoteId, purchaseOf(operation));
    if (ask.periods !== undefined) await intendMandates(this, operation, ask.periods);
    return this.operations.find(operation.id) ?? operation;
  }

  async store(ask: StoreAsk): Promise<StoredAhead> {
    return this.#runStore(await this.beginStore(ask), ask);
  }

  async #runStore(operation: Operation, ask: RunOptions & Pick<StoreAsk, "approve">): Promise<StoredAhead> {
    const session = await this.session();
    const stored =
      operation.state === "done"
        ? (operation.result as Stored)
        : await this.run(operation, ask, (running) => runStore({ session, operation, running, approve: ask.approve }));
    if (stored.state !== "stored") return stored;
    await afterChange(this, stored, ask.signal);
    return withMandates(this, stored, ask);
  }

  async beginFetch(ask: FetchAsk): Promise<Operation> {
    const session = await this.session();
    const { objectKey, agentId } = this.nameOf(ask);
    const facts = {
      destination: resolve(ask.destination ?? join(this.settings.downloads, objectKey)),
      overwrite: ask.overwrite ?? false,
      acceptChanged: ask.acceptChanged ?? ask.identity !== undefined,
      maxAmount: ask.maxAmount?.toString() ?? null,
    };
    const { operation } = this.operations.begin({
      kind: "fetch",
      wallet: session.wallet.address,
      agentId,
      objectKey,
      facts,
      idempotencyKey: ask.idempotencyKey,
    });
    // The newest call says where to: nothing has the final name yet.
    if (operation.state === "open" && !operation.running) this.operations.step(operation.id, operation.step, facts);
    return this.operations.find(operation.id) ?? operation;
  }

  async fetch(ask: FetchAsk): Promise<Fetched> {
    return this.#runFetch(await this.beginFetch(ask), ask);
  }

  async #runFetch(operation: Operation, ask: RunOptions & Pick<FetchAsk, "identity">): Promise<Fetched> {
    if (operation.state === "done") return operation.result as Fetched;
    await beforeFetch(this, operation, ask.signal);
    const session = await this.session();
    return this.run(operation, ask, (running) => runFetch({ session, operation, running, identity: ask.identity }));
  }

  async remove(ask: NameAsk): Promise<Deleted> {
    const session = await this.session();
    const named = this.nameOf(ask);
    const { operation } = this.operations.begin({
      kind: "delete",
      wallet: session.wallet.address,
      ...named,
      facts: {},
    });
    const deleted = await this.run(operation, ask, (running) => runDelete({ session, operation, running }));
    await afterChange(this, operation, ask.signal);
    return deleted;
  }

  async beginRenew(ask: NameAsk & Pick<StoreAsk, "maxAmount">): Promise<Operation> {
    const wallet = (await this.session()).wallet.address;
    // The price is asked anew: an attempt of yesterday must not hold to yesterday's.
    const facts = { amount: null, maxAmount: ask.maxAmount?.toString() ?? null };
    const { operation } = this.operations.begin({ kind: "renew", wallet, ...this.nameOf(ask), facts });
    if (!operation.running) this.operations.step(operation.id, operation.step, facts);
    return this.operations.find(operation.id) ?? operation;
  }

  async renew(ask: NameAsk & Pick<StoreAsk, "approve" | "maxAmount">): Promise<Renewed> {
    return this.#runRenew(await this.beginRenew(ask), ask);
  }

  async #runRenew(operation: Operation, ask: RunOptions & Pick<StoreAsk, "approve">): Promise<Renewed> {
    const session = await this.session();
    return this.run(operation, ask, (running) => runRenew({ session, operation, running }, ask.approve));
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
    const { objectKey, agentId } = this.nameOf(ask);
    return (await this.session()).api.stat({ object_key: objectKey, agent_id: agentId });
  }

  /** Takes up what a crash or a stop left open, one after the other. Parked stores wait for their owner. */
  async resumeAll(
    options: RunOptions & { readonly onError?: (operation: Operation, error: unknown) => void } = {},
  ): Promise<void> {
    await this.#sweep();
    for (const operation of this.operations.list({ openOnly: true, limit: 100 })) {
      if (operation.running || operation.facts["until"] || options.signal?.aborted) continue;
      if (waitsForStore(this, operation)) continue;
      try {
        await this.resume(operation, options);
      } catch (error) {
        options.onError?.(operation, error);
      }
    }
  }

  /** Temporary files of operations that have ended, whoever ended them and whoever died before tidying up. */
  async #sweep(): Promise<void> {
    const room = join(this.settings.home, "operations");
    for (const id of await readdir(room).catch(() => [])) {
      const operation = this.operations.find(id);
      if (operation?.state === "open") continue;
      const staging = operation && stagingOf(operation);
      if (staging !== undefined) await rm(staging, { recursive: true, force: true }).catch(() => undefined);
      await rm(join(room, id), { recursive: true, force: true });
    }
  }

  /** Work on an operation under its lease; whatever happens, its end is in the journal. */
  async run<T>(operation: Operation, options: RunOptions, work: Parameters<typeof runOperation<T>>[3]): Promise<T> {
    await this.#refuseOthers(operation);
    try {
      return await runOperation(this.operations, operation, options, work);
    } finally {
      // Only now: what the journal calls done was verified. A file that cannot be removed is no failure of the work.
      await this.#sweep().catch(() => undefined);
    }
  }

  /** What one wallet began and paid another would begin anew: pay again, or delete its own object of that name. */
  async #refuseOthers({ id, wallet }: Operation): Promise<void> {
    const { address } = (await this.session()).wallet;
    if (wallet === address) return;
    throw new Fault("other_wallet", `${id} was begun by the wallet ${wallet}; this machine now pays with ${address}.`, {
      next: `Go back to that wallet to finish it, or give it up: \`mnemospark cancel ${id}\`.`,
    });
  }

  /** Ends an operation: at once where nobody works on it, else its worker hears of it within seconds. What was paid stays paid. */
  async cancel(operation: Operation): Promise<Operation> {
    this.operations.requestCancel(operation.id);
    if (!operation.running) this.operations.cancel(operation.id);
    await this.#sweep().catch(() => undefined);
    return this.operations.find(operation.id) ?? operation;
  }

  /** Goes on with an open operation where it stopped. */
  async resume(operation: Operation, options: RunOptions & Pick<StoreAsk, "approve"> = {}): Promise<unknown> {
    const { objectKey, agentId, kind } = operation;
    if (operation.state !== "open") return operation.result;
    await this.#refuseOthers(operation);
    if (kind === "store") return this.#runStore(operation, options);
    if (kind === "fetch") return this.#runFetch(operation, options);
    if (kind === "renew") return this.#runRenew(operation, options);
    if (kind === "statement") return runStatements(this, operation, options);
    if (kind === "mandate") return runMandate(this, operation, options);
    if (kind === "rotate") return runRotate(this, operation, options);
    return this.remove({ ...options, objectKey, agentId });
  }

  /** @throws Fault `bad_name` */
  nameOf(ask: { path?: string; objectKey?: string | undefined; agentId?: string | undefined }) {
    const objectKey = ask.objectKey ?? basename(resolve(ask.path ?? ""));
    const fault = objectKeyFault(objectKey);
    if (fault) throw new Fault("bad_name", `${JSON.stringify(objectKey)} cannot be an object's name: it ${fault}.`);
    return { objectKey, agentId: ask.agentId ?? this.settings.agentId };
  }

  #region(region: string | undefined): string {
    return region ?? this.settings.region;
  }
}
