/**
 * Who is due when. Alarms get lost: six failed runs and the platform forgets one, and a deploy that throws for a day loses all of that
 * day. Each wallet has told one of these, by its address, when it is due next; a cron asks each to wake whoever is overdue. To be woken
 * is enough: the wallet sets its own alarm and answers when it is due then.
 */
import { DurableObject } from "cloudflare:workers";
import { sha256Hex } from "#contract/bytes";
import { REGISTRY_SHARDS, WAKES_PER_SWEEP } from "#contract/limits";
import type { Wallet } from "#contract/wallet";
import type { Clock } from "./ports.ts";
import type { Due } from "./roll.ts";
import { migrateRegistry } from "./schema.ts";
import { limit } from "./tx.ts";

export interface RegistryPorts {
  readonly clock: Clock;
  wake(wallet: Wallet): Promise<Due>;
}

/** An alarm is usually on time; who is this late has lost it. */
const LATE_MS = 300_000;
/** Awake and still overdue: its sweep is at it. */
const AGAIN_MS = 600_000;

export const SHARDS = Array.from({ length: REGISTRY_SHARDS }, (_, index) => `registry-${index.toString(16)}`);

/** By hash: addresses can be chosen, and nobody shall crowd one shard. */
export function shardOf(wallet: Wallet): string {
  return SHARDS[Number.parseInt(sha256Hex(wallet).slice(0, 4), 16) % SHARDS.length] ?? "";
}

export abstract class RegistryObject<Env = unknown> extends DurableObject<Env> {
  protected abstract openPorts(): RegistryPorts;
  #opened: RegistryPorts | undefined;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    migrateRegistry(ctx.storage);
  }

  put(wallet: Wallet, { seq, dueMs }: Due): void {
    this.ctx.storage.sql.exec(
      `INSERT INTO wallets (wallet, seq, due_ms, try_ms, failures) VALUES (?, ?, ?, ?, 0)
         ON CONFLICT (wallet) DO UPDATE SET seq = excluded.seq, due_ms = excluded.due_ms, try_ms = excluded.try_ms, failures = 0
         WHERE excluded.seq > seq`,
      wallet,
      seq,
      dueMs,
      dueMs === null ? null : Math.max(dueMs + LATE_MS, this.#nowMs() + AGAIN_MS / 2),
    );
  }

  /** Wakes the longest overdue, a bounded number a time. One that fails is tried again later and stops nobody. */
  async wakeOverdue(): Promise<{ woken: number; failed: number }> {
    const rows = this.ctx.storage.sql
      .exec<{ wallet: string }>(
        `SELECT wallet FROM wallets WHERE try_ms IS NOT NULL AND try_ms <= ? ORDER BY try_ms ${limit(WAKES_PER_SWEEP)}`,
        this.#nowMs(),
      )
      .toArray();
    const woken = await Promise.all(rows.map(({ wallet }) => this.#wake(wallet as Wallet)));
    return { woken: woken.filter(Boolean).length, failed: woken.filter((done) => !done).length };
  }

  async #wake(wallet: Wallet): Promise<boolean> {
    this.#opened ??= this.openPorts();
    try {
      this.put(wallet, await this.#opened.wake(wallet));
      return true;
    } catch (error) {
      console.error(JSON.stringify({ code: "wake_failed", wallet, detail: String(error) }));
      this.ctx.storage.sql.exec(
        "UPDATE wallets SET failures = failures + 1, try_ms = ? + min(3600000, 60000 * (1 << min(failures, 6))) WHERE wallet = ?",
        this.#nowMs(),
        wallet,
      );
      return false;
    }
  }

  /** Wallets that are due by then as far as is known here, which is never too late (roll.ts); in order of address. */
  dueAfter(after: string, untilMs: number, atMost: number): Wallet[] {
    return this.ctx.storage.sql
      .exec<{ wallet: string }>(
        "SELECT wallet FROM wallets WHERE wallet > ? AND due_ms <= ? ORDER BY wallet LIMIT ?",
        after,
        untilMs,
        atMost,
      )
      .toArray()
      .map(({ wallet }) => wallet as Wallet);
  }

  #nowMs(): number {
    this.#opened ??= this.openPorts();
    return this.#opened.clock.nowMs();
  }
}
