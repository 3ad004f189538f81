/**
 * A Durable Object's storage on node:sqlite: SQL, synchronous transactions that roll back, and one alarm. It outlives the instances
 * that use it; an instance that was killed finds its handle dead, so nothing of it can write any more.
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";

export class Killed extends Error {}

type Value = string | number | null;

export class Database {
  readonly #db = new DatabaseSync(":memory:");
  readonly #statements = new Map<string, StatementSync>();
  alarmMs: number | null = null;
  onAlarm: (() => void) | undefined;

  all(query: string, values: Value[]): Record<string, Value>[] {
    if (values.length === 0 && query.includes(";")) {
      this.#db.exec(query);
      return [];
    }
    let statement = this.#statements.get(query);
    if (!statement) {
      statement = this.#db.prepare(query);
      this.#statements.set(query, statement);
    }
    return statement.all(...values) as Record<string, Value>[];
  }

  exec(query: string): void {
    this.#db.exec(query);
  }
}

/** One instance's handle. */
export function storageOf(database: Database, isAlive: () => boolean) {
  const live = () => {
    if (!isAlive()) throw new Killed("the object was killed");
  };
  let depth = 0;
  return {
    sql: {
      exec(query: string, ...values: Value[]) {
        live();
        const rows = database.all(query, values);
        return {
          toArray: () => rows,
          one: () => {
            if (rows.length !== 1) throw new Error(`expected one row, got ${rows.length}`);
            return rows[0];
          },
        };
      },
    },
    transactionSync<T>(work: () => T): T {
      live();
      if (depth > 0) return work();
      const alarmMs = database.alarmMs;
      depth += 1;
      database.exec("BEGIN");
      try {
        const done = work();
        database.exec("COMMIT");
        return done;
      } catch (error) {
        database.exec("ROLLBACK");
        database.alarmMs = alarmMs;
        throw error;
      } finally {
        depth -= 1;
      }
    },
    async getAlarm(): Promise<number | null> {
      return database.alarmMs;
    },
    setAlarm(atMs: number): Promise<void> {
      live();
      database.alarmMs = atMs;
      database.onAlarm?.();
      return Promise.resolve();
    },
    deleteAlarm(): Promise<void> {
      live();
      database.alarmMs = null;
      return Promise.resolve();
    },
  };
}
