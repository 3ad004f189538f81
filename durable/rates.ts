/**
 * The rate cards: one object, which an alarm lets ask AWS for its prices once a day, and earlier when somebody says so. Cards are
 * versioned and never changed; a new one supersedes the last in one transaction, and the last is honoured for another hour.
 *
 * Reading never waits for AWS. When no source tells prices that can be believed, the last good card stays.
 */
import { DurableObject } from "cloudflare:workers";
import { CARD_HONOURED_S, CARD_REFRESH_MIN_S, CARD_REFRESH_S } from "#contract/limits";
import { RateCard } from "#contract/rates";
import { ratesFault } from "#rules/rates";
import type { Clock, PriceSource, ShelfState, ShelvedCard } from "./ports.ts";
import { migrateRates } from "./schema.ts";

export interface RatesPorts {
  readonly clock: Clock;
  /** In the order they are asked. */
  readonly sources: readonly PriceSource[];
  readonly regions: readonly string[];
}

/** After so many failures in a row; the last one for all further ones. Asking costs nothing. */
const RETRY_MS = [60_000, 300_000, 900_000, 3_600_000];
/** A run that died with its object is not begun again at once. */
const DIED_RETRY_MS = 600_000;
/** The alarm comes back no sooner, whatever goes wrong. */
const PAUSE_MS = 5_000;

type Meta = "due_ms" | "asked_ms" | "failures" | "last";

export abstract class RatesObject<Env = unknown> extends DurableObject<Env> {
  protected abstract openPorts(): RatesPorts;
  #opened: RatesPorts | undefined;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    migrateRates(ctx.storage);
    // Alarms can be lost; an object that wakes for any reason looks itself. The very first one is due at once.
    ctx.blockConcurrencyWhile(async () => {
      if ((await ctx.storage.getAlarm()) === null) this.#arm(0);
    });
  }

  /** The current card, then those that are honoured still, newest first. */
  cards(): ShelvedCard[] {
    const nowMs = this.#world().clock.nowMs();
    const rows = this.ctx.storage.sql
      .exec<{ card: string; superseded_ms: number | null }>(
        "SELECT card, superseded_ms FROM cards WHERE superseded_ms IS NULL OR superseded_ms > ? ORDER BY taken_ms DESC, version DESC",
        nowMs - CARD_HONOURED_S * 1000,
      )
      .toArray();
    const cards = rows.map(({ card, superseded_ms }) => ({
      card: RateCard.parse(JSON.parse(card)),
      honouredUntilMs: superseded_ms === null ? undefined : superseded_ms + CARD_HONOURED_S * 1000,
    }));
    // A region that is sold since the card was taken has no price in it.
    const [current] = cards;
    if (current && this.#world().regions.some((region) => !Object.hasOwn(current.card.regions, region))) this.refresh();
    return cards;
  }

  /** Asks AWS soon instead of tomorrow: at once, or when the last time is ten minutes ago. */
  refresh(): ShelfState {
    const soonMs = Math.max(this.#world().clock.nowMs(), this.#read("asked_ms") + CARD_REFRESH_MIN_S * 1000);
    if (this.#read("due_ms") > soonMs) {
      this.#write("due_ms", soonMs);
      this.#arm(0);
    }
    return this.state();
  }

  /** When AWS is asked next, and what came of the last time. */
  state(): ShelfState {
    const told = this.#text("last");
    return {
      sources: this.#world().sources.map(({ name }) => name),
      dueMs: this.#read("due_ms"),
      askedMs: this.#read("asked_ms"),
      last: told === undefined ? undefined : (JSON.parse(told) as ShelfState["last"]),
    };
  }

  override async alarm(): Promise<void> {
    // Never throws: after six failed runs the platform would forget the alarm.
    try {
      await this.#take();
    } catch (error) {
      console.error(JSON.stringify({ code: "rates_failed", detail: String(error) }));
    } finally {
      this.#arm(PAUSE_MS);
    }
  }

  async #take(): Promise<void> {
    const { clock, sources, regions } = this.#world();
    const nowMs = clock.nowMs();
    if (nowMs < this.#read("due_ms")) return;
    this.ctx.storage.transactionSync(() => {
      this.#write("asked_ms", nowMs);
      this.#write("due_ms", nowMs + DIED_RETRY_MS);
    });
    const faults: { source: string; detail: string }[] = [];
    for (const source of sources) {
      const taken = await askedOf(source, regions, nowMs);
      const fault = taken.end === "done" ? ratesFault(taken.regions, regions) : taken.detail;
      if (taken.end === "done" && fault === undefined)
        return this.#shelve(source, taken.regions, { askedMs: nowMs, atMs: clock.nowMs(), faults });
      console.error(JSON.stringify({ code: "rates_not_taken", source: source.name, detail: fault }));
      faults.push({ source: source.name, detail: (fault ?? "").slice(0, 500) });
    }
    const failures = this.#read("failures");
    const waitMs = RETRY_MS[Math.min(failures, RETRY_MS.length - 1)] ?? 0;
    this.ctx.storage.transactionSync(() => {
      this.#write("failures", failures + 1);
      this.#write("last", JSON.stringify({ askedMs: nowMs, atMs: clock.nowMs(), faults }));
      this.#write("due_ms", clock.nowMs() + (sources.length === 0 ? CARD_REFRESH_S * 1000 : waitMs));
    });
  }

  #shelve(source: PriceSource, regions: RateCard["regions"], told: NonNullable<ShelfState["last"]>): void {
    const nowMs = told.atMs;
    const at = new Date(nowMs).toISOString();
    const version = `${at.slice(0, 19)}Z.${source.label}`;
    const card = RateCard.parse({ version, date: at.slice(0, 10), source: source.name, regions });
    const { sql } = this.ctx.storage;
    this.ctx.storage.transactionSync(() => {
      sql.exec("UPDATE cards SET superseded_ms = ? WHERE superseded_ms IS NULL", nowMs);
      sql.exec("INSERT INTO cards (version, card, taken_ms) VALUES (?, ?, ?)", version, JSON.stringify(card), nowMs);
      this.#write("failures", 0);
      this.#write("last", JSON.stringify({ ...told, version }));
      this.#write("due_ms", nowMs + CARD_REFRESH_S * 1000);
    });
  }

  #world(): RatesPorts {
    this.#opened ??= this.openPorts();
    return this.#opened;
  }

  #read(key: Meta): number {
    return Number(this.#text(key) ?? "0");
  }

  #text(key: Meta): string | undefined {
    const [row] = this.ctx.storage.sql.exec<{ value: string }>("SELECT value FROM meta WHERE key = ?", key).toArray();
    return row?.value;
  }

  #write(key: Meta, value: number | string): void {
    this.ctx.storage.sql.exec(
      "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
      key,
      String(value),
    );
  }

  /** The only place that sets the alarm: when AWS is due, not sooner than `pauseMs` from now. */
  #arm(pauseMs: number): void {
    void this.ctx.storage.setAlarm(Math.max(this.#read("due_ms"), Date.now() + pauseMs));
  }
}

/** A source that breaks has told nothing. */
async function askedOf(
  source: PriceSource,
  regions: readonly string[],
  nowMs: number,
): ReturnType<PriceSource["take"]> {
  try {
    return await source.take(regions, nowMs);
  } catch (error) {
    return { end: "unknown", detail: String(error) };
  }
}
