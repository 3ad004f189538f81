/** Deleting and renewing: one request each, journalled so that a lost reply is neither a failure nor a second charge. */
import { ApiError } from "../api.ts";
import type { Session } from "../session.ts";
import type { Operation } from "../state/operations.ts";
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
