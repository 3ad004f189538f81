/**
 * A Durable Object's storage on node:sqlite: SQL, synchronous transactions that roll back, and one alarm. It outlives the instances
 * that use it; an instance that was killed finds its handle dead, so nothing of it can write any more.
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";

export class Killed extends Error {}

type Value = string | number | null;

interface Prepared {
  readonly statement: StatementSync;
  readonly names: readonly string[];
}

/** Rows come as arrays, and get their names here: asked for objects, the driver makes every name anew for every call. */
function prepare(db: DatabaseSync, query: string): Prepared {
  const statement = db.prepare(query);
  statement.setReturnArrays(true);
  return { statement, names: statement.columns().map(({ name }) => name) };
}

function named(names: readonly string[], row: readonly Value[]): Record<string, Value> {
  const object: Record<string, Value> = {};
  for (let at = 0; at < names.length; at++) object[names[at] as string] = row[at] as Value;
  return object;
}

export class Database {
  readonly #db = new DatabaseSync(":memory:");
  readonly #statements = new Map<string, Prepared>();
  alarmMs: number | null = null;
  onAlarm: (() => void) | undefined;

  all(query: string, values: Value[]): Record<string, Value>[] {
    if (values.length === 0 && query.includes(";")) {
      this.#db.exec(query);
      return [];
    }
    let prepared = this.#statements.get(query);
    if (!prepared) {
      prepared = prepare(this.#db, query);
      this.#statements.set(query, prepared);
    }
    const { statement, names } = prepared;
    return (statement.all(...values) as unknown as Value[][]).map((row) => named(names, row));
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
