/**
 * The wallet's statement: the next 30 days of all that is due within 30 days, paid by one authorization. What was frozen is written
 * down before it is paid; after a crash the same statement is asked to be settled again, with the authorization that was signed for
 * it, until the service says how it ended. Only then is another one taken.
 */
import { sha256Hex } from "#contract/bytes";
import { formatDollars, parseMicroUsdc } from "#contract/money";
import type { StatementReply, StatementSettled } from "#contract/statements";
import { ApiError } from "../api.ts";
import { Fault } from "../faults.ts";
import type { Approve } from "./mandate.ts";
import type { ShortWork } from "./short.ts";

/** One object's next period, as the statement has it. */
export interface DueLine {
  readonly orderId: string;
  readonly agentId: string;
  readonly objectKey: string;
  readonly periodIndex: number;
  readonly amount: string;
  /** ISO time: the end of what is paid, where the period begins. */
  readonly from: string;
}

export interface HeldStatement {
  readonly statementId: string;
  readonly amount: string;
  readonly lines: readonly DueLine[];
  readonly more: boolean;
}

export interface PaidLine {
  readonly agentId: string;
  readonly objectKey: string;
  readonly periodIndex: number;
  readonly amount: string;
  readonly state: StatementSettled["lines"][number]["state"];
  readonly paidThrough: string | undefined;
}

export interface PaidStatement {
  readonly statementId: string;
  readonly amount: string;
  /** Empty where the wallet's credit paid. */
  readonly transId: string;
  readonly lines: readonly PaidLine[];
}

export interface StatementsPaid {
  readonly operationId: string;
  /** One, unless more is due than one statement holds. */
  readonly statements: readonly PaidStatement[];
}

/** The journal's facts. */
export interface StatementFacts {
  /** ISO time: nothing is paid unless something ends before it. */
  readonly endsBefore?: string | null;
  readonly maxAmount?: string | null;
  readonly statement?: HeldStatement | null;
  readonly paid?: readonly PaidStatement[] | null;
}

/** A thousand objects each. */
const STATEMENTS_MAX = 100;
/** How often one that changed under our hands is taken anew. */
const CHANGES_MAX = 5;
const CHANGED: readonly string[] = ["statement_changed", "quote_expired", "quote_not_found"];

export interface StatementWork extends ShortWork {
  readonly approve?: Approve | undefined;
}

export async function runStatement(work: StatementWork): Promise<{ result: StatementsPaid }> {
  const { operation, running } = work;
  const facts = operation.facts as StatementFacts;
  const paid: PaidStatement[] = [...(facts.paid ?? [])];
  let held = facts.statement ?? undefined;
  for (let changes = 0; paid.length < STATEMENTS_MAX; ) {
    held ??= await take(work);
    if (held === undefined || !isAskedFor(held, facts, paid.length)) break;
    running.begin("statement", { statement: held });
    const settled = await settle(work, held, facts).catch((error: unknown) => {
      if (!(error instanceof ApiError && CHANGED.includes(error.problem.code))) throw error;
      changes += 1;
      if (changes > CHANGES_MAX) throw error;
      return undefined;
    });
    if (settled === undefined) {
      // Refused before anything was broadcast. What may have been signed for it is the ledger's to remember.
      running.begin("statement", { statement: null });
      held = undefined;
      continue;
    }
    paid.push(settled);
    running.begin("statement", { statement: null, paid });
    if (!held.more) break;
    held = undefined;
  }
  return { result: { operationId: operation.id, statements: paid } };
}

/** When nothing ends soon, what is far off waits to be paid together with it. */
function isAskedFor(held: HeldStatement, { endsBefore }: StatementFacts, paid: number): boolean {
  if (endsBefore == null || paid > 0) return true;
  return held.lines.some(({ from }) => from <= endsBefore);
}

async function take({ session, running }: StatementWork): Promise<HeldStatement | undefined> {
  return heldOf(await session.api.statement({ signal: running.signal }));
}

/** Undefined where nothing is due. @throws Fault `price_malformed` */
export function heldOf(reply: StatementReply): HeldStatement | undefined {
  if (reply.statement_id === undefined || reply.lines.length === 0) return undefined;
  const amounts = reply.lines.map(({ amount }) => parseMicroUsdc(amount));
  const sum = amounts.reduce<bigint | undefined>(
    (total, each) => (total === undefined || each === undefined ? undefined : total + each),
    0n,
  );
  const periods = new Set(reply.lines.map(({ order_id, period_index }) => `${order_id}#${period_index}`));
  if (sum === undefined || sum !== parseMicroUsdc(reply.amount) || periods.size !== reply.lines.length)
    throw new Fault(
      "price_malformed",
      `The statement asks for ${reply.amount}; its lines are others. Nothing was signed.`,
      {
        next: "Tell the operator of the service.",
      },
    );
  return {
    statementId: reply.statement_id,
    amount: reply.amount,
    more: reply.more,
    lines: reply.lines.map((line) => ({
      orderId: line.order_id,
      agentId: line.agent_id,
      objectKey: line.object_key,
      periodIndex: line.period_index,
      amount: line.amount,
      from: line.from,
    })),
  };
}

async function settle(work: StatementWork, held: HeldStatement, facts: StatementFacts): Promise<PaidStatement> {
  const { session, running } = work;
  const idempotencyKey = sha256Hex(`statement|${held.statementId}`);
  const asking = { idempotencyKey, signal: running.signal };
  // Without a payment first: it may be paid already, or by credit, or hold no more; only then is anybody asked for money.
  const said = await session.api.settleStatement(held.statementId, asking).catch((error: unknown) => {
    if (error instanceof ApiError && error.problem.code === "payment_required") return undefined;
    throw error;
  });
  const reply = said ?? (await pay(work, held, facts, asking));
  session.paid(purchaseOfStatement(held), reply.trans_id);
  return record(work, held, reply);
}

async function pay(
  { session, approve }: StatementWork,
  held: HeldStatement,
  facts: StatementFacts,
  asking: { idempotencyKey: string; signal: AbortSignal },
): Promise<StatementSettled> {
  const purchase = purchaseOfStatement(held);
  const amountMax = parseMicroUsdc(held.amount);
  if (amountMax === undefined) throw new Error("invariant: a statement that is held has an amount");
  const most = facts.maxAmount == null ? undefined : parseMicroUsdc(facts.maxAmount);
  if (most !== undefined && amountMax > most)
    throw new Fault(
      "price_above_max",
      `The statement asks for ${formatDollars(amountMax)}; at most ${formatDollars(most)} was agreed. Nothing was paid.`,
    );
  // While one for an earlier statement can be charged, none is signed for this one: they may be for the same objects.
  await session.waitedOut(STATEMENTS, purchase);
  await session.clearToPay(purchase, amountMax, approve);
  return session.api.settleStatement(held.statementId, { ...asking, held: { amountMax, purchase } });
}

const STATEMENTS = "statement ";

/** A statement is bought once: charged for it, nothing else is ever signed for it. */
export function purchaseOfStatement({ statementId }: Pick<HeldStatement, "statementId">): string {
  return `${STATEMENTS}${statementId}`;
}

function record({ session }: StatementWork, held: HeldStatement, reply: StatementSettled): PaidStatement {
  const lines = reply.lines.flatMap((line) => {
    const due = held.lines.find((each) => each.orderId === line.order_id && each.periodIndex === line.period_index);
    if (due === undefined) return [];
    const { agentId, objectKey, periodIndex } = due;
    return [
      { agentId, objectKey, periodIndex, amount: line.amount, state: line.state, paidThrough: line.paid_through },
    ];
  });
  for (const { agentId, objectKey, amount, paidThrough, state } of lines) {
    const known = session.catalogue.find(agentId, objectKey);
    if (known && paidThrough !== undefined) session.catalogue.put({ ...known, paidThrough });
    session.log.object("renewed", { object: objectKey, agent: agentId, amount, state, tx: reply.trans_id });
  }
  session.log.activity("statement.paid", { statement: held.statementId, amount: reply.amount, tx: reply.trans_id });
  return { statementId: held.statementId, amount: reply.amount, transId: reply.trans_id, lines };
}
