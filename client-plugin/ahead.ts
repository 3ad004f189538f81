/** Paying for what is to come, as operations of the core: the statement of all that is due, and renewals signed for later days. */

import type { Wallet } from "#contract/wallet";
import { explain, Fault, type FaultFacts } from "./faults.ts";
import { type Approve, type AskedMandates, type MandatesSigned, runMandates } from "./operations/mandate.ts";
import type { Running, RunOptions } from "./operations/runner.ts";
import {
  type HeldStatement,
  purchaseOfStatement,
  runStatement,
  type StatementFacts,
  type StatementsPaid,
} from "./operations/statement.ts";
import type { Stored } from "./operations/store.ts";
import type { Session } from "./session.ts";
import type { Pins } from "./state/catalogue.ts";
import type { Operation, Operations } from "./state/operations.ts";

/** What this needs of the core; the core itself goes on with these operations after a crash. */
export interface Keeper {
  readonly operations: Operations;
  readonly pins: Pins;
  session(): Promise<Session>;
  nameOf(ask: { objectKey: string; agentId?: string | undefined }): { objectKey: string; agentId: string };
  run<T>(
    operation: Operation,
    options: RunOptions,
    work: (running: Running) => Promise<{ readonly result: T; readonly parked?: boolean }>,
  ): Promise<T>;
}

type Resuming = RunOptions & { readonly approve?: Approve | undefined };

export interface StatementAsk extends Resuming {
  /** Micro-USDC; a statement above it is not paid. */
  readonly maxAmount?: bigint | undefined;
  /** ISO time: nothing is paid unless something ends before it. */
  readonly endsBefore?: string | undefined;
}

/** The next 30 days of all that is due within 30 days; an empty answer where nothing is. */
export async function payStatement(core: Keeper, ask: StatementAsk = {}): Promise<StatementsPaid> {
  const wallet = (await core.session()).wallet.address;
  const facts = { endsBefore: ask.endsBefore ?? null, maxAmount: ask.maxAmount?.toString() ?? null };
  const named = { agentId: "*", objectKey: "statement" };
  const { operation } = core.operations.begin({ kind: "statement", wallet, ...named, facts });
  // The newest call says what may be paid.
  if (!operation.running) core.operations.step(operation.id, operation.step, facts);
  return runStatements(core, operation, ask);
}

/** The statement that the next payment is for, unless one is open already. */
export function holdStatement(core: Pick<Keeper, "operations">, wallet: Wallet, held: HeldStatement): void {
  const named = { agentId: "*", objectKey: "statement" };
  const { operation, resumed } = core.operations.begin({
    kind: "statement",
    wallet,
    ...named,
    facts: { endsBefore: null, maxAmount: null, statement: held },
  });
  if (resumed && operation.facts["statement"] == null)
    core.operations.step(operation.id, operation.step, { statement: held });
}

export async function runStatements(core: Keeper, { id }: Operation, ask: Resuming): Promise<StatementsPaid> {
  const session = await core.session();
  const begun = mustFind(core, id);
  const { endsBefore, statement } = begun.facts as StatementFacts;
  const isSigned = statement != null && session.spending.live(purchaseOfStatement(statement)) !== undefined;
  if (endsBefore != null && !isSigned && core.pins.read("renewals") === "off") {
    // It began by itself, nothing was promised, and its owner has said no since.
    core.operations.cancel(id);
    return { operationId: id, statements: [] };
  }
  return core.run(begun, ask, (running) =>
    // What another process did before it let go is in the journal, not in what was read before.
    runStatement({ session, operation: mustFind(core, id), running, approve: ask.approve }),
  );
}

type Named = { readonly objectKey: string; readonly agentId?: string | undefined };
export type MandatesAsk = Named & Resuming & AskedMandates;

/** Signs renewals for coming periods and hands them over: each is charged on its day, at the amount that was signed. */
export async function addMandates(core: Keeper, ask: MandatesAsk): Promise<MandatesSigned> {
  return runMandate(core, await beginMandates(core, ask), ask);
}

export async function beginMandates(core: Keeper, ask: Named & AskedMandates): Promise<Operation> {
  const wallet = (await core.session()).wallet.address;
  const facts = { periods: ask.periods, amountMax: ask.amountMax?.toString() ?? null };
  const { operation } = core.operations.begin({ kind: "mandate", wallet, ...core.nameOf(ask), facts });
  if (!operation.running) core.operations.step(operation.id, operation.step, facts);
  return mustFind(core, operation.id);
}

export async function runMandate(core: Keeper, { id, facts }: Operation, ask: Resuming): Promise<MandatesSigned> {
  const session = await core.session();
  const store = typeof facts["after"] === "string" ? core.operations.find(facts["after"]) : undefined;
  if (store?.state === "open")
    throw new Fault("store_open", `The renewals of ${store.objectKey} are signed when it is stored (${store.id}).`, {
      retryable: true,
      next: `mnemospark resume ${store.id}`,
    });
  if (store && store.state !== "done") {
    core.operations.cancel(id);
    throw new Fault("cancelled", `${store.objectKey} was not stored, so no renewals are signed for it.`);
  }
  return core.run(mustFind(core, id), ask, (running) =>
    runMandates({ session, operation: mustFind(core, id), running, approve: ask.approve }),
  );
}

/** Renewals that are signed when their object is stored; the store goes on with them. */
export function waitsForStore({ operations }: Pick<Keeper, "operations">, { kind, facts }: Operation): boolean {
  return kind === "mandate" && typeof facts["after"] === "string" && operations.find(facts["after"])?.state === "open";
}

/** Asked for with a store: written down with it, signed when the object is there. */
export async function intendMandates(core: Keeper, store: Operation, periods: number): Promise<void> {
  const { objectKey, agentId, id: after, wallet } = store;
  const facts = { periods, amountMax: null, after };
  const { operation } = core.operations.begin({ kind: "mandate", wallet, agentId, objectKey, facts });
  if (!operation.running) core.operations.step(operation.id, operation.step, facts);
}

/** What a store says, with the renewals that were asked for with it; where they failed, the object is stored all the same. */
export type StoredAhead = Stored & { readonly mandates?: MandatesSigned; readonly mandatesFault?: FaultFacts };

export async function withMandates(core: Keeper, stored: Stored, ask: Resuming): Promise<StoredAhead> {
  const intended = core.operations
    .list({ openOnly: true, limit: 100 })
    .find(({ kind, facts }) => kind === "mandate" && facts["after"] === stored.operationId);
  if (intended === undefined) return stored;
  // A renewal may cost what this period did, and no more.
  if (stored.order !== undefined) core.operations.step(intended.id, intended.step, { amountMax: stored.order.amount });
  try {
    return { ...stored, mandates: await runMandate(core, intended, ask) };
  } catch (error) {
    return { ...stored, mandatesFault: explain(error) };
  }
}

function mustFind(core: Keeper, id: string): Operation {
  const found = core.operations.find(id);
  if (!found) throw new Error(`invariant: the operation ${id} was just there`);
  return found;
}
