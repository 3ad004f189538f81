/**
 * One Durable Object for years: its database stays, its instance is dropped now and then, and its alarm is usually on time: sometimes
 * late, sometimes run twice, sometimes forgotten, and never run while the platform is off.
 */
import type { Random } from "../random.ts";
import { Database, storageOf } from "../storage.ts";
import type { Time } from "../time.ts";

export interface Platform {
  readonly time: Time;
  readonly random: Random;
  off: boolean;
  /** Alarms that fell due while it was off. */
  readonly waiting: (() => void)[];
}

export class Shelf<T extends object> {
  readonly database = new Database();
  readonly name: string;
  readonly #make: (ctx: unknown) => T;
  readonly #platform: Platform;
  #held: { object: T; ready: Promise<unknown>; alive: boolean } | undefined;
  #armedMs: number | undefined;
  #ringing = false;

  constructor(name: string, platform: Platform, make: (ctx: unknown) => T) {
    this.name = name;
    this.#platform = platform;
    this.#make = make;
    this.database.onAlarm = () => this.#arm();
  }

  async call<R>(method: string, args: readonly unknown[]): Promise<R> {
    if (this.#platform.random.chance(0.01)) this.evict();
    const { object, ready } = this.#wake();
    await ready;
    const run = (object as Record<string, ((...given: unknown[]) => unknown) | undefined>)[method];
    if (!run) throw new Error(`${this.name} has no ${method}`);
    return (await run.apply(object, [...args])) as R;
  }

  evict(): void {
    this.#held = undefined;
  }

  #wake() {
    if (this.#held) return this.#held;
    const held = { object: undefined as unknown as T, ready: Promise.resolve() as Promise<unknown>, alive: true };
    this.#held = held;
    held.object = this.#make({
      id: { name: this.name },
      storage: storageOf(this.database, () => true),
      waitUntil: (work: Promise<unknown>) => void work.catch(() => undefined),
      blockConcurrencyWhile: (work: () => Promise<unknown>) => {
        held.ready = work();
        return held.ready;
      },
    });
    return held;
  }

  #arm(): void {
    const { time, random } = this.#platform;
    const dueMs = this.database.alarmMs;
    if (dueMs === null || (this.#armedMs !== undefined && this.#armedMs <= dueMs)) return;
    const atMs = Math.max(dueMs, time.nowMs);
    this.#armedMs = atMs;
    const lateMs = random.chance(0.02) ? random.between(0, 7_200_000) : 0;
    time.at(atMs + lateMs, () => {
      if (this.#armedMs !== atMs) return;
      this.#armedMs = undefined;
      this.#ring();
    });
  }

  #ring(): void {
    const platform = this.#platform;
    if (platform.off) {
      platform.waiting.push(() => this.#ring());
      return;
    }
    const { alarmMs } = this.database;
    if (alarmMs === null || this.#ringing) return;
    if (alarmMs > platform.time.nowMs) {
      this.#arm();
      return;
    }
    this.database.alarmMs = null;
    // Forgotten: nothing runs, and nobody is told. The registry finds out.
    if (platform.random.chance(0.002)) return;
    const twice = platform.random.chance(0.01);
    const run = () => this.call("alarm", []);
    this.#ringing = true;
    void run()
      .then(() => (twice ? run() : undefined))
      .finally(() => {
        this.#ringing = false;
        this.#arm();
      });
  }
}
