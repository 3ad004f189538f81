/** Deleting and renewing: one request each, journalled so that a lost reply is neither a failure nor a second charge. */
import { sha256Hex } from "#contract/bytes";
import { formatDollars, parseMicroUsdc } from "#contract/money";
import { ApiError } from "../api.ts";
import { Fault } from "../faults.ts";
import type { Session } from "../session.ts";
import { type Operation, purchaseOf } from "../state/operations.ts";
import type { Running } from "./runner.ts";

export interface ShortWork {
  readonly session: Session;
  readonly operation: Operation;
  readonly running: Running;
}

export interface Deleted {
  readonly operationId: string;
  readonly objectKey: string;
  readonly agentId: string;
  readonly bucketDeleted: boolean;
}

export async function runDelete({ session, operation, running }: ShortWork): Promise<{ result: Deleted }> {
  const { id: operationId, objectKey, agentId } = operation;
  const asked = { object_key: objectKey, agent_id: agentId };
  const askedBefore = operation.step === "delete";
  running.begin("delete");
  const reply = await session.api.remove(asked, { signal: running.signal }).catch((error: unknown) => {
    // Asked before, and gone now: it was the reply that was lost, not the request.
    if (askedBefore && error instanceof ApiError && error.problem.code === "object_not_found") return undefined;
    throw error;
  });
  session.catalogue.remove(agentId, objectKey);
  session.log.object("deleted", { object: objectKey, agent: agentId });
  return { result: { operationId, objectKey, agentId, bucketDeleted: reply?.bucket_deleted ?? false } };
}

export interface Renewed {
  readonly operationId: string;
  readonly objectKey: string;
  readonly agentId: string;
  readonly amount: string;
  readonly transId: string;
  readonly paidThrough: string;
  /** The period was paid before; nothing was paid now. */
  readonly already: boolean;
}

/** The next 30 days of one object. The price is asked first and nothing above it is signed. */
export async function runRenew(
  { session, operation, running }: ShortWork,
  approve?: (price: { amount: bigint; reason: string }) => Promise<boolean>,
): Promise<{ result: Renewed }> {
  const { id: operationId, objectKey, agentId, facts } = operation;
  const named = { object_key: objectKey, agent_id: agentId };
  let amount = typeof facts["amount"] === "string" ? facts["amount"] : undefined;
  if (amount === undefined) {
    const object = await session.api.stat(named);
    if (object.next_amount === undefined)
      throw new Fault("quote_unavailable", "The service has no current price for another period.", { retryable: true });
    amount = object.next_amount;
    running.begin("renew", { amount });
  }
  const most = typeof facts["maxAmount"] === "string" ? BigInt(facts["maxAmount"]) : undefined;
  const amountMax = parseMicroUsdc(amount);
  if (amountMax === undefined)
    throw new Fault("price_malformed", `The service asks for ${amount}, which is no amount.`);
  if (most !== undefined && amountMax > most)
    throw new Fault(
      "price_above_max",
      `Another period costs ${formatDollars(amountMax)}; at most ${formatDollars(most)} was agreed.`,
    );
  await session.clearToPay(purchaseOf(operation), amountMax, approve);
  const reply = await session.api.settle(
    { renewal: true, ...named },
    {
      held: { amountMax, purchase: purchaseOf(operation) },
      idempotencyKey: sha256Hex(`renew|${operationId}`),
      signal: running.signal,
    },
  );
  const already = reply.result === "already_settled";
  session.paid(purchaseOf(operation), reply.trans_id);
  const known = session.catalogue.find(agentId, objectKey);
  if (known) session.catalogue.put({ ...known, paidThrough: reply.paid_through });
  session.log.object("renewed", { object: objectKey, agent: agentId, amount: reply.amount, tx: reply.trans_id });
  const { amount: paid, trans_id: transId, paid_through: paidThrough } = reply;
  return { result: { operationId, objectKey, agentId, amount: paid, transId, paidThrough, already } };
}
