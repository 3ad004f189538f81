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
  /** A deploy that throws: nobody is made, and an alarm that failed often enough is forgotten. */
  broken: boolean;
  /** How often an alarm is forgotten. */
  readonly forgets: number;
  /** The clock that alarms ring by, and objects read. */
  readonly clock: { nowMs(): number };
  /** Alarms that fell due while it was off. */
  readonly waiting: (() => void)[];
}

export class Shelf<T extends object> {
  readonly database = new Database();
  readonly name: string;
  readonly #make: (ctx: unknown) => T;
  readonly #platform: Platform;
  /** An instance was made once, so the tables are there. */
  used = false;
  #held: { object: T; ready: Promise<unknown>; alive: boolean } | undefined;
  #armedMs: number | undefined;
  #armed = 0;
  #ringing = false;

  constructor(name: string, platform: Platform, make: (ctx: unknown) => T) {
    this.name = name;
    this.#platform = platform;
    this.#make = make;
    this.database.onAlarm = () => this.#arm();
  }

  /** Alarms ring by the clock, whatever was done to it. */
  clockMoved(): void {
    this.#armedMs = undefined;
    this.#arm();
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
    if (this.#platform.broken) throw new Error("the deploy throws");
    if (this.#held) return this.#held;
    const held = { object: undefined as unknown as T, ready: Promise.resolve() as Promise<unknown>, alive: true };
    this.#held = held;
    this.used = true;
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
    const { time, random, clock } = this.#platform;
    const dueMs = this.database.alarmMs;
    if (dueMs === null || (this.#armedMs !== undefined && this.#armedMs <= dueMs)) return;
    this.#armedMs = dueMs;
    const lateMs = random.chance(0.02) ? random.between(0, 7_200_000) : 0;
    this.#armed += 1;
    const armed = this.#armed;
    time.at(time.nowMs + Math.max(0, dueMs - clock.nowMs()) + lateMs, () => {
      if (this.#armedMs === undefined || this.#armed !== armed) return;
      this.#armedMs = undefined;
      this.#ring();
    });
  }

  #ring(): void {
    const platform = this.#platform;
    if (platform.broken) {
      this.database.alarmMs = null;
      return;
    }
    if (platform.off) {
      platform.waiting.push(() => this.#ring());
      return;
    }
    const { alarmMs } = this.database;
    if (alarmMs === null || this.#ringing) return;
    if (alarmMs > platform.clock.nowMs()) {
      this.#arm();
      return;
    }
    this.database.alarmMs = null;
    // Forgotten: nothing runs, and nobody is told. The registry finds out.
    if (platform.random.chance(platform.forgets)) return;
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
