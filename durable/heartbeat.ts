/**
 * Proof that the service was there to be paid. A cron beats once a minute; time in which a kind of beat was missing is kept as a gap,
 * and counts for nobody's grace (rules/pulse.ts).
 */
import { DurableObject } from "cloudflare:workers";
import { BEAT_MISSED_MS, GAPS_KEPT_DAYS } from "#contract/limits";
import type { Clock } from "./ports.ts";
import { DAY_MS } from "./rules/calendar.ts";
import { BEATS, type Beat, type Gap, type Pulse } from "./rules/pulse.ts";
import { migrateHeartbeat } from "./schema.ts";

export abstract class HeartbeatObject<Env = unknown> extends DurableObject<Env> {
  protected abstract openClock(): Clock;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    migrateHeartbeat(ctx.storage);
  }

  beat(alive: Readonly<Record<Beat, boolean>>): void {
    const nowMs = this.openClock().nowMs();
    const { storage } = this.ctx;
    storage.transactionSync(() => {
      // A clock that was ahead has written beats and gaps that have not happened.
      storage.sql.exec("DELETE FROM gaps WHERE to_ms > ? OR to_ms < ?", nowMs, nowMs - GAPS_KEPT_DAYS * DAY_MS);
      for (const kind of BEATS) if (alive[kind]) this.#beat(kind, nowMs);
    });
  }

  #beat(kind: Beat, nowMs: number): void {
    const { sql } = this.ctx.storage;
    const lastMs = sql
      .exec<{ last_ms: number }>("SELECT last_ms FROM beats WHERE kind = ?", kind)
      .toArray()[0]?.last_ms;
    if (lastMs !== undefined && nowMs - lastMs > BEAT_MISSED_MS)
      sql.exec("INSERT OR REPLACE INTO gaps (kind, from_ms, to_ms) VALUES (?, ?, ?)", kind, lastMs, nowMs);
    sql.exec(
      "INSERT INTO beats (kind, last_ms) VALUES (?, ?) ON CONFLICT (kind) DO UPDATE SET last_ms = excluded.last_ms",
      kind,
      nowMs,
    );
  }

  pulse(): Pulse {
    const { sql } = this.ctx.storage;
    const rows = sql.exec<{ kind: string; last_ms: number }>("SELECT kind, last_ms FROM beats").toArray();
    const gaps = sql
      .exec<{ from_ms: number; to_ms: number }>("SELECT from_ms, to_ms FROM gaps ORDER BY from_ms")
      .toArray()
      .map((row): Gap => ({ fromMs: row.from_ms, toMs: row.to_ms }));
    return { beats: Object.fromEntries(rows.map((row) => [row.kind, row.last_ms])), gaps };
  }
}
