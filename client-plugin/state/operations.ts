/**
 * The journal of operations: one row each, from the first intent to the verified end. A process that works on one holds a short
 * lease on it and renews it; whoever finds an open operation whose holder is gone may take it over and go on where it stopped.
 */
import { randomBytes } from "node:crypto";
import type { Wallet } from "#contract/wallet";
import { Fault, type FaultFacts } from "../faults.ts";
import type { Database } from "./database.ts";

export type OperationKind = "store" | "fetch" | "delete" | "renew" | "statement" | "mandate" | "rotate";
/** `open`: has work left, running or not. The other three are ends. */
export type OperationState = "open" | "done" | "failed" | "cancelled";

export interface Operation {
  readonly id: string;
  readonly kind: OperationKind;
  readonly wallet: Wallet;
  readonly agentId: string;
  readonly objectKey: string;
  readonly state: OperationState;
  /** The last step begun. */
  readonly step: string;
  /** What later steps and later processes need to know; each kind has its own. */
  readonly facts: Readonly<Record<string, unknown>>;
  readonly result: unknown;
  readonly fault: FaultFacts | undefined;
  readonly running: boolean;
  readonly doneBytes: number;
  readonly totalBytes: number;
  readonly createdMs: number;
  readonly updatedMs: number;
}

/** What an operation buys, in one word: the same for every attempt, also of a later operation on the same name. */
export function purchaseOf({ kind, agentId, objectKey }: Pick<Operation, "kind" | "agentId" | "objectKey">): string {
  return `${kind} ${agentId}/${objectKey}`;
}

export interface NewOperation {
  readonly kind: OperationKind;
  readonly wallet: Wallet;
  readonly agentId: string;
  readonly objectKey: string;
  readonly facts: Readonly<Record<string, unknown>>;
  readonly idempotencyKey?: string | undefined;
}

export interface Operations {
  /** What the key made, if it is done; the open operation of this kind on this name; the one the key made, opened again; a new one. */
  begin(wanted: NewOperation): { readonly operation: Operation; readonly resumed: boolean };
  find(id: string): Operation | undefined;
  list(options: { readonly openOnly?: boolean; readonly limit: number }): Operation[];
  /** Takes the lease. @throws Fault `operation_running` while another process holds it */
  take(id: string): void;
  /** Renews the lease. `lost`: it had run out, and another process works on it now. */
  hold(id: string): "held" | "cancelled" | "lost";
  release(id: string): void;
  /** A step begins; `facts` are merged in the same write. */
  step(id: string, step: string, facts?: Readonly<Record<string, unknown>>): void;
  progress(id: string, done: number, total: number): void;
  finish(id: string, result: unknown): void;
  /** A failure that may be tried again leaves the operation open. */
  fail(id: string, fault: FaultFacts): void;
  cancel(id: string): void;
  requestCancel(id: string): void;
}

const LEASE_MS = 20_000;

export function openOperations(db: Database): Operations {
  // One name per opened journal: two loads in one process are two holders.
  const owner = `${process.pid}:${randomBytes(6).toString("hex")}`;
  const now = () => Date.now();
  const row = (id: string) => db.sql.prepare("SELECT * FROM operations WHERE id = ?").get(id);
  const find = (id: string) => {
    const found = row(id);
    return found === undefined ? undefined : operationOf(found);
  };
  const end = (id: string, state: OperationState, more: { result?: unknown; fault?: FaultFacts | undefined } = {}) =>
    db.sql
      .prepare(
        "UPDATE operations SET state = ?, result = ?, fault = ?, updated_ms = ?, owner = NULL, lease_until_ms = 0 WHERE id = ?",
      )
      .run(state, text(more.result), text(more.fault), now(), id);

  return {
    find,

    begin(wanted) {
      return db.transaction(() => {
        const { kind, wallet, agentId, objectKey, idempotencyKey = null } = wanted;
        const keyed =
          idempotencyKey === null
            ? undefined
            : db.sql.prepare("SELECT * FROM operations WHERE idempotency_key = ?").get(idempotencyKey);
        if (keyed !== undefined && (keyed["kind"] !== kind || keyed["object_key"] !== objectKey))
          throw new Fault(
            "key_reused",
            `The idempotency key was used to ${keyed["kind"]} ${keyed["object_key"]}, not to ${kind} ${objectKey}.`,
            { next: "Use one key per purchase, the same key on every retry of it." },
          );
        const open = db.sql
          .prepare(
            "SELECT * FROM operations WHERE state = 'open' AND kind = ? AND wallet = ? AND agent_id = ? AND object_key = ?",
          )
          .get(kind, wallet, agentId, objectKey);
        if (keyed?.["state"] === "done") return { operation: operationOf(keyed), resumed: true };
        if (open !== undefined) return { operation: operationOf(open), resumed: true };
        if (keyed !== undefined) {
          // It failed or was cancelled, and is called for again under its key.
          const id = String(keyed["id"]);
          db.sql
            .prepare("UPDATE operations SET state = 'open', fault = NULL, cancel_requested = 0 WHERE id = ?")
            .run(id);
          return { operation: operationOf({ ...keyed, state: "open", fault: null }), resumed: true };
        }
        const id = `op_${now().toString(36)}_${randomBytes(8).toString("hex")}`;
        db.sql
          .prepare(
            `INSERT INTO operations (id, kind, wallet, agent_id, object_key, state, step, facts, idempotency_key, created_ms, updated_ms)
             VALUES (?, ?, ?, ?, ?, 'open', 'begin', ?, ?, ?, ?)`,
          )
          .run(id, kind, wallet, agentId, objectKey, JSON.stringify(wanted.facts), idempotencyKey, now(), now());
        const operation = find(id);
        if (operation === undefined) throw new Error("invariant: the row was just written");
        return { operation, resumed: false };
      });
    },

    list({ openOnly = false, limit }) {
      const where = openOnly ? "WHERE state = 'open'" : "";
      return db.sql
        .prepare(`SELECT * FROM operations ${where} ORDER BY created_ms DESC LIMIT ?`)
        .all(limit)
        .map(operationOf);
    },

    take(id) {
      db.transaction(() => {
        const found = row(id);
        if (found === undefined) throw new Fault("operation_not_found", `Operation not found: ${id}`);
        if (isHeld(found) && found["owner"] !== owner)
          throw new Fault(
            "operation_running",
            `${id} is being worked on by process ${String(found["owner"]).split(":")[0]}.`,
            {
              retryable: true,
              next: `Ask how it goes with \`mnemospark op-status ${id}\`.`,
            },
          );
        db.sql
          .prepare(
            "UPDATE operations SET owner = ?, lease_until_ms = ?, cancel_requested = 0, fault = NULL WHERE id = ?",
          )
          .run(owner, now() + LEASE_MS, id);
      });
    },

    hold(id) {
      const held = db.sql
        .prepare("UPDATE operations SET lease_until_ms = ? WHERE id = ? AND owner = ? RETURNING cancel_requested")
        .get(now() + LEASE_MS, id, owner);
      if (held !== undefined) return held["cancel_requested"] === 1 ? "cancelled" : "held";
      return find(id)?.state === "cancelled" ? "cancelled" : "lost";
    },

    release(id) {
      db.sql
        .prepare("UPDATE operations SET owner = NULL, lease_until_ms = 0 WHERE id = ? AND owner = ?")
        .run(id, owner);
    },

    step(id, step, facts = {}) {
      // A fact is replaced whole: the inner one of json_patch first takes away what was there, or objects would be merged.
      const gone = JSON.stringify(Object.fromEntries(Object.keys(facts).map((name) => [name, null])));
      db.sql
        .prepare(
          `UPDATE operations SET step = ?, facts = json_patch(json_patch(facts, ?), ?), updated_ms = ?,
             done_bytes = iif(step = ?, done_bytes, 0), total_bytes = iif(step = ?, total_bytes, 0) WHERE id = ?`,
        )
        .run(step, gone, JSON.stringify(facts), now(), step, step, id);
    },

    progress(id, done, total) {
      db.sql
        .prepare("UPDATE operations SET done_bytes = ?, total_bytes = ?, updated_ms = ? WHERE id = ?")
        .run(done, total, now(), id);
    },

    finish: (id, result) => void end(id, "done", { result }),
    fail(id, fault) {
      if (fault.retryable)
        db.sql
          .prepare("UPDATE operations SET fault = ?, updated_ms = ?, owner = NULL, lease_until_ms = 0 WHERE id = ?")
          .run(text(fault), now(), id);
      else end(id, "failed", { fault });
    },
    cancel: (id) => void end(id, "cancelled"),
    requestCancel: (id) => void db.sql.prepare("UPDATE operations SET cancel_requested = 1 WHERE id = ?").run(id),
  };
}

/** A lease counts while its holder lives: after a kill nobody waits for it to run out. */
function isHeld(row: Record<string, unknown>): boolean {
  if (row["owner"] === null || Number(row["lease_until_ms"]) <= Date.now()) return false;
  const pid = Number(String(row["owner"]).split(":")[0]);
  if (pid === process.pid) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

function operationOf(row: Record<string, unknown>): Operation {
  return {
    id: String(row["id"]),
    kind: String(row["kind"]) as OperationKind,
    wallet: String(row["wallet"]) as Wallet,
    agentId: String(row["agent_id"]),
    objectKey: String(row["object_key"]),
    state: String(row["state"]) as OperationState,
    step: String(row["step"]),
    facts: JSON.parse(String(row["facts"])) as Record<string, unknown>,
    result: row["result"] === null ? undefined : JSON.parse(String(row["result"])),
    fault: row["fault"] === null ? undefined : (JSON.parse(String(row["fault"])) as FaultFacts),
    running: row["state"] === "open" && isHeld(row),
    doneBytes: Number(row["done_bytes"]),
    totalBytes: Number(row["total_bytes"]),
    createdMs: Number(row["created_ms"]),
    updatedMs: Number(row["updated_ms"]),
  };
}

function text(value: unknown): string | null {
  return value === undefined ? null : JSON.stringify(value);
}
